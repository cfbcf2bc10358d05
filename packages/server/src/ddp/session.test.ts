import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientError } from '@rookery/protocol/errors.ts';
import { streamerRig } from '../testing/streamer.ts';

test('connect: the versions of the contract are negotiated, others are told what to offer and closed with 1000', async (t) => {
	const rig = await streamerRig(t);
	for (const [version, support] of [
		['1', ['1', 'pre2', 'pre1']],
		['pre2', ['pre2']],
		['pre1', ['pre1']],
	] as const) {
		const socket = await rig.connect();
		socket.send({ msg: 'connect', version, support, session: 'an-old-one' });
		const answer = await socket.next(({ msg }) => msg === 'connected');
		assert.notEqual(answer['session'], 'an-old-one');
	}
	for (const [offer, suggested] of [
		[{ version: '0.9', support: ['0.9'] }, '1'],
		[{ version: 'pre1', support: ['1', 'pre1'] }, '1'],
		[{ version: 'pre1', support: ['pre2', 'pre1'] }, 'pre2'],
		[{ version: 1, support: ['1'] }, '1'],
		[{ version: '1' }, '1'],
	] as const) {
		const socket = await rig.connect();
		socket.send({ msg: 'connect', ...offer });
		assert.deepEqual(await socket.next(({ msg }) => msg === 'failed'), { msg: 'failed', version: suggested });
		assert.equal((await socket.closed).code, 1000);
	}
});

test('frames behind connect are answered in order; a second connect is an error and the session goes on', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	const connect = { msg: 'connect', version: '1', support: ['1'] };
	socket.send(connect);
	socket.send({ msg: 'method', id: '0', method: 'nothing', params: [] });
	socket.send({ msg: 'sub', id: 's', name: 'stream-notify-all', params: ['public-settings-changed', false] });
	await socket.next(({ msg }) => msg === 'ready');
	assert.equal(socket.frames[1]?.msg, 'connected');
	socket.send(connect);
	const error = await socket.next(({ msg }) => msg === 'error');
	assert.deepEqual(error, { msg: 'error', reason: 'Already connected', offendingMessage: connect });
	await socket.settled();
});

test('a message before connect is an error, the third closes 1002', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	const early = { msg: 'sub', id: 'a', name: 'x', params: [] };
	for (let count = 0; count < 3; count++) socket.send(early);
	assert.equal((await socket.closed).code, 1002);
	const errors = socket.frames.filter(({ msg }) => msg === 'error');
	assert.equal(errors.length, 3);
	assert.deepEqual(errors[0], { msg: 'error', reason: 'Must connect first', offendingMessage: early });
});

test('malformed frames are told apart; the eleventh that is no JSON closes 1007', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	await socket.negotiate();
	const cases: [string, string][] = [
		['[]', 'Bad request'],
		['{"a":1}', 'Bad request'],
		['{"msg":"dance"}', 'Bad request'],
		['{"msg":"sub","id":1,"name":"x"}', 'Malformed subscription'],
		['{"msg":"sub","id":"1","name":"x","params":{}}', 'Malformed subscription'],
		['{"msg":"method","method":"x","params":[]}', 'Malformed method invocation'],
		['{"msg":"method","id":"1","method":"x","params":"y"}', 'Malformed method invocation'],
	];
	for (const [text, reason] of cases) {
		const from = socket.frames.length;
		socket.send(text);
		const error = await socket.next(({ msg }) => msg === 'error', from);
		assert.deepEqual(error, { msg: 'error', reason, offendingMessage: JSON.parse(text) as unknown }, text);
	}
	socket.send('{broken');
	assert.deepEqual(await socket.next((frame) => frame['reason'] === 'Parse error'), {
		msg: 'error',
		reason: 'Parse error',
	});
	await socket.settled();
	for (let count = 0; count < 10; count++) socket.send('{broken');
	assert.equal((await socket.closed).code, 1007);
});

test('params that EJSON does not know answer the call with 400 Match failed', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	await socket.negotiate();
	socket.send('{"msg":"method","id":"m","method":"x","params":[{"$type":"nobody","$value":1}]}');
	const answer = await socket.next(({ msg }) => msg === 'result');
	assert.deepEqual(answer, {
		msg: 'result',
		id: 'm',
		error: {
			isClientSafe: true,
			error: 400,
			reason: 'Match failed',
			message: 'Match failed [400]',
			errorType: 'Meteor.Error',
		},
	});
	await socket.next(({ msg }) => msg === 'updated');
	assert.equal(rig.calls.length, 0);
});

test('pings are echoed with and without id, pongs are taken, and pre1 knows neither', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	await socket.negotiate();
	socket.send({ msg: 'ping', id: '7' });
	assert.deepEqual(await socket.next(({ msg }) => msg === 'pong'), { msg: 'pong', id: '7' });
	const from = socket.frames.length;
	socket.send({ msg: 'ping' });
	assert.deepEqual(await socket.next(({ msg }) => msg === 'pong', from), { msg: 'pong' });
	socket.send({ msg: 'pong' });
	await socket.settled();
	assert.equal(socket.frames.filter(({ msg }) => msg === 'error').length, 0);
	const old = await rig.connect();
	old.send({ msg: 'connect', version: 'pre1', support: ['pre1'] });
	old.send({ msg: 'ping' });
	assert.equal((await old.next(({ msg }) => msg === 'error'))['reason'], 'Bad request');
});

test('silence: pinged after 25 s, closed 4408 after 55 s, and an answer begins anew', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	await socket.negotiate();
	rig.clock.advance(24_000);
	await socket.settled();
	assert.equal(socket.frames.filter(({ msg }) => msg === 'ping').length, 0);
	rig.clock.advance(25_100);
	assert.deepEqual(await socket.next(({ msg }) => msg === 'ping'), { msg: 'ping' });
	socket.send({ msg: 'pong' });
	await socket.settled();
	const from = socket.frames.length;
	rig.clock.advance(25_100);
	await socket.next(({ msg }) => msg === 'ping', from);
	rig.clock.advance(30_100);
	assert.deepEqual(await socket.closed, { code: 4408, reason: 'TIMEOUT' });
});

test('a socket that never connects is not pinged but closed 4001 after 10 s', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	rig.clock.advance(10_100);
	assert.deepEqual(await socket.closed, { code: 4001, reason: 'CONNECT_TIMEOUT' });
	assert.deepEqual(socket.texts, ['{"server_id":"0"}']);
});

test('methods: result then updated, once each, and falsy results as they are', async (t) => {
	const rig = await streamerRig(t);
	const results: unknown[] = [false, 0, '', null, [], undefined, new Date(5), { a: [1] }];
	rig.core.answer = async ({ params: [index] }) => results[Number(index)];
	const socket = await rig.connect();
	await socket.negotiate();
	const expected = ['false', '0', '""', 'null', '[]', null, '{"$date":5}', '{"a":[1]}'];
	for (const [index, text] of expected.entries()) {
		const from = socket.texts.length;
		socket.send({ msg: 'method', id: `m${index}`, method: 'any', params: [index] });
		await socket.next(({ msg }) => msg === 'updated', from);
		const result = text === null ? '' : `,"result":${text}`;
		assert.deepEqual(socket.texts.slice(from), [
			`{"msg":"result","id":"m${index}"${result}}`,
			`{"msg":"updated","methods":["m${index}"]}`,
		]);
	}
});

test('errors of methods: as core refused, 404 for an unknown one, a bare 500 for a bug', async (t) => {
	const rig = await streamerRig(t);
	rig.core.answer = async ({ method }) => {
		if (method === 'refused') throw new ClientError('error-invalid-room', 'Invalid room', { method });
		if (method === 'missing') throw new ClientError(404, "Method 'missing' not found");
		throw new TypeError('secret inside');
	};
	const socket = await rig.connect();
	await socket.negotiate();
	await assert.rejects(socket.call('refused'), {
		wire: {
			isClientSafe: true,
			error: 'error-invalid-room',
			reason: 'Invalid room',
			details: { method: 'refused' },
			message: 'Invalid room [error-invalid-room]',
			errorType: 'Meteor.Error',
		},
	});
	await assert.rejects(
		socket.call('missing'),
		(error: Error & { wire: { error: unknown } }) => error.wire.error === 404,
	);
	await assert.rejects(socket.call('bug'), (error: Error & { wire: { error: unknown; message: string } }) => {
		assert.equal(error.wire.error, 500);
		assert.ok(!JSON.stringify(error.wire).includes('secret'));
		return true;
	});
});

test('the same id in flight runs once; 100 parallel calls are all answered, at most 32 at a time', async (t) => {
	const rig = await streamerRig(t);
	let running = 0;
	let most = 0;
	rig.core.answer = async () => {
		most = Math.max(most, ++running);
		await new Promise((resolve) => {
			setImmediate(resolve);
		});
		running -= 1;
		return 1;
	};
	const socket = await rig.connect();
	await socket.negotiate();
	for (let count = 0; count < 100; count++) {
		socket.send({ msg: 'method', id: `p${count}`, method: 'slow', params: [] });
		socket.send({ msg: 'method', id: `p${count}`, method: 'slow', params: [] });
	}
	for (let count = 0; count < 100; count++)
		await socket.next((frame) => frame.msg === 'result' && frame.id === `p${count}`);
	assert.equal(rig.calls.length, 100);
	assert.ok(most <= 32 && most > 1, `${most} at once`);
});

test('what does not fit behind 32 running and 200 waiting methods is refused with too-many-requests', async (t) => {
	const rig = await streamerRig(t);
	const gate = Promise.withResolvers<void>();
	rig.core.answer = () => gate.promise;
	const socket = await rig.connect();
	await socket.negotiate();
	for (let count = 0; count < 240; count++) socket.send({ msg: 'method', id: `q${count}`, method: 'slow', params: [] });
	const refused = await socket.next(({ msg }) => msg === 'result');
	assert.equal(refused.id, 'q232');
	const error = refused['error'] as { error: string; details: { timeToReset: number } };
	assert.equal(error.error, 'too-many-requests');
	assert.ok(error.details.timeToReset > 0);
	gate.resolve();
	await socket.next((frame) => frame.msg === 'result' && frame.id === 'q231');
});

test('two writes to one room take effect in the order they were sent, other rooms do not wait', async (t) => {
	const rig = await streamerRig(t);
	const first = Promise.withResolvers<void>();
	const order: string[] = [];
	rig.core.answer = async ({ method, params }) => {
		const name = `${method} ${JSON.stringify(params[0])}`;
		if (name.includes('"a"')) await first.promise;
		order.push(name);
	};
	const socket = await rig.connect();
	await socket.negotiate();
	socket.send({ msg: 'method', id: '1', method: 'sendMessage', params: [{ rid: 'r1', _id: 'a' }] });
	socket.send({ msg: 'method', id: '2', method: 'sendMessage', params: [{ rid: 'r1', _id: 'b' }] });
	socket.send({ msg: 'method', id: '3', method: 'setReaction', params: [':x:', 'b'] });
	socket.send({ msg: 'method', id: '4', method: 'getRoomById', params: ['r1'] });
	await socket.next((frame) => frame.msg === 'result' && frame.id === '4');
	socket.send({ msg: 'method', id: '5', method: 'ignoredRead', params: [] });
	await socket.next((frame) => frame.msg === 'result' && frame.id === '5');
	assert.deepEqual(order, ['getRoomById "r1"', 'ignoredRead undefined']);
	first.resolve();
	await socket.next((frame) => frame.msg === 'result' && frame.id === '3');
	assert.deepEqual(order.slice(2), [
		'sendMessage {"rid":"r1","_id":"a"}',
		'sendMessage {"rid":"r1","_id":"b"}',
		'setReaction ":x:"',
	]);
});

test('too many calls of a connection in a minute are refused, by the limits of the settings', async (t) => {
	const rig = await streamerRig(t, { settings: { DDP_Rate_Limit_Connection_Requests_Allowed: 3 } });
	const socket = await rig.connect();
	await socket.negotiate();
	for (let count = 0; count < 3; count++) await socket.call('any');
	await assert.rejects(socket.call('any'), (error: Error & { wire: Record<string, unknown> }) => {
		assert.equal(error.wire['error'], 'too-many-requests');
		assert.match(
			String(error.wire['reason']),
			/^Error, too many requests. Please slow down. You must wait \d+ seconds/,
		);
		return true;
	});
	rig.clock.advance(60_001);
	await socket.call('any');
});

test('when the bus is gone for 10 s, logged-in sockets close 1013 and new ones are refused', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	rig.bus.disconnect();
	await assert.rejects(rig.connect(), { status: 503 });
	rig.clock.advance(10_100);
	assert.deepEqual(await socket.closed, { code: 1013, reason: 'TRY_AGAIN_LATER' });
});

test('after a gap of the bus logged-in sockets close 1012; an anonymous one without subscriptions stays', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	const idle = await rig.connect();
	await idle.negotiate();
	rig.bus.disconnect();
	rig.bus.reconnect();
	assert.deepEqual(await socket.closed, { code: 1012, reason: 'SERVICE_RESTART' });
	await idle.settled();
});
