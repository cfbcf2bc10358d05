import { ClientError } from '@rookery/protocol/errors.ts';
import { RestFailure } from './route.ts';

/**
 * Reads a request body into an object, before the route's schema checks it.
 *
 * @param contentType The header; '' when it was absent: read as JSON.
 * @returns `isForm`: every value is a text, since forms know nothing else.
 * @throws RestFailure 415 for other types; ClientError `invalid-params` for text that is no JSON object
 * @see REST contract, 2
 */
export function parseBody(contentType: string, text: string): { value: Record<string, unknown>; isForm: boolean } {
	const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
	if (type !== '' && type !== 'application/json' && type !== 'application/x-www-form-urlencoded') {
		if (text === '') return { value: {}, isForm: false };
		throw new RestFailure(415, 'Unsupported Media Type');
	}
	if (text.trim() === '') return { value: {}, isForm: false };
	if (type === 'application/x-www-form-urlencoded') return { value: parseForm(text), isForm: true };
	return { value: parseObject(text), isForm: false };
}

function parseObject(text: string): Record<string, unknown> {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw new ClientError('invalid-params', 'must be a JSON object');
	}
	if (typeof value !== 'object' || value === null || Array.isArray(value)) {
		throw new ClientError('invalid-params', 'must be object');
	}
	return value as Record<string, unknown>;
}

/** A form body. A field `payload` that holds a JSON text replaces it: webhook senders do that. */
function parseForm(text: string): Record<string, unknown> {
	const value = parseQuery(text);
	return typeof value['payload'] === 'string' ? parseObject(value['payload']) : value;
}

/** Texts of a query string; a list where a key was repeated or marked `[]` or `[0]`. */
export type QueryRecord = Record<string, string | string[]>;

const maxKeys = 1000;

/**
 * Reads a query string or a form. Empty values count as absent. What is not percent-encoded correctly is taken as it
 * stands, because clients send raw JSON in queries.
 */
export function parseQuery(text: string): QueryRecord {
	const record: QueryRecord = Object.create(null) as QueryRecord;
	let keys = 0;
	for (const pair of text.split('&')) {
		if (pair === '' || ++keys > maxKeys) continue;
		const at = pair.indexOf('=');
		const value = at < 0 ? '' : decode(pair.slice(at + 1));
		if (value === '') continue;
		const rawKey = decode(at < 0 ? pair : pair.slice(0, at));
		const key = rawKey.replace(/\[\d{0,4}\]$/, '');
		const present = record[key];
		if (present !== undefined) record[key] = [...(Array.isArray(present) ? present : [present]), value];
		else record[key] = key === rawKey ? value : [value];
	}
	return record;
}

function decode(text: string): string {
	const spaced = text.replaceAll('+', ' ');
	try {
		return decodeURIComponent(spaced);
	} catch {
		return spaced;
	}
}

/**
 * A form's texts as the values they spell, for a schema that asks for booleans and numbers.
 *
 * @param wrong The fields that the schema refused as texts: all others stay texts, be they digits or `true`.
 */
export function coerceForm(form: Record<string, unknown>, wrong: ReadonlySet<PropertyKey>): Record<string, unknown> {
	const entries = Object.entries(form).map(([key, value]) => [key, wrong.has(key) ? valueOf(value) : value]);
	return Object.fromEntries(entries) as Record<string, unknown>;
}

function valueOf(text: unknown): unknown {
	if (text === 'true') return true;
	if (text === 'false') return false;
	return typeof text === 'string' && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}
