import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { startServer, type TestServer } from './server.ts';
import { secretIn } from './secrets.ts';
import { openConnected, openLoggedIn, openWire, type Wire } from './wire.ts';

/** Opening, negotiating, staying alive and being closed. @see realtime contract 1.1, 1.3, 1.8, 1.9, 2.2, 2.3 */

const connectFrame = { msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] };

test('the check for secrets finds each of them, raw and in SockJS framing, and nothing else', () => {
	for (const record of [
		{ joinCode: 'x' },
		{ services: { password: {} } },
		{ diff: { 'services.resume.loginTokens': [] } },
		{ password: { bcrypt: 'x' } },
		{ hashedToken: 'x' },
		{ clientSecret: 'x' },
		{ rk: { s: 1 } },
	]) {
		const text = JSON.stringify({ msg: 'changed', fields: { args: [record] } });
		assert.notEqual(secretIn(text), null, text);
		assert.notEqual(secretIn(`a${JSON.stringify([text])}`), null, text);
	}
	assert.equal(secretIn('{"joinCodeRequired":true,"token":"x","service":"github","work":"ok","mark":1}'), null);
});

describe('a connection', { concurrency: false, timeout: 180_000 }, () => {
	let server: TestServer;
	let base: string;
	/** Opened first, looked at last: their clocks run while the other tests do. */
	let silent: Wire;
	let speechless: Wire;
	let answering: Wire;
	let openedAt: number;
	before(async () => {
		server = await startServer('one process');
		base = server.url.replace('http', 'ws');
		openedAt = performance.now();
		speechless = await openWire(null, server.socketUrl);
		silent = await openWire(null, server.socketUrl, { answersPings: false });
		answering = await openWire(null, server.socketUrl);
		await silent.negotiate();
		await answering.negotiate();
	});
	after(async () => {
		for (const wire of [silent, speechless, answering]) wire?.terminate();
		await server?.stop();
	});
	const open = (t: TestContext, path = '/websocket') => openWire(t, `${base}${path}`);

	for (const path of ['/websocket', '/websocket/', '/websocket?x=1', '/websocket/?a=b&c', '/sockjs/websocket']) {
		test(`${path} is raw: the first frame byte for byte, before anything was sent; then a session`, async (t) => {
			const wire = await open(t, path);
			await wire.next(() => true);
			assert.deepEqual(wire.messages, ['{"server_id":"0"}']);
			const session = await wire.negotiate();
			assert.ok(session.length >= 17);
			assert.deepEqual(Object.keys(wire.frames[1] ?? {}).toSorted(), ['msg', 'session']);
		});
	}

	test('paths that are none open nothing; a GET without upgrade is 400', async (t) => {
		for (const path of ['/', '/websocket/x', '/api/websocket', '/sockjs/a/websocket', '/sockjs/a/b/c/websocket']) {
			await assert.rejects(open(t, path), { status: 404 }, path);
		}
		const plain = await fetch(`${server.url}/websocket`);
		assert.equal(plain.status, 400);
		assert.ok((await plain.text()).length > 0);
	});

	test('an origin, a subprotocol and extra headers change nothing', async (t) => {
		const wire = await openWire(t, server.socketUrl, {
			headers: { origin: 'https://elsewhere.example', 'x-2fa-code': '1', 'x-2fa-method': 'totp', cookie: 'rc_token=x' },
		});
		await wire.negotiate();
		assert.equal((await wire.ask('getRoomRoles', 'GENERAL'))['error'] !== undefined, true, 'a cookie is no login');
	});

	test('each version is taken when it is the best offered; an unknown session id never comes back', async (t) => {
		for (const [version, support] of [
			['1', ['1', 'pre2', 'pre1']],
			['1', ['1']],
			['pre2', ['pre2']],
			['pre2', ['2', 'pre2', 'pre1']],
			['pre1', ['pre1']],
		] as const) {
			const wire = await open(t);
			wire.send({ msg: 'connect', version, support, session: 'JkhQhbNmsTmDSmvoZ', unknown: 1 });
			const { session } = await wire.next(({ msg }) => msg === 'connected');
			assert.equal(typeof session, 'string');
			assert.notEqual(session, 'JkhQhbNmsTmDSmvoZ');
		}
	});

	test('anything else is answered by `failed` with a version to try, and closed with 1000', async (t) => {
		for (const [offer, suggested] of [
			[{ version: '0.9', support: ['0.9'] }, '1'],
			[{ version: '0.9', support: ['0.9', 'pre1'] }, 'pre1'],
			[{ version: 'pre1', support: ['1', 'pre1'] }, '1'],
			[{ version: 'pre1', support: ['pre2', 'pre1'] }, 'pre2'],
			[{ version: '1', support: ['pre2'] }, '1'],
			[{ version: 1, support: ['1'] }, '1'],
			[{ version: '1', support: '1' }, '1'],
			[{ version: '1', support: [] }, '1'],
			[{}, '1'],
		] as const) {
			const wire = await open(t);
			wire.send({ msg: 'connect', ...offer });
			const text = JSON.stringify(offer);
			assert.deepEqual(await wire.next(({ msg }) => msg !== undefined), { msg: 'failed', version: suggested }, text);
			assert.equal((await wire.closed).code, 1000, text);
		}
	});

	test('what is sent behind `connect` without waiting is answered behind `connected`, in order', async (t) => {
		const wire = await open(t);
		wire.send(
			connectFrame,
			{ msg: 'method', id: 'a', method: 'no such one', params: [] },
			{ msg: 'sub', id: 'b', name: 'stream-notify-all', params: ['public-settings-changed', false] },
			{ msg: 'unsub', id: 'b' },
			{ msg: 'ping', id: 'c' },
		);
		await wire.next((frame) => frame['msg'] === 'nosub' && frame['id'] === 'b');
		await wire.next((frame) => frame['msg'] === 'updated');
		assert.equal(wire.frames[1]?.['msg'], 'connected');
		const order = wire.frames.map((frame) => frame['msg']);
		assert.ok(order.indexOf('ready') < order.indexOf('nosub'));
	});

	test('a second `connect` is an error, however often, and the session goes on', async (t) => {
		const wire = await openConnected(t, server);
		for (let count = 0; count < 5; count += 1) {
			const from = wire.frames.length;
			wire.send(connectFrame);
			assert.deepEqual(await wire.next(({ msg }) => msg === 'error', from), {
				msg: 'error',
				reason: 'Already connected',
				offendingMessage: connectFrame,
			});
		}
		assert.equal((await wire.ask('nothing'))['error'].error, 404);
	});

	test('before `connect` everything is an error; the third closes 1002, two are forgiven', async (t) => {
		const early = [
			{ msg: 'sub', id: '1', name: 'stream-notify-all', params: ['x'] },
			{ msg: 'method', id: '1', method: 'login', params: [] },
			{ msg: 'ping' },
		];
		const wire = await open(t);
		wire.send(...early);
		assert.equal((await wire.closed).code, 1002);
		assert.deepEqual(
			wire.frames.slice(1),
			early.map((frame) => ({ msg: 'error', reason: 'Must connect first', offendingMessage: frame })),
		);
		const forgiven = await open(t);
		forgiven.send(...early.slice(1));
		await forgiven.negotiate();
		await forgiven.settled();
	});

	test('ping with an id and without, pong in every form, and pre1 that knows neither', async (t) => {
		const wire = await openConnected(t, server);
		for (const id of ['', '0', 'x'.repeat(100)]) {
			const from = wire.texts.length;
			wire.send({ msg: 'ping', id });
			await wire.next(({ msg }) => msg === 'pong', from);
			assert.equal(wire.texts[from], JSON.stringify({ msg: 'pong', id }));
		}
		const from = wire.texts.length;
		wire.send({ msg: 'ping' });
		await wire.next(({ msg }) => msg === 'pong', from);
		assert.equal(wire.texts[from], '{"msg":"pong"}');
		const before = wire.texts.length;
		wire.send({ msg: 'pong' }, { msg: 'pong', id: 'never asked' });
		await wire.settled();
		assert.equal(wire.texts.length, before + 1, 'a pong is answered by nothing');
		const old = await open(t);
		await old.negotiate('pre1', ['pre1']);
		old.send({ msg: 'ping' });
		assert.equal((await old.next(({ msg }) => msg === 'error'))['reason'], 'Bad request');
	});

	test('a binary message closes 1003, too long a one 1009, broken UTF-8 1007', async (t) => {
		const binary = await openConnected(t, server);
		binary.sendRaw(Buffer.from('{"msg":"ping"}'), true);
		assert.equal((await binary.closed).code, 1003);
		const long = await openConnected(t, server);
		long.send({ msg: 'method', id: '1', method: 'x', params: ['x'.repeat(66_000)] });
		assert.equal((await long.closed).code, 1009);
		const broken = await openConnected(t, server);
		broken.sendRaw(Buffer.from([0x22, 0xff, 0xfe, 0x22]));
		assert.equal((await broken.closed).code, 1007);
	});

	test('text that is no JSON is an error each time; the eleventh closes 1007', async (t) => {
		const wire = await openConnected(t, server);
		for (let count = 0; count < 10; count += 1) wire.sendRaw(count % 2 === 0 ? '{"msg":' : '');
		await wire.settled();
		const errors = wire.texts.filter((text) => text === '{"msg":"error","reason":"Parse error"}');
		assert.equal(errors.length, 10);
		wire.sendRaw('{');
		assert.deepEqual(await wire.closed, { code: 1007, reason: 'UNSUPPORTED_DATA' });
	});

	test('a message may be larger after the login: 8 MiB, not more', async (t) => {
		const wire = await openLoggedIn(t, server, server.admin);
		const big = { msg: 'method', id: 'big', method: 'getRoomById', params: ['x'.repeat(1_000_000)] };
		wire.send(big);
		await wire.next((frame) => frame['msg'] === 'updated' && frame['methods'].includes('big'));
		wire.send({ ...big, params: ['x'.repeat(8 * 1024 * 1024)] });
		assert.equal((await wire.closed).code, 1009);
	});

	test('who says nothing after opening is never pinged, and closed with 4001 after 10 s', async () => {
		assert.deepEqual(await speechless.closed, { code: 4001, reason: 'CONNECT_TIMEOUT' });
		assert.deepEqual(speechless.messages, ['{"server_id":"0"}']);
	});

	test('silence: a ping after 25 s and the close 4408 after 55; who answers stays', async () => {
		await silent.next(({ msg }) => msg === 'ping');
		assert.ok(performance.now() - openedAt > 24_500);
		assert.equal(silent.texts.at(-1), '{"msg":"ping"}');
		const { code, reason } = await silent.closed;
		const afterMs = performance.now() - openedAt;
		assert.deepEqual({ code, reason }, { code: 4408, reason: 'TIMEOUT' });
		assert.ok(afterMs > 54_000 && afterMs < 65_000, `${afterMs} ms`);
		await answering.settled();
	});
});

test('behind a path prefix every path of the sockets works, and none beside it', { timeout: 90_000 }, async (t) => {
	const server = await startServer('one process', { env: { ROOT_URL: 'http://127.0.0.1/some/chat' } });
	t.after(() => server.stop());
	const { port } = new URL(server.url);
	assert.ok(port !== '', server.url);
	for (const path of ['/websocket', '/websocket/', '/websocket?x=1', '/sockjs/websocket']) {
		const wire = await openWire(t, `ws://127.0.0.1:${port}/some/chat${path}`);
		await wire.negotiate();
		assert.equal(wire.messages[0], '{"server_id":"0"}', path);
	}
	const sockjs = await openWire(t, `ws://127.0.0.1:${port}/some/chat/sockjs/001/abcdefgh/websocket`);
	await sockjs.negotiate();
	assert.equal(sockjs.messages[0], 'o');
	const info = await fetch(`http://127.0.0.1:${port}/some/chat/sockjs/info`);
	assert.equal(((await info.json()) as { websocket: boolean }).websocket, true);
	await assert.rejects(openWire(t, `ws://127.0.0.1:${port}/websocket`), { status: 404 });
});
