import * as fc from 'fast-check';

/** Names of fields: ordinary ones, and those that make an object look like a form of EJSON. */
const name = fc
	.oneof(
		fc.string({ maxLength: 8 }),
		fc.constantFrom('_id', 'ts', 'msg', 'u', 'a.b', '$date', '$binary', '$escape', '$InfNaN', '$type', '$value'),
	)
	.filter((text) => !['__proto__', 'constructor', 'prototype', 'callee', '$Uint8ArrayPolyfill'].includes(text));

const leaf = fc.oneof(
	fc.string({ unit: 'binary', maxLength: 40 }),
	fc.integer(),
	fc.double(),
	fc.boolean(),
	fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
	fc.date({ noInvalidDate: true }),
	fc.uint8Array({ maxLength: 40 }),
);

/**
 * Values of everything EJSON knows, nested, with literal objects that look like its forms. The same seed gives the same
 * values.
 */
export function codecCorpus(count: number, seed: number): unknown[] {
	const plain = { noNullPrototype: true };
	const { value } = fc.letrec<{ value: unknown }>((tie) => ({
		value: fc.oneof(
			{ maxDepth: 5, depthSize: 'small' },
			leaf,
			fc.array(tie('value'), { maxLength: 6 }),
			fc.dictionary(name, tie('value'), { maxKeys: 8, ...plain }),
			fc.record({ $date: tie('value') }, plain),
			fc.record({ $escape: tie('value') }, plain),
		),
	}));
	const record = fc.dictionary(name, value, { minKeys: 1, maxKeys: 10, ...plain });
	return fc.sample(fc.oneof(record, value), { numRuns: count, seed });
}
