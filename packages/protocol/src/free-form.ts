import { z } from 'zod';

const maxDepth = 16;
const maxEntries = 1_000;
const refusedKeys = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * An object of the client's own (`customFields`): plain data of at most 1,000 entries, 16 deep. Keys that mean something
 * to a database or to the language are refused.
 *
 * @see security contract, SEC-IN-2
 */
export const freeForm: z.ZodType<Record<string, unknown>> = z
	.record(z.string(), z.unknown())
	.refine((value) => isPlainData(value, maxDepth, { left: maxEntries }), { message: 'must be plain data' });

function isPlainData(value: unknown, depth: number, entries: { left: number }): boolean {
	if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
	if (typeof value === 'number') return Number.isFinite(value);
	if (value instanceof Date) return !Number.isNaN(value.getTime());
	if (typeof value !== 'object' || depth === 0) return false;
	const prototype: unknown = Object.getPrototypeOf(value);
	if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return false;
	return Object.entries(value).every(([key, entry]) => {
		entries.left -= 1;
		const isKeyFine = !refusedKeys.has(key) && !key.startsWith('$') && !key.includes('.') && !key.includes('\0');
		return entries.left >= 0 && isKeyFine && isPlainData(entry, depth - 1, entries);
	});
}
