import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { decodeBody, decodeEnvelope, encodeEnvelope, EnvelopeError } from './envelope.ts';
import type { Publication } from './events.ts';
import { comparePos, formatPos, laterPos, parsePos } from './pos.ts';

const publication: Publication = {
	key: 'room:a b/ü*>',
	origin: 'session-1',
	parts: [
		{ kind: 'direct', stream: 'room-messages', event: 'a b/ü*>', args: [{ msg: 'hé', ts: new Date(5) }], version: 5 },
		{ kind: 'record', record: 'logout', action: 'removed', body: { uid: 'u', hashedTokens: null, reason: 'x' } },
		{ kind: 'direct', stream: 'notify-room', event: 'x/typing', args: [] },
	],
};

test('what is encoded comes back: header, order of parts, bodies', () => {
	const bytes = encodeEnvelope(publication, { epoch: 3, pos: 'p', prev: '' });
	const { header, parts } = decodeEnvelope(bytes);
	assert.deepEqual(
		{ ...header, parts: 0 },
		{ key: 'room:a b/ü*>', epoch: 3, pos: 'p', prev: '', origin: 'session-1', parts: 0 },
	);
	const [message, logout, typing] = parts;
	assert.ok(message && logout && typing);
	assert.deepEqual(message.header, {
		kind: 'direct',
		stream: 'room-messages',
		event: 'a b/ü*>',
		bytes: message.body.length,
		version: 5,
	});
	assert.deepEqual(decodeBody(message), [{ msg: 'hé', ts: new Date(5) }]);
	assert.deepEqual(decodeBody(logout), { uid: 'u', hashedTokens: null, reason: 'x' });
	assert.deepEqual(decodeBody(typing), []);
	assert.equal(message.body.buffer, bytes.buffer, 'a body is a view of what was received');
});

test('events of no stored change carry no position', () => {
	const { header } = decodeEnvelope(encodeEnvelope({ key: 'all:public', parts: [] }));
	assert.deepEqual(header, { key: 'all:public', epoch: 0, pos: null, prev: null, parts: [] });
});

test('an envelope inside a larger buffer is read from its own offset', () => {
	const bytes = encodeEnvelope(publication);
	const larger = new Uint8Array(bytes.length + 20);
	larger.set(bytes, 7);
	const { parts } = decodeEnvelope(larger.subarray(7, 7 + bytes.length));
	assert.equal(parts.length, 3);
});

test('damaged bytes are refused with a typed error, wherever the damage is', () => {
	const bytes = encodeEnvelope(publication, { epoch: 1, pos: 'p', prev: null });
	for (let length = 0; length < bytes.length; length++) {
		assert.throws(() => decodeEnvelope(bytes.subarray(0, length)), EnvelopeError);
	}
	const longer = new Uint8Array([...bytes, 0]);
	assert.throws(() => decodeEnvelope(longer), EnvelopeError);
	const property = fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
		const damaged = bytes.slice();
		damaged[at] = byte;
		try {
			decodeEnvelope(damaged).parts.forEach(decodeBody);
		} catch (error) {
			assert.ok(error instanceof EnvelopeError, String(error));
		}
	});
	fc.assert(property, { numRuns: 3_000 });
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
			assert.throws(() => decodeEnvelope(noise), EnvelopeError);
		}),
	);
});

test('headers without their fields are refused', () => {
	const headers = [
		'null',
		'[]',
		'{}',
		'{"key":"ghost:1","epoch":1,"pos":null,"prev":null,"parts":[]}',
		'{"key":"all:x","epoch":"1","pos":null,"prev":null,"parts":[]}',
		'{"key":"all:x","epoch":1,"pos":5,"prev":null,"parts":[]}',
		'{"key":"all:x","epoch":1,"pos":null,"prev":null,"parts":[{"kind":"direct","stream":"s","event":"e","bytes":-1}]}',
		'{"key":"all:x","epoch":1,"pos":null,"prev":null,"parts":[{"kind":"other","bytes":0}]}',
		'{"key":"all:x","epoch":1,"pos":null,"prev":null,"origin":1,"parts":[]}',
	];
	for (const header of headers) {
		const text = new TextEncoder().encode(header);
		const bytes = new Uint8Array(4 + text.length);
		new DataView(bytes.buffer).setUint32(0, text.length);
		bytes.set(text, 4);
		assert.throws(() => decodeEnvelope(bytes), EnvelopeError, header);
	}
});

test('a header of a newer version keeps what this one does not know', () => {
	const text = new TextEncoder().encode('{"key":"all:x","epoch":1,"pos":null,"prev":null,"parts":[],"later":1}');
	const bytes = new Uint8Array(4 + text.length);
	new DataView(bytes.buffer).setUint32(0, text.length);
	bytes.set(text, 4);
	assert.deepEqual(decodeEnvelope(bytes).header, {
		key: 'all:x',
		epoch: 1,
		pos: null,
		prev: null,
		parts: [],
		later: 1,
	});
});

test('the text order of positions is the order of cluster time and index', () => {
	const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
	const position = fc.tuple(uint32, uint32, fc.integer({ min: 0, max: 65_535 }));
	const property = fc.property(position, position, (one, other) => {
		const [a, b] = [formatPos(...one), formatPos(...other)];
		assert.equal(a.length, 20);
		const difference = one.map((part, at) => part - (other[at] ?? 0)).find((part) => part !== 0) ?? 0;
		assert.equal(Math.sign(comparePos(a, b)), Math.sign(difference));
		assert.equal(laterPos(a, b), difference < 0 ? b : a);
		assert.deepEqual(parsePos(a), { seconds: one[0], increment: one[1], index: one[2] });
	});
	fc.assert(property);
	assert.equal(comparePos('', formatPos(0, 0, 0)), -1);
	assert.equal(parsePos(''), null);
	assert.throws(() => formatPos(1, 1, 65_536), RangeError);
	assert.throws(() => formatPos(-1, 1, 0), RangeError);
	assert.throws(() => formatPos(0.5, 1, 0), RangeError);
});
