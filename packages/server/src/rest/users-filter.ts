import { ClientError } from '@rookery/protocol/errors.ts';
import type { UserCondition, UserFilter } from '../services/users.ts';

const maxConditions = 20;
const maxDepth = 2;
const maxChoices = 100;
const maxPattern = 256;

type Scalar = string | number | boolean;

/**
 * Reads the `query` of a list of users: equality, `$ne`, `$in`, `$exists` and `$regex` (text, taken literally) of
 * fields that the caller may see, joined by `$and` and `$or`. Nothing of the text itself goes further.
 *
 * @param fields What the caller may ask for; `emails` stands for its parts.
 * @throws ClientError `error-invalid-query`
 * @see REST contract, 6
 */
export function readUserFilter(text: string | undefined, fields: readonly string[]): UserFilter | null {
	if (text === undefined) return null;
	const invalid = (): ClientError =>
		new ClientError('error-invalid-query', `Invalid query parameter provided: "${text.slice(0, 256)}"`, {
			helperMethod: 'parseJsonQuery',
		});
	const known = new Set([...fields, ...(fields.includes('emails') ? ['emails.address', 'emails.verified'] : [])]);
	for (const computed of ['emails', 'nameInsensitive']) known.delete(computed);
	let conditions = 0;

	function readObject(value: unknown, depth: number): UserFilter {
		if (!isObject(value) || depth > maxDepth) throw invalid();
		const all = Object.entries(value).flatMap(([key, test]) => {
			if (key === '$and' || key === '$or') return [readBranches(key, test, depth)];
			if (!known.has(key)) throw invalid();
			return readTests(key, test);
		});
		return { all };
	}

	function readBranches(key: '$and' | '$or', value: unknown, depth: number): UserFilter {
		if (!Array.isArray(value) || value.length === 0 || value.length > maxConditions) throw invalid();
		const branches = value.map((branch) => readObject(branch, depth + 1));
		return key === '$and' ? { all: branches } : { any: branches };
	}

	function readTests(field: string, value: unknown): UserCondition[] {
		const tests = isObject(value) ? readOperators(value) : [{ is: 'equal' as const, value: scalarOrNull(value) }];
		conditions += tests.length;
		if (tests.length === 0 || conditions > maxConditions) throw invalid();
		return tests.map((test) => ({ field, test }));
	}

	function readOperators(value: Record<string, unknown>): UserCondition['test'][] {
		const { $regex, $options, ...others } = value;
		const tests = Object.entries(others).map(([operator, operand]): UserCondition['test'] => {
			if (operator === '$ne') return { is: 'different', value: scalarOrNull(operand) };
			if (operator === '$exists' && typeof operand === 'boolean') return { is: 'present', value: operand };
			if (operator === '$in' && Array.isArray(operand) && operand.length <= maxChoices) {
				return { is: 'oneOf', values: operand.map(scalar) };
			}
			throw invalid();
		});
		if ($regex === undefined) {
			if ($options !== undefined) throw invalid();
			return tests;
		}
		return [...tests, readPattern($regex, $options)];
	}

	function readPattern(pattern: unknown, options: unknown): UserCondition['test'] {
		if (typeof pattern !== 'string' || pattern.length > maxPattern || pattern.includes('\0')) throw invalid();
		if (options !== undefined && options !== '' && options !== 'i') throw invalid();
		const atStart = pattern.startsWith('^');
		const atEnd = pattern.endsWith('$');
		const text = pattern.slice(atStart ? 1 : 0, atEnd ? -1 : undefined);
		return { is: 'containing', text, ignoreCase: options === 'i', atStart, atEnd };
	}

	function scalar(value: unknown): Scalar {
		if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
		throw invalid();
	}

	function scalarOrNull(value: unknown): Scalar | null {
		return value === null ? null : scalar(value);
	}

	const parsed = parseJson(text);
	if (parsed === undefined) throw invalid();
	return readObject(parsed, 0);
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
