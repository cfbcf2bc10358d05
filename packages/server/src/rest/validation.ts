import type { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';

/**
 * Checks a value against a route's schema.
 *
 * @throws ClientError `invalid-params`, worded as clients and tests know it from the Ajv validator.
 * @see REST contract, 5
 */
export function parseParams<T>(schema: z.ZodType<T>, value: unknown): T {
	const result = schema.safeParse(value, { reportInput: true });
	if (result.success) return result.data;
	throw new ClientError('invalid-params', result.error.issues.map(issueText).join('\n '));
}

function issueText(issue: z.core.$ZodIssue): string {
	const name = String(issue.path.at(-1) ?? '');
	switch (issue.code) {
		case 'invalid_type':
			return issue.input === undefined
				? `must have required property '${name}'`
				: `must be ${typeName(issue.expected)}`;
		case 'too_small':
			return sizeText(issue.origin, 'fewer', '>=', issue.minimum);
		case 'too_big':
			return sizeText(issue.origin, 'more', '<=', issue.maximum);
		case 'invalid_value':
			return issue.input === undefined
				? `must have required property '${name}'`
				: 'must be equal to one of the allowed values';
		case 'invalid_format':
			return 'pattern' in issue && typeof issue.pattern === 'string'
				? `must match pattern "${issue.pattern.replace(/^\/(.*)\/[a-z]*$/s, '$1')}"`
				: `must match format "${issue.format}"`;
		case 'unrecognized_keys':
			return 'must NOT have additional properties';
		case 'invalid_union':
			return unionText(issue, name);
		case 'invalid_key':
		case 'invalid_element':
		case 'not_multiple_of':
		case 'custom':
			return issue.message;
		default:
			return 'must be valid';
	}
}

function unionText(issue: z.core.$ZodIssueInvalidUnion, name: string): string {
	if (issue.input === undefined) return `must have required property '${name}'`;
	const branches = issue.errors.map((issues) => issues.map(issueText).join('\n '));
	return [...branches, 'must match a schema in anyOf'].join('\n ');
}

function typeName(expected: string): string {
	if (expected === 'int') return 'integer';
	if (expected === 'record') return 'object';
	return expected === 'date' ? 'string' : expected;
}

function sizeText(origin: string, word: 'fewer' | 'more', sign: string, limit: number | bigint): string {
	if (origin === 'string') return `must NOT have ${word} than ${limit} characters`;
	if (origin === 'array' || origin === 'set') return `must NOT have ${word} than ${limit} items`;
	return `must be ${sign} ${limit}`;
}
