/** The middle of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
	return quantile(values, 0.5);
}

/**
 * The value below which a share of the numbers lies, between neighbours in proportion.
 *
 * @param share 0 to 1.
 */
export function quantile(values: readonly number[], share: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	const place = (sorted.length - 1) * share;
	const lower = sorted[Math.floor(place)] ?? Number.NaN;
	const upper = sorted[Math.ceil(place)] ?? Number.NaN;
	return lower + (upper - lower) * (place - Math.floor(place));
}

/** Median, extremes and a 95 % interval of some numbers. */
export type Spread = { median: number; min: number; max: number; lo95: number; hi95: number };

/**
 * The spread of some numbers, its interval by 2,000 bootstrap samples of the median.
 *
 * @param seed Of the pseudo-random samples: the same numbers give the same interval.
 */
export function spreadOf(values: readonly number[], seed = 1): Spread {
	const random = randomFrom(seed);
	const medians = Array.from({ length: 2000 }, () =>
		median(values.map(() => values[Math.floor(random() * values.length)] ?? Number.NaN)),
	);
	return {
		median: median(values),
		min: Math.min(...values),
		max: Math.max(...values),
		lo95: quantile(medians, 0.025),
		hi95: quantile(medians, 0.975),
	};
}

/** Pseudo-random numbers from 0 to 1 (mulberry32). */
function randomFrom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
	};
}
