import type { Pos } from './events.ts';

/** The position before every other: nothing is known. */
export const noPos: Pos = '';

/**
 * Writes a position of the change stream: text order is commit order.
 *
 * @param seconds Of the cluster time, since 1970: 0 to 2^32 - 1.
 * @param increment Of the cluster time: 0 to 2^32 - 1.
 * @param index Among the changes of this cluster time: 0 to 65,535.
 * @throws RangeError outside these ranges: a wrong order is worse than a stop
 */
export function formatPos(seconds: number, increment: number, index: number): Pos {
	return hex(seconds, 8) + hex(increment, 8) + hex(index, 4);
}

/** The numbers of a position, or null when the text is none. */
export function parsePos(pos: Pos): { seconds: number; increment: number; index: number } | null {
	if (!/^[0-9a-f]{20}$/.test(pos)) return null;
	return {
		seconds: Number.parseInt(pos.slice(0, 8), 16),
		increment: Number.parseInt(pos.slice(8, 16), 16),
		index: Number.parseInt(pos.slice(16), 16),
	};
}

/** Negative, 0 or positive as for `sort`. `''` stands before everything. */
export function comparePos(first: Pos, second: Pos): number {
	if (first === second) return 0;
	return first < second ? -1 : 1;
}

/** The later of two positions. */
export function laterPos(first: Pos, second: Pos): Pos {
	return first < second ? second : first;
}

function hex(value: number, digits: number): string {
	if (!Number.isInteger(value) || value < 0 || value >= 16 ** digits) {
		throw new RangeError(`Not a number of ${digits} hex digits: ${value}`);
	}
	return value.toString(16).padStart(digits, '0');
}
