/** Sync answers go back this far behind the asked date: late commits and other clocks lose nothing. */
const overlapMs = 10_000;
const earliestMs = -8_640_000_000_000_000;

/**
 * Where a sync answer starts that was asked for from a date on.
 *
 * @see security contract, REL-6
 */
export function behind(since: Date): Date {
	return new Date(Math.max(since.getTime() - overlapMs, earliestMs));
}
