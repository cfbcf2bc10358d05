import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import * as fc from 'fast-check';
import {
	EjsonError,
	frameLimits,
	fromJsonValue,
	InertEjson,
	parseEjson,
	stringifyEjson,
	toJsonValue,
} from './ejson.ts';

/** The reference implementation. Development only. */
const oracle = createRequire(import.meta.url)('ejson') as {
	stringify(value: unknown): string;
	parse(text: string): unknown;
};

const key = fc
	.oneof(
		fc.string({ maxLength: 6 }),
		fc.constantFrom('_id', 'ts', 'msg', 'a.b', '$set', '$date', '$escape', '$binary', '$InfNaN', '$type', '$value', ''),
	)
	.filter((name) => !['__proto__', 'constructor', 'prototype', 'callee', '$Uint8ArrayPolyfill'].includes(name));

const leaf = fc.oneof(
	fc.string({ unit: 'binary', maxLength: 20 }),
	fc.integer(),
	fc.double(),
	fc.boolean(),
	fc.constantFrom(null, undefined, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
	fc.date({ noInvalidDate: true }),
	fc.uint8Array({ maxLength: 20 }),
);

/** Trees of everything EJSON knows, with literal objects that look like its forms. */
function treesOf(leaves: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
	const plain = { noNullPrototype: true };
	return fc.letrec<{ value: unknown }>((tie) => ({
		value: fc.oneof(
			{ maxDepth: 4, depthSize: 'small', withCrossShrink: true },
			leaves,
			fc.array(tie('value'), { maxLength: 5 }),
			fc.dictionary(key, tie('value'), { maxKeys: 5, ...plain }),
			fc.record({ $date: tie('value') }, plain),
			fc.record({ $binary: tie('value') }, plain),
			fc.record({ $InfNaN: tie('value') }, plain),
			fc.record({ $escape: tie('value') }, plain),
			fc.record({ $type: tie('value'), $value: tie('value') }, plain),
			fc.record({ $regexp: tie('value'), $flags: tie('value') }, plain),
		),
	})).value;
}

const value = treesOf(leaf);

/** A dropped `undefined` can make a literal look like a form, here and in the reference: such texts are left out. */
const defined = treesOf(leaf.filter((item) => item !== undefined));

test('10,000 generated values are encoded byte for byte as the reference does', () => {
	let compared = 0;
	const property = fc.property(value, (generated) => {
		// The reference has no text for undefined; ours is null.
		const expected = oracle.stringify(generated) as string | undefined;
		assert.equal(stringifyEjson(generated), expected ?? 'null');
		compared += 1;
	});
	fc.assert(property, { numRuns: 10_000 });
	assert.equal(compared, 10_000);
});

test('10,000 generated texts are decoded to the same values as the reference gives', () => {
	const property = fc.property(defined, (generated) => {
		const text = stringifyEjson(generated);
		assert.deepEqual(comparable(parseEjson(text)), comparable(oracle.parse(text)));
	});
	fc.assert(property, { numRuns: 10_000 });
});

test('what is encoded and decoded is what it was', () => {
	const property = fc.property(defined, (generated) => {
		const once = stringifyEjson(generated);
		assert.equal(stringifyEjson(parseEjson(once)), once);
	});
	fc.assert(property, { numRuns: 2_000 });
});

test('encoding leaves its argument as it was', () => {
	const property = fc.property(value, (generated) => {
		const before = structuredClone(generated);
		stringifyEjson(generated);
		toJsonValue(generated);
		assert.deepEqual(generated, before);
	});
	fc.assert(property, { numRuns: 1_000 });
});

/** The reference makes values of forms that we leave inert. */
function comparable(decoded: unknown): unknown {
	if (decoded instanceof InertEjson) return comparable(oracle.parse(JSON.stringify(decoded.json)));
	if (typeof decoded === 'number' && !Number.isFinite(decoded)) return String(decoded);
	if (decoded instanceof RegExp) return String(decoded);
	if (decoded instanceof Uint8Array || decoded instanceof Date) return decoded;
	if (Array.isArray(decoded)) return decoded.map(comparable);
	if (typeof decoded !== 'object' || decoded === null) return decoded;
	return Object.fromEntries(Object.entries(decoded).map(([name, member]) => [name, comparable(member)]));
}

test('each form has its text', () => {
	const cases: [unknown, string][] = [
		[new Date(5), '{"$date":5}'],
		[new Date(Number.NaN), '{"$date":0}'],
		[new Uint8Array([1, 2, 255]), '{"$binary":"AQL/"}'],
		[Number.NaN, '{"$InfNaN":0}'],
		[Number.POSITIVE_INFINITY, '{"$InfNaN":1}'],
		[Number.NEGATIVE_INFINITY, '{"$InfNaN":-1}'],
		[/a"b/gi, '{"$regexp":"a\\"b","$flags":"gi"}'],
		[{ $date: 5 }, '{"$escape":{"$date":5}}'],
		[{ $date: 5, a: 1 }, '{"$date":5,"a":1}'],
		[{ a: undefined, b: [undefined] }, '{"b":[null]}'],
		[undefined, 'null'],
		[{ ts: new Date(1), list: [{ at: new Date(2) }] }, '{"ts":{"$date":1},"list":[{"at":{"$date":2}}]}'],
	];
	for (const [given, text] of cases) assert.equal(stringifyEjson(given), text);
});

test('dates and binary become values; a date may be a text of digits', () => {
	assert.deepEqual(parseEjson('{"$date":5}'), new Date(5));
	assert.deepEqual(parseEjson('{"$date":"-5"}'), new Date(-5));
	assert.deepEqual(parseEjson('{"$binary":"AQL/"}'), new Uint8Array([1, 2, 255]));
	assert.deepEqual(parseEjson('{"$escape":{"$date":{"$date":1}}}'), { $date: new Date(1) });
	assert.deepEqual(parseEjson('{"$date":5,"$x":1}'), { $date: 5, $x: 1 });
});

test('the other forms stay inert, and go on as they came', () => {
	const forms = [
		'{"$InfNaN":0}',
		'{"$regexp":"a","$flags":"i"}',
		'{"$type":"oid","$value":"507f1f77bcf86cd799439011"}',
		'{"$type":"Decimal","$value":"1.5"}',
	];
	for (const text of forms) {
		const decoded = parseEjson(`[${text}]`) as unknown[];
		assert.ok(decoded[0] instanceof InertEjson);
		assert.equal(stringifyEjson(decoded), `[${text}]`);
	}
});

test('what is no EJSON is refused with a typed error', () => {
	const wrong = [
		'',
		'{',
		'{"$type":"Ghost","$value":1}',
		'{"$type":"oid","$value":{"a":1}}',
		'{"$date":null}',
		'{"$date":"soon"}',
		'{"$date":{"$gt":""}}',
		'{"$date":1e99}',
		'{"$binary":5}',
		'{"$binary":"a b"}',
		'{"$binary":"A"}',
		'{"$escape":5}',
		'{"$escape":null}',
		'{"$escape":[]}',
		'{"$InfNaN":[]}',
		'{"$regexp":{},"$flags":""}',
	];
	for (const text of wrong) assert.throws(() => parseEjson(text), EjsonError, text);
});

test('keys that reach a prototype are dropped, at every depth and in every spelling', () => {
	const text =
		'{"__proto__":{"isAdmin":true},"a":{"constructor":{"prototype":{"x":1}},"\\u005f_proto__":1},"prototype":1,"b":2}';
	const decoded = parseEjson(text) as { a: object; isAdmin?: boolean };
	assert.deepEqual(Object.keys(decoded), ['a', 'b']);
	assert.deepEqual(Object.keys(decoded.a), []);
	assert.equal(decoded.isAdmin, undefined);
	assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
	assert.deepEqual(Object.keys(parseEjson('{"$escape":{"__proto__":1}}') as object), []);
	assert.equal(stringifyEjson(JSON.parse('{"__proto__":{"x":1},"b":2}')), '{"b":2}');
});

test('nesting and keys are bounded', () => {
	const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
	assert.ok(parseEjson(nested(32), frameLimits));
	assert.throws(() => parseEjson(nested(33), frameLimits), EjsonError);
	assert.throws(() => parseEjson('{"a":'.repeat(40) + '1' + '}'.repeat(40), frameLimits), EjsonError);
	assert.throws(() => parseEjson('{"$escape":'.repeat(40) + '1' + '}'.repeat(40), frameLimits), EjsonError);
	assert.throws(() => parseEjson(nested(100_000)), EjsonError);
	const keys = (count: number): string =>
		`[${Array.from({ length: count / 10 }, () => JSON.stringify(Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`k${at}`, 1])))).join(',')}]`;
	assert.ok(parseEjson(keys(10_000), frameLimits));
	assert.throws(() => parseEjson(keys(10_010), frameLimits), EjsonError);
	const endless: { a?: unknown } = {};
	endless.a = endless;
	assert.throws(() => stringifyEjson(endless), EjsonError);
});

test('fromJsonValue counts the levels that enclose it', () => {
	assert.ok(fromJsonValue([[1]], { maxDepth: 3, maxKeys: 1 }, 1));
	assert.throws(() => fromJsonValue([[1]], { maxDepth: 3, maxKeys: 1 }, 2), EjsonError);
});

test('records of other classes are encoded by their own JSON form', () => {
	const id = { toJSON: () => '507f1f77bcf86cd799439011', hidden: 1 };
	Object.setPrototypeOf(id, { other: true });
	assert.equal(stringifyEjson({ id }), '{"id":"507f1f77bcf86cd799439011"}');
});
