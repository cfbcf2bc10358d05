import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { streamerRig } from '../testing/streamer.ts';
import { testSocket } from '../testing/sockets.ts';

test('raw sockets open on each of their paths, and the first frame is byte for byte the known one', async (t) => {
	const rig = await streamerRig(t);
	for (const path of ['/websocket', '/websocket/', '/websocket?x=1', '/sockjs/websocket']) {
		const socket = await rig.connect(path);
		assert.equal(socket.texts[0], '{"server_id":"0"}', path);
		assert.match(await socket.negotiate(), /^[\w-]{22,}$/);
	}
});

test('sockets open behind a path prefix, and not beside it', async (t) => {
	const rig = await streamerRig(t, { prefix: '/chat' });
	const socket = await rig.connect('/chat/websocket');
	assert.equal(socket.texts[0], '{"server_id":"0"}');
	await assert.rejects(testSocket(`ws://${rig.url}/websocket`), { status: 404 });
	await assert.rejects(testSocket(`ws://${rig.url}/chat/other`), { status: 404 });
});

test('a SockJS socket begins with o and carries arrays of strings both ways', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect('/sockjs/123/abcdefgh/websocket?x=1');
	assert.equal(socket.texts[0], 'o');
	await socket.next(
		(frame) => frame['0'] === '{"server_id":"0"}' || Array.isArray(frame) || frame['text'] !== undefined,
		1,
	);
	assert.equal(socket.texts[1], 'a["{\\"server_id\\":\\"0\\"}"]');
	socket.send('[]');
	socket.send('');
	const connect = JSON.stringify({ msg: 'connect', version: '1', support: ['1'] });
	socket.send(JSON.stringify([connect, '{"msg":"ping","id":"a"}']));
	socket.send(JSON.stringify('{"msg":"ping","id":"b"}'));
	await socket.next((frame) => String(frame['text']).includes('\\"id\\":\\"b\\"'));
	const own = socket.texts.slice(2).join('');
	assert.ok(own.indexOf('connected') < own.indexOf('\\"a\\"') && own.indexOf('\\"a\\"') < own.indexOf('\\"b\\"'));
	socket.send('["broken');
	const { code } = await socket.closed;
	assert.equal(code, 1007);
});

test('sockjs info: headers, CORS and fresh entropy as the contract says', async (t) => {
	const rig = await streamerRig(t);
	const plain = await fetch(`http://${rig.url}/sockjs/info?cb=abc`);
	const first = (await plain.json()) as Record<string, unknown>;
	assert.equal(plain.headers.get('content-type'), 'application/json; charset=UTF-8');
	assert.equal(plain.headers.get('cache-control'), 'no-store, no-cache, no-transform, must-revalidate, max-age=0');
	assert.equal(plain.headers.get('access-control-allow-origin'), '*');
	assert.equal(plain.headers.get('access-control-allow-credentials'), null);
	for (const absent of ['expires', 'last-modified', 'set-cookie']) assert.equal(plain.headers.get(absent), null);
	assert.deepEqual({ ...first, entropy: 0 }, { websocket: true, origins: ['*:*'], cookie_needed: false, entropy: 0 });
	assert.ok(Number.isInteger(first['entropy']) && Number(first['entropy']) >= 0 && Number(first['entropy']) < 2 ** 32);
	const again = await fetch(`http://${rig.url}/sockjs/info`, { headers: { origin: 'https://elsewhere.example' } });
	assert.notEqual(((await again.json()) as Record<string, unknown>)['entropy'], first['entropy']);
	assert.equal(again.headers.get('access-control-allow-origin'), 'https://elsewhere.example');
	assert.equal(again.headers.get('access-control-allow-credentials'), 'true');
	const options = await fetch(`http://${rig.url}/sockjs/info`, {
		method: 'OPTIONS',
		headers: { 'access-control-request-headers': 'x-one, x-two' },
	});
	assert.equal(options.status, 204);
	assert.equal(options.headers.get('access-control-allow-methods'), 'OPTIONS, GET');
	assert.equal(options.headers.get('access-control-max-age'), '31536000');
	assert.equal(options.headers.get('cache-control'), 'public, max-age=31536000');
	assert.equal(options.headers.get('access-control-allow-headers'), 'x-one, x-two');
	assert.ok(options.headers.get('expires'));
	assert.equal(await options.text(), '');
});

test('other plain requests: greeting, 400 for a socket path, 404 for a transport that is not offered', async (t) => {
	const rig = await streamerRig(t);
	for (const path of ['/sockjs', '/sockjs/']) {
		const greeting = await fetch(`http://${rig.url}${path}`);
		assert.equal(greeting.headers.get('content-type'), 'text/plain; charset=UTF-8');
		assert.equal(await greeting.text(), 'Welcome to SockJS!\n');
	}
	assert.equal((await fetch(`http://${rig.url}/websocket`)).status, 400);
	assert.equal((await fetch(`http://${rig.url}/sockjs/000/abc/jsonp?c=x`)).status, 404);
	assert.equal((await fetch(`http://${rig.url}/api/info`)).status, 418, 'others are left alone');
});

test('an offer to upgrade to another protocol is answered as a plain request', async (t) => {
	const rig = await streamerRig(t);
	const text = await new Promise<string>((resolve, reject) => {
		const socket = connectTcp(rig.port, '127.0.0.1', () => {
			socket.write('GET /api/info HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n');
		});
		socket.once('data', (data) => {
			resolve(data.toString());
			socket.destroy();
		});
		socket.once('error', reject);
	});
	assert.match(text, /^HTTP\/1.1 418 /);
});

test('a message may be 64 KiB before a login and larger after it; too much closes 1009, binary 1003', async (t) => {
	const rig = await streamerRig(t, { limits: { maxMessageBytes: 200_000 } });
	const big = (bytes: number) => JSON.stringify({ msg: 'method', id: 'b', method: 'm', params: ['x'.repeat(bytes)] });
	const anonymous = await rig.connect();
	await anonymous.negotiate();
	anonymous.send(big(66_000));
	assert.equal((await anonymous.closed).code, 1009);
	const logged = await rig.login('ana');
	logged.send(big(150_000));
	await logged.next((frame) => frame.msg === 'result' && frame.id === 'b');
	logged.send(big(210_000));
	assert.equal((await logged.closed).code, 1009);
	const binary = await rig.connect();
	binary.sendBinary(Buffer.from('{}'));
	assert.equal((await binary.closed).code, 1003);
});

test('too many sockets from one address are refused with 503 and Retry-After', async (t) => {
	const rig = await streamerRig(t, { limits: { maxUnconnectedPerAddress: 2, maxAnonymousPerAddress: 3 } });
	const first = await rig.connect();
	await rig.connect();
	await assert.rejects(
		testSocket(`ws://${rig.url}/websocket`),
		(error: Error & { status: number; headers: Record<string, string> }) => {
			assert.equal(error.status, 503);
			assert.ok(Number(error.headers['retry-after']) > 0);
			return true;
		},
	);
	await first.negotiate();
	const third = await rig.connect();
	await third.negotiate();
	await assert.rejects(testSocket(`ws://${rig.url}/websocket`), { status: 503 });
});

test('a stopping server refuses handshakes and closes its sockets with 1012', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	await socket.negotiate();
	const stopped = rig.ddp.stop();
	assert.deepEqual(await socket.closed, { code: 1012, reason: 'SERVICE_RESTART' });
	await stopped;
	await assert.rejects(testSocket(`ws://${rig.url}/websocket`), { status: 503 });
});
