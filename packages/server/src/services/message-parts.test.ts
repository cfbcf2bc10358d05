import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHighlighted, lengthOf, partsOf } from './message-parts.ts';

test('mentions are names behind an @ that no word runs into', () => {
	const cases: [string, string[]][] = [
		['@ana hello', ['ana']],
		['hello (@ana), @bob.', ['ana', 'bob.', 'bob']],
		['mail ana@example.org', []],
		['@ana.b-c_d', ['ana.b-c_d']],
		['@@ana', []],
		['*@ana*', ['ana']],
		['> @ana', ['ana']],
		['@Jürgen', ['Jürgen']],
		['https://example.org/@ana', []],
		['`@ana` and ```\n@bob\n``` but @cyd', ['cyd']],
		['a ` alone, @ana', ['ana']],
		['@', []],
		[`@${'x'.repeat(200)}`, []],
	];
	for (const [text, names] of cases) assert.deepEqual(partsOf(text).names, names, text);
});

test('@all and @here are told apart from names', () => {
	const parts = partsOf('@all, @here and @ana');
	assert.deepEqual([parts.all, parts.here, parts.names], [true, true, ['ana']]);
	assert.equal(partsOf('@allen').all, false);
	assert.equal(partsOf('`@all`').all, false);
});

test('channels are names behind a #, not fragments of addresses', () => {
	assert.deepEqual(partsOf('see #general, not https://example.org/#top').channels, ['general']);
	assert.deepEqual(partsOf('colour #fff and x#y').channels, ['fff']);
});

test('addresses lose the punctuation of their sentence but keep their own brackets', () => {
	const cases: [string, string[]][] = [
		['see https://example.org/a?b=c#d.', ['https://example.org/a?b=c#d']],
		['(https://example.org/x)', ['https://example.org/x']],
		['https://en.example.org/wiki/A_(b)', ['https://en.example.org/wiki/A_(b)']],
		['http://a.example, http://b.example and http://a.example', ['http://a.example', 'http://b.example']],
		['[text](https://example.org/x)', ['https://example.org/x']],
		['`https://example.org`', []],
		['ftp://example.org', []],
	];
	for (const [text, urls] of cases) assert.deepEqual(partsOf(text).urls, urls, text);
});

test('hostile texts of the largest size take no more than a moment', () => {
	for (const unit of ['@', '#', '@a.', '`', '```', 'http://', 'http://(', ')', '@a:', '_', '[](']) {
		const text = unit.repeat(Math.ceil(40_000 / unit.length));
		const started = performance.now();
		partsOf(text);
		lengthOf(text);
		assert.ok(performance.now() - started < 500, `${unit} took ${performance.now() - started} ms`);
	}
});

test('highlights are substrings whatever their case; blanks never match', () => {
	assert.equal(isHighlighted('The Deployment failed', ['deploy']), true);
	assert.equal(isHighlighted('The Deployment failed', ['', ' ', 'done']), false);
});

test('an emoji short name counts as one character', () => {
	assert.equal(lengthOf('ab :thumbsup: c'), 6);
	assert.equal(lengthOf(':+1:'), 1);
	assert.equal(lengthOf('12:30:45'), 8);
});
