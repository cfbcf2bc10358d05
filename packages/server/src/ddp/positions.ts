import type { EnvelopeHeader } from '@rookery/protocol/events.ts';

/** Keys whose last position is remembered; the least recently used are forgotten first. */
const maxPositions = 200_000;

/**
 * Remembers the last position of each key of the bus.
 *
 * @returns Whether an event was seen already, or comes from a hub that has been replaced. What was never stored has no
 *   position and is always new.
 */
export function positionFilter(): (header: EnvelopeHeader) => boolean {
	const seen = new Map<string, string>();
	let epoch = 0;
	return ({ key, pos, epoch: sent }) => {
		if (pos === null) return false;
		if (sent < epoch) return true;
		epoch = sent;
		const last = seen.get(key);
		if (last !== undefined && pos <= last) return true;
		seen.delete(key);
		seen.set(key, pos);
		if (seen.size > maxPositions) seen.delete(seen.keys().next().value ?? '');
		return false;
	};
}
