import type { Goal, Ratio } from './report.ts';

/**
 * A ratio that has to be large: its value is the lower end of its interval, so that chance does not meet the goal.
 *
 * @param ratio null: too many repetitions were dropped.
 */
export function ratioAtLeast(id: string, ratio: Ratio | null, goal: number, stretch?: number): Goal {
	const value = ratio?.lo95 ?? Number.NaN;
	const verdict = Number.isNaN(value) ? 'no verdict' : value >= goal ? 'met' : 'missed';
	return { id, value, goal, isLeast: true, ...(stretch === undefined ? {} : { stretch }), verdict };
}

/** A ratio that has to be small: its value is the upper end of its interval. */
export function ratioAtMost(id: string, ratio: Ratio | null, goal: number, stretch?: number): Goal {
	const value = ratio?.hi95 ?? Number.NaN;
	const verdict = Number.isNaN(value) ? 'no verdict' : value <= goal ? 'met' : 'missed';
	return { id, value, goal, ...(stretch === undefined ? {} : { stretch }), verdict };
}
