import { ClientError } from '@rookery/protocol/errors.ts';

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

/**
 * Reads a `query` text as one of the shapes of installed clients; nothing else of the text goes further.
 *
 * @throws ClientError `error-invalid-query`
 */
export function readRoomQuery(text: string | undefined): { id?: string; name?: string; namePart?: string } {
	if (text === undefined) return {};
	const query = readObject(text) ?? fail('query', text);
	const filter: { id?: string; name?: string; namePart?: string } = {};
	for (const [field, condition] of Object.entries(query)) {
		if (field === '_id' && typeof condition === 'string') filter.id = condition;
		else if (field === 'name' && typeof condition === 'string') filter.name = condition;
		else filter.namePart = namePartOf(field, condition) ?? fail('query', text);
	}
	return filter;
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
		if (field === 'mentions._id' && ids !== null) filter.mentionIds = ids;
		else if (field === 'starred._id' && ids !== null) filter.starredIds = ids;
		else if (field === 'pinned' && condition === true) filter.pinned = true;
		else if (field === 'tmid' && typeof condition === 'string') filter.tmid = condition;
		else if (field === 'tmid' && isAbsence(condition)) filter.tmid = null;
		else fail('query', text);
	}
	return filter;
}

export type MessageQuery = {
	mentionIds?: string[];
	starredIds?: string[];
	pinned?: true;
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

/** `name: {$regex}` or the same text for `name` and `fname` joined by `$or`. */
function namePartOf(field: string, condition: unknown): string | null {
	if (field === 'name' || field === 'fname') return literalOf(condition);
	if (field !== '$or' || !Array.isArray(condition) || condition.length === 0 || condition.length > 2) return null;
	const branches: unknown[] = condition;
	const texts = branches.flatMap((branch) =>
		Object.entries(isObject(branch) ? branch : { '': null }).map(([name, test]) =>
			name === 'name' || name === 'fname' ? literalOf(test) : null,
		),
	);
	const [first] = texts;
	return first !== undefined && texts.every((text) => text === first) ? first : null;
}

/** The text of a `$regex` that is one: without anchors and, but for dots, without signs of a pattern. */
function literalOf(condition: unknown): string | null {
	if (!isObject(condition)) return null;
	const { $regex: text, $options: options, ...rest } = condition;
	if (Object.keys(rest).length > 0 || typeof text !== 'string' || text === '' || text.length > 256) return null;
	if (options !== undefined && options !== 'i' && options !== '') return null;
	return /[\\^$*+?()[\]{}|]/.test(text) ? null : text;
}

function fail(parameter: 'sort' | 'fields' | 'query', text: string): never {
	throw new ClientError(
		`error-invalid-${parameter}`,
		`Invalid ${parameter} parameter provided: "${text.slice(0, 256)}"`,
		{ helperMethod: 'parseJsonQuery' },
	);
}
