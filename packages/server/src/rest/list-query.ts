import { ClientError, type ErrorCode } from '@rookery/protocol/errors.ts';
import type { UserFilter } from '../services/users.ts';
import { qDate } from './query.ts';
import { readUserFilter } from './users-filter.ts';

/** Fields of rooms that hold lists: the database cannot order by two of them. */
const listFields = new Set(['muted', 'unmuted', 'tags', 'sysMes', 'usernames', 'uids']);

/**
 * Reads a `sort` text: JSON of field names and directions.
 *
 * @param allowed Fields of the answer's items that may order them.
 * @returns undefined when none was given.
 * @throws ClientError `error-invalid-sort`
 * @see REST contract, 6
 */
export function readSort(text: string | undefined, allowed: readonly string[]): Record<string, 1 | -1> | undefined {
	if (text === undefined) return undefined;
	const sort: Record<string, 1 | -1> = {};
	for (const [field, direction] of Object.entries(readObject(text) ?? fail('sort', text))) {
		if (!allowed.includes(field) || (direction !== 1 && direction !== -1)) fail('sort', text);
		sort[field] = direction as 1 | -1;
	}
	if (Object.keys(sort).filter((field) => listFields.has(field)).length > 1) fail('sort', text);
	return Object.keys(sort).length === 0 ? undefined : sort;
}

/**
 * Reads a `fields` text and gives the function that applies it. Unknown fields are ignored; `_id` always stays.
 *
 * @throws ClientError `error-invalid-fields`
 */
export function readFields(text: string | undefined): <T extends object>(item: T) => T {
	if (text === undefined) return (item) => item;
	const entries = Object.entries(readObject(text) ?? fail('fields', text));
	if (entries.some(([, value]) => value !== 0 && value !== 1)) fail('fields', text);
	const chosen = new Map(entries);
	const isList = entries.some(([, value]) => value === 1);
	return <T extends object>(item: T): T => {
		const kept = Object.entries(item).filter(([field]) => {
			if (field === '_id') return true;
			return isList ? chosen.get(field) === 1 : chosen.get(field) !== 0;
		});
		return Object.fromEntries(kept) as T;
	};
}

/** Parts of fields that a `query` may name beside the fields themselves. */
const partsOfRooms = ['u._id', 'u.username'];

/**
 * Reads the `query` of a list of rooms.
 *
 * @param fields Of a room, that the caller may see.
 * @throws ClientError `error-invalid-query`
 * @see REST contract, 6
 */
export function readRoomFilter(text: string | undefined, fields: readonly string[]): UserFilter | null {
	return readUserFilter(text, [...fields, ...partsOfRooms]);
}

/** Reads a `query` that names one room by `_id` or `name`. @throws ClientError `error-invalid-query` */
export function readRoomName(text: string | undefined): { roomId?: string; roomName?: string } {
	if (text === undefined) return {};
	const { _id, name, ...rest } = readObject(text) ?? fail('query', text);
	const isName = [_id, name].every((value) => value === undefined || typeof value === 'string');
	if (!isName || Object.keys(rest).length > 0) fail('query', text);
	return {
		...(typeof _id === 'string' ? { roomId: _id } : {}),
		...(typeof name === 'string' ? { roomName: name } : {}),
	};
}

/**
 * Reads a date.
 *
 * @param refusal What is thrown for a text that is none: code and reason.
 * @throws ClientError
 */
export function readDate(text: string, [code, reason]: [ErrorCode, string]): Date {
	const date = qDate.safeParse(text);
	if (date.success) return date.data;
	throw new ClientError(code, reason);
}

/**
 * Reads the `query` of a `*.messages` route as the parameters that took its place.
 *
 * @throws ClientError `error-invalid-query`
 */
export function readMessageQuery(text: string | undefined): MessageQuery {
	if (text === undefined) return {};
	const filter: MessageQuery = {};
	for (const [field, condition] of Object.entries(readObject(text) ?? fail('query', text))) {
		const ids = idsOf(condition);
		if (field === '_id' && ids !== null) filter.ids = ids;
		else if (field === 'mentions._id' && ids !== null) filter.mentionIds = ids;
		else if (field === 'starred._id' && ids !== null) filter.starredIds = ids;
		else if (field === 'pinned' && typeof condition === 'boolean') filter.pinned = condition;
		else if (field === 'tmid' && typeof condition === 'string') filter.tmid = condition;
		else if (field === 'tmid' && isAbsence(condition)) filter.tmid = null;
		else fail('query', text);
	}
	return filter;
}

export type MessageQuery = {
	ids?: string[];
	mentionIds?: string[];
	starredIds?: string[];
	pinned?: boolean;
	/** null: outside threads. */
	tmid?: string | null;
};

function readObject(text: string): Record<string, unknown> | null {
	try {
		const value: unknown = JSON.parse(text);
		if (isObject(value)) return value;
	} catch {
		// Not JSON: the caller says so, as of any other text that is no object.
	}
	return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{"$in": [...]}` or one id. */
function idsOf(condition: unknown): string[] | null {
	if (typeof condition === 'string') return [condition];
	if (!isObject(condition) || Object.keys(condition).length !== 1) return null;
	const list = condition['$in'];
	if (!Array.isArray(list) || list.length > 100) return null;
	return list.every((id) => typeof id === 'string') ? (list as string[]) : null;
}

function isAbsence(condition: unknown): boolean {
	return isObject(condition) && Object.keys(condition).length === 1 && condition['$exists'] === false;
}

function fail(parameter: 'sort' | 'fields' | 'query', text: string): never {
	throw new ClientError(
		`error-invalid-${parameter}`,
		`Invalid ${parameter} parameter provided: "${text.slice(0, 256)}"`,
		{ helperMethod: 'parseJsonQuery' },
	);
}
