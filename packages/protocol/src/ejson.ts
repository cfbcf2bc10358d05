/**
 * EJSON: JSON with dates, binary and a few more values, as every DDP frame carries it.
 *
 * @see realtime contract 2.8; security contract SEC-IN-2, SEC-IN-3
 */

/** Text that is no EJSON, or breaks a limit. Entry points answer it with 400 "Match failed". */
export class EjsonError extends Error {
	override name = 'EjsonError';
}

/**
 * A special form that never becomes a value: `$InfNaN`, `$regexp`, a known `$type`. No schema admits it, so it ends in
 * 400; encoded again it is what it was.
 */
export class InertEjson {
	readonly json: Readonly<Record<string, unknown>>;
	constructor(json: Record<string, unknown>) {
		this.json = json;
	}
}

/** Bounds of one decoding: levels of objects and arrays, and object keys in all. */
export type EjsonLimits = { maxDepth: number; maxKeys: number };

/** What a client's frame may hold. @see security contract 4 */
export const frameLimits: EjsonLimits = { maxDepth: 32, maxKeys: 10_000 };

/** What our own processes may send each other: long lists, but no endless nesting. */
export const trustedLimits: EjsonLimits = { maxDepth: 200, maxKeys: Number.POSITIVE_INFINITY };

/** Type names we know, so that their values are inert instead of an error. */
const inertTypes: ReadonlySet<unknown> = new Set(['oid', 'Decimal']);

/**
 * Encodes a value once, for the wire.
 *
 * `undefined` members are dropped in objects and `null` in arrays; an invalid date becomes the epoch, because clients read
 * `$date` as a number; `undefined` itself is `null`.
 *
 * @throws EjsonError for more than 200 levels
 */
export function stringifyEjson(value: unknown): string {
	return JSON.stringify(toJson(value, 1)) ?? 'null';
}

/** The plain JSON form of a value. Shares with it whatever needs no change: treat the result as read-only. */
export function toJsonValue(value: unknown): unknown {
	return toJson(value, 1);
}

/**
 * Decodes EJSON text.
 *
 * @throws EjsonError for text that is no JSON, a broken form, an unknown `$type`, or more than the limits allow
 */
export function parseEjson(text: string, limits: EjsonLimits = trustedLimits): unknown {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch {
		throw new EjsonError('Not JSON');
	}
	return fromJsonValue(json, limits);
}

/**
 * Decodes parsed JSON in place: the value given belongs to the result afterwards.
 *
 * @param depth Levels that already enclose the value.
 * @throws EjsonError as `parseEjson`
 */
export function fromJsonValue(json: unknown, limits: EjsonLimits = trustedLimits, depth = 0): unknown {
	if (typeof json !== 'object' || json === null) return json;
	return decode(json, depth + 1, { maxDepth: limits.maxDepth, keysLeft: limits.maxKeys });
}

function toJson(value: unknown, depth: number): unknown {
	if (typeof value === 'number') return Number.isFinite(value) ? value : infNan(value);
	if (typeof value !== 'object' || value === null) return value;
	const prototype: unknown = Object.getPrototypeOf(value);
	if (prototype === Object.prototype || prototype === null)
		return objectToJson(value as Record<string, unknown>, depth);
	if (Array.isArray(value)) return arrayToJson(value, depth);
	return specialToJson(value, depth);
}

function infNan(value: number): object {
	if (Number.isNaN(value)) return { $InfNaN: 0 };
	return { $InfNaN: value > 0 ? 1 : -1 };
}

/** A copy is made only from the first member on that differs: most arrays and objects need none. */
function arrayToJson(items: unknown[], depth: number): unknown[] {
	if (depth > trustedLimits.maxDepth) throw new EjsonError('Nested too deeply');
	let copy: unknown[] | null = null;
	for (let index = 0; index < items.length; index++) {
		const item = items[index];
		if (typeof item === 'string') continue;
		const json = toJson(item, depth + 1);
		if (json === item) continue;
		copy ??= items.slice();
		copy[index] = json;
	}
	return copy ?? items;
}

/** @param value Its prototype has no enumerable members: `for in` is faster here than a list of keys. */
function objectToJson(value: Record<string, unknown>, depth: number): object {
	if (depth > trustedLimits.maxDepth) throw new EjsonError('Nested too deeply');
	let copy: Record<string, unknown> | null = null;
	let first: string | null = null;
	for (const key in value) {
		first ??= key;
		if (key === '__proto__') {
			copy ??= { ...value };
			delete copy[key];
			continue;
		}
		const member = value[key];
		if (typeof member === 'string') continue;
		const json = toJson(member, depth + 1);
		if (json === member) continue;
		copy ??= { ...value };
		copy[key] = json;
	}
	const json = copy ?? value;
	return first?.charCodeAt(0) === 36 && isForm(Object.keys(value), value) ? { $escape: json } : json;
}

function specialToJson(value: object, depth: number): unknown {
	if (value instanceof Date) {
		const time = value.getTime();
		return { $date: Number.isNaN(time) ? 0 : time };
	}
	if (value instanceof Uint8Array) return { $binary: toBase64(value) };
	if (value instanceof InertEjson) return value.json;
	if (value instanceof RegExp) return { $regexp: value.source, $flags: value.flags };
	if ('toJSON' in value && typeof value.toJSON === 'function') return toJson(value.toJSON() as unknown, depth + 1);
	return objectToJson({ ...value }, depth);
}

/** Whether a literal object would be read as a special form. */
function isForm(keys: string[], value: object): boolean {
	// The names of every form begin with a dollar: nearly all objects are done with here.
	if (keys[0]?.charCodeAt(0) !== 36) return false;
	if (keys.length === 1) {
		const [key] = keys;
		return key === '$date' || key === '$binary' || key === '$InfNaN' || key === '$escape';
	}
	if (keys.length !== 2) return false;
	return (
		(Object.hasOwn(value, '$regexp') && Object.hasOwn(value, '$flags')) ||
		(Object.hasOwn(value, '$type') && Object.hasOwn(value, '$value'))
	);
}

type Decoding = { maxDepth: number; keysLeft: number };

function decode(json: object, depth: number, state: Decoding): unknown {
	if (depth > state.maxDepth) throw new EjsonError('Nested too deeply');
	if (Array.isArray(json)) {
		decodeItems(json, depth, state);
		return json;
	}
	const value = json as Record<string, unknown>;
	const keys = Object.keys(value);
	state.keysLeft -= keys.length;
	if (state.keysLeft < 0) throw new EjsonError('Too many keys');
	if (keys.length <= 2 && isForm(keys, value)) return decodeForm(value, depth, state);
	decodeMembers(value, keys, depth, state);
	return value;
}

function decodeItems(items: unknown[], depth: number, state: Decoding): void {
	for (let index = 0; index < items.length; index++) {
		const item = items[index];
		if (typeof item !== 'object' || item === null) continue;
		const decoded = decode(item, depth + 1, state);
		if (decoded !== item) items[index] = decoded;
	}
}

/** Keys that could reach an object's prototype are dropped. */
function decodeMembers(value: Record<string, unknown>, keys: string[], depth: number, state: Decoding): void {
	for (const key of keys) {
		if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
			delete value[key];
			continue;
		}
		const member = value[key];
		if (typeof member !== 'object' || member === null) continue;
		const decoded = decode(member, depth + 1, state);
		if (decoded !== member) value[key] = decoded;
	}
}

function decodeForm(form: Record<string, unknown>, depth: number, state: Decoding): unknown {
	if ('$date' in form) return decodeDate(form['$date']);
	if ('$binary' in form) return fromBase64(form['$binary']);
	if ('$escape' in form) return decodeEscaped(form['$escape'], depth + 1, state);
	if (!isInertForm(form)) throw new EjsonError('Unknown $type, or a form with the wrong content');
	return new InertEjson(form);
}

/** Only flat content: an inert form is handed on as it came. */
function isInertForm(form: Record<string, unknown>): boolean {
	if ('$InfNaN' in form) return typeof form['$InfNaN'] === 'number';
	if ('$regexp' in form) return typeof form['$regexp'] === 'string' && typeof form['$flags'] === 'string';
	return inertTypes.has(form['$type']) && typeof form['$value'] === 'string';
}

function decodeDate(time: unknown): Date {
	const ms = typeof time === 'string' && /^-?\d{1,16}$/.test(time) ? Number(time) : time;
	if (typeof ms !== 'number' || Number.isNaN(new Date(ms).getTime())) throw new EjsonError('Invalid $date');
	return new Date(ms);
}

/** What is escaped is literal, one level: its members are decoded, it is not. */
function decodeEscaped(literal: unknown, depth: number, state: Decoding): object {
	if (typeof literal !== 'object' || literal === null || Array.isArray(literal))
		throw new EjsonError('Invalid $escape');
	if (depth > state.maxDepth) throw new EjsonError('Nested too deeply');
	const value = literal as Record<string, unknown>;
	const keys = Object.keys(value);
	state.keysLeft -= keys.length;
	if (state.keysLeft < 0) throw new EjsonError('Too many keys');
	decodeMembers(value, keys, depth, state);
	return value;
}

function toBase64(bytes: Uint8Array): string {
	let binary = '';
	for (let start = 0; start < bytes.length; start += 8192) {
		binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
	}
	return globalThis.btoa(binary);
}

function fromBase64(text: unknown): Uint8Array {
	if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new EjsonError('Invalid $binary');
	let binary: string;
	try {
		binary = globalThis.atob(text);
	} catch {
		throw new EjsonError('Invalid $binary');
	}
	const bytes = new Uint8Array(binary.length);
	for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
	return bytes;
}
