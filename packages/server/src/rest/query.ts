import { z } from 'zod';

/**
 * Readers for query texts. A query arrives as a record of texts (or lists of texts where a key was repeated or ended in
 * `[]`); empty values were dropped before. Each reader is a zod type that turns the text into a value.
 * @see REST contract, 2 and 6
 */

/** A text. A repeated key is refused. */
export const qText = z.string().max(8192);

/** A whole number of at least `min`. One beyond what a number holds exactly is cut, not refused. */
export function qInt(min = 0): z.ZodType<number> {
	return z
		.string()
		.transform((text, context) => {
			if (/^-?\d+$/.test(text)) {
				return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number(text), Number.MAX_SAFE_INTEGER));
			}
			context.addIssue({ code: 'custom', message: 'must be integer' });
			return z.NEVER;
		})
		.refine((value) => value >= min, { message: `must be >= ${min}` });
}

/** `true`, `True`, `1` and their opposites. */
export const qBool: z.ZodType<boolean> = z.string().transform((text, context) => {
	if (['true', 'True', '1'].includes(text)) return true;
	if (['false', 'False', '0'].includes(text)) return false;
	context.addIssue({ code: 'custom', message: 'must be boolean' });
	return z.NEVER;
});

/** How texts begin that clients mean as dates: `Date` alone would take any word before a number. */
const dateStart = new RegExp(
	[
		'^(?:[+-]\\d{6}-|\\d{4}(?:[-/]|$)|\\d{1,2}/\\d{1,2}/\\d{4}',
		'(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ,])',
	].join('|'),
	'i',
);

/** An ISO date, one as programs write it for people, or ms since 1970 as digits (four of them are a year). */
export const qDate: z.ZodType<Date> = z.string().transform((text, context) => {
	const isMs = /^\d{1,15}$/.test(text) && text.length !== 4;
	const date = new Date(isMs ? Number(text) : dateStart.test(text) ? text : Number.NaN);
	if (!Number.isNaN(date.getTime())) return date;
	context.addIssue({ code: 'custom', message: 'must match format "iso-date-time"' });
	return z.NEVER;
});

/** A list: repeated keys, `key[]=`, or a comma list in one value. At most `max` entries. */
export function qList(max = 1000): z.ZodType<string[]> {
	return z
		.union([z.string(), z.array(z.string())])
		.transform((value) => (typeof value === 'string' ? value.split(',') : value).filter((text) => text !== ''))
		.refine((list) => list.length <= max, { message: `must NOT have more than ${max} items` });
}

/** The paging parameters of every list as they come from the query. */
export const pagingQuery = { offset: qInt().optional(), count: qInt().optional(), sort: qText.optional() };

export type PagingQuery = { offset?: number | undefined; count?: number | undefined; sort?: string | undefined };

export type Paging = { offset: number; count: number };

/**
 * Offset and count in force: 50 where none is given, at most 100, `0` = all up to 10,000.
 *
 * @param settings Reads `API_Default_Count`, `API_Upper_Count_Limit`, `API_Allow_Infinite_Count`.
 */
export function pagingOf(
	query: PagingQuery,
	settings: { number(id: string, fallback: number): number; flag(id: string, fallback?: boolean): boolean },
	defaultCount?: number,
): Paging {
	const upper = settings.number('API_Upper_Count_Limit', 100);
	const usual = Math.min(defaultCount ?? settings.number('API_Default_Count', 50), upper);
	const offset = query.offset ?? 0;
	if (query.count === undefined) return { offset, count: usual };
	if (query.count === 0) return { offset, count: settings.flag('API_Allow_Infinite_Count', true) ? 10_000 : usual };
	return { offset, count: Math.min(query.count, upper) };
}
