import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { toWireError, ClientError } from './errors.ts';
import { InertEjson } from './ejson.ts';
import { agreeVersion, parseFrame } from './frames.ts';
import * as server from './server-frames.ts';

test('each frame of a client is read', () => {
	const cases: [string, object][] = [
		[
			'{"msg":"connect","version":"1","support":["1","pre2"],"session":"s","x":1}',
			{ msg: 'connect', version: '1', support: ['1', 'pre2'], session: 's' },
		],
		['{"msg":"connect"}', { msg: 'connect', version: null, support: null }],
		['{"msg":"connect","version":1,"support":[1]}', { msg: 'connect', version: null, support: null }],
		['{"msg":"ping"}', { msg: 'ping' }],
		['{"msg":"ping","id":"7"}', { msg: 'ping', id: '7' }],
		['{"msg":"pong","id":7}', { msg: 'pong' }],
		['{"msg":"method","id":"0","method":"m"}', { msg: 'method', id: '0', method: 'm', params: [] }],
		[
			'{"msg":"method","id":"0","method":"m","params":[{"a":{"$date":1}},null],"randomSeed":{"any":1}}',
			{ msg: 'method', id: '0', method: 'm', params: [{ a: new Date(1) }, null] },
		],
		[
			'{"msg":"sub","id":"a","name":"n","params":["x",false]}',
			{ msg: 'sub', id: 'a', name: 'n', params: ['x', false] },
		],
		['{"msg":"unsub","id":""}', { msg: 'unsub', id: '' }],
	];
	for (const [text, frame] of cases) assert.deepEqual(parseFrame(text), frame, text);
});

test('what is no frame gets the reason clients know, with what they sent', () => {
	const cases: [string, string][] = [
		['[]', 'Bad request'],
		['"x"', 'Bad request'],
		['null', 'Bad request'],
		['{}', 'Bad request'],
		['{"msg":"toString"}', 'Bad request'],
		['{"msg":{"$ne":null}}', 'Bad request'],
		['{"msg":"unsub"}', 'Bad request'],
		['{"msg":"sub","name":"n"}', 'Malformed subscription'],
		['{"msg":"sub","id":"a","name":{"$ne":1}}', 'Malformed subscription'],
		['{"msg":"sub","id":"a","name":"n","params":{}}', 'Malformed subscription'],
		['{"msg":"method","id":1,"method":"m"}', 'Malformed method invocation'],
		['{"msg":"method","id":"1"}', 'Malformed method invocation'],
		['{"msg":"method","id":"1","method":"m","params":null}', 'Malformed method invocation'],
	];
	for (const [text, reason] of cases) {
		assert.deepEqual(parseFrame(text), { problem: 'error', reason, offending: text }, text);
	}
	assert.deepEqual(parseFrame('{'), { problem: 'error', reason: 'Parse error' });
});

test('a very long offence is not sent back', () => {
	const problem = parseFrame(JSON.stringify({ msg: 'x', text: 'y'.repeat(20_000) }));
	assert.deepEqual(problem, { problem: 'error', reason: 'Bad request' });
});

test('params that are no EJSON, or too much of it, fail for their own call only', () => {
	const deep = '['.repeat(40) + ']'.repeat(40);
	for (const params of ['[{"$type":"Ghost","$value":1}]', `[${deep}]`, '[{"$date":"x"}]']) {
		const method = parseFrame(`{"msg":"method","id":"9","method":"m","params":${params}}`);
		assert.deepEqual(method, { problem: 'params', msg: 'method', id: '9' });
		const sub = parseFrame(`{"msg":"sub","id":"8","name":"n","params":${params}}`);
		assert.deepEqual(sub, { problem: 'params', msg: 'sub', id: '8' });
	}
});

test('inert forms and operator objects reach nobody as values', () => {
	const frame = parseFrame(
		'{"msg":"method","id":"1","method":"m","params":[{"$regexp":".*","$flags":""},{"$ne":null}]}',
	);
	assert.ok('msg' in frame && frame.msg === 'method' && 'params' in frame);
	assert.ok(frame.params[0] instanceof InertEjson);
	assert.deepEqual(frame.params[1], { $ne: null });
});

test('no text makes the parser throw', () => {
	const text = fc.oneof(
		fc.string({ unit: 'binary' }),
		fc.json(),
		fc
			.record({
				msg: fc.constantFrom('connect', 'ping', 'method', 'sub', 'unsub', 1),
				id: fc.anything(),
				method: fc.anything(),
				name: fc.anything(),
				params: fc.oneof(fc.anything(), fc.array(fc.anything())),
				version: fc.anything(),
				support: fc.anything(),
			})
			.map((frame) => JSON.stringify(frame, (_, value: unknown) => (typeof value === 'bigint' ? 1 : value))),
	);
	fc.assert(
		fc.property(text, (given) => typeof parseFrame(given) === 'object'),
		{ numRuns: 2_000 },
	);
});

test('versions are agreed as Meteor does', () => {
	const cases: [string | null, string[] | null, boolean, string][] = [
		['1', ['1', 'pre2', 'pre1'], true, '1'],
		['pre2', ['pre2'], true, 'pre2'],
		['pre2', ['1', 'pre2'], false, '1'],
		['pre1', ['pre1', '1'], true, 'pre1'],
		['1', ['x', '1'], true, '1'],
		['2', ['2', 'pre2'], false, 'pre2'],
		['9', ['9'], false, '1'],
		['1', ['pre2'], false, '1'],
		[null, ['1'], false, '1'],
		['1', null, false, '1'],
	];
	for (const [version, support, agreed, best] of cases) {
		assert.deepEqual(agreeVersion({ version, support }), { agreed, version: best });
	}
});

test('each frame of the server is the JSON that clients expect', () => {
	const error = toWireError(new ClientError('error-invalid-room', 'Invalid "room"'));
	const cases: [string, object][] = [
		[server.connectedFrame('s"'), { msg: 'connected', session: 's"' }],
		[server.failedFrame('1'), { msg: 'failed', version: '1' }],
		[server.pingFrame(), { msg: 'ping' }],
		[server.pingFrame('7'), { msg: 'ping', id: '7' }],
		[server.pongFrame(), { msg: 'pong' }],
		[server.pongFrame(''), { msg: 'pong', id: '' }],
		[server.resultFrame('1'), { msg: 'result', id: '1' }],
		[server.resultFrame('1', 'false'), { msg: 'result', id: '1', result: false }],
		[server.resultFrame('1', 'null'), { msg: 'result', id: '1', result: null }],
		[server.resultFrame('1', '""'), { msg: 'result', id: '1', result: '' }],
		[server.resultErrorFrame('1', error), { msg: 'result', id: '1', error }],
		[server.updatedFrame('1'), { msg: 'updated', methods: ['1'] }],
		[server.readyFrame('1'), { msg: 'ready', subs: ['1'] }],
		[server.nosubFrame('1'), { msg: 'nosub', id: '1' }],
		[server.nosubFrame('1', error), { msg: 'nosub', id: '1', error }],
		[server.addedFrame('users', 'u', '{"a":1}'), { msg: 'added', collection: 'users', id: 'u', fields: { a: 1 } }],
		[server.addedFrame('users', 'u', '{}'), { msg: 'added', collection: 'users', id: 'u' }],
		[
			server.changedFrame('users', 'u', undefined, ['a']),
			{ msg: 'changed', collection: 'users', id: 'u', cleared: ['a'] },
		],
		[server.removedFrame('users', 'u'), { msg: 'removed', collection: 'users', id: 'u' }],
		[server.errorFrame('Parse error'), { msg: 'error', reason: 'Parse error' }],
		[server.errorFrame('Bad request', '{"a": 1}'), { msg: 'error', reason: 'Bad request', offendingMessage: { a: 1 } }],
		[
			server.streamAddedFrame('notify-user', 'u/message'),
			{ msg: 'added', collection: 'stream-notify-user', id: 'id', fields: { eventName: 'u/message' } },
		],
		[
			`${server.eventHead('room-messages', 'a"b')}[1]${server.eventTail}`,
			{ msg: 'changed', collection: 'stream-room-messages', id: 'id', fields: { eventName: 'a"b', args: [1] } },
		],
		[
			`${server.presenceHead('u')}[["carl",2,"lunch"]]${server.eventTail}`,
			{
				msg: 'changed',
				collection: 'stream-user-presence',
				id: 'u',
				fields: { uid: 'u', eventName: 'u', args: [['carl', 2, 'lunch']] },
			},
		],
	];
	for (const [text, frame] of cases) assert.deepEqual(JSON.parse(text), frame, text);
	assert.equal(server.greetingFrame, '{"server_id":"0"}');
});

test('SockJS frames keep every text, and hold none of the characters that browsers mangle', () => {
	const property = fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
		const frame = server.sockjsFrame(...texts);
		assert.equal(frame[0], 'a');
		assert.deepEqual(JSON.parse(frame.slice(1)), texts);
	});
	fc.assert(property, { numRuns: 500 });
	let all = '';
	for (let code = 0; code <= 0xffff; code++) all += String.fromCharCode(code);
	const frame = server.sockjsFrame(all);
	assert.equal((JSON.parse(frame.slice(1)) as string[])[0], all);
	const ranges = [
		[0x0, 0x1f],
		[0xad, 0xad],
		[0x600, 0x604],
		[0x70f, 0x70f],
		[0x17b4, 0x17b5],
		[0x200c, 0x200f],
		[0x2028, 0x202f],
		[0x2060, 0x206f],
		[0xd800, 0xdfff],
		[0xfeff, 0xfeff],
		[0xfff0, 0xffff],
	];
	for (let at = 0; at < frame.length; at++) {
		const code = frame.charCodeAt(at);
		assert.ok(!ranges.some(([from = 0, to = 0]) => code >= from && code <= to) || isPair(frame, at), code.toString(16));
	}
	assert.equal(server.sockjsCloseFrame(3000, 'Go away!'), 'c[3000,"Go away!"]');
});

/** Whether a surrogate stands in a pair: only lone ones are escaped. */
function isPair(text: string, at: number): boolean {
	const code = text.codePointAt(at) ?? 0;
	return code > 0xffff || (text.codePointAt(at - 1) ?? 0) > 0xffff;
}
