import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { silentLog } from '../platform/log.ts';
import { frontServer, stickyTarget, type FrontDeps, type Target } from './front.ts';

async function listening(t: TestContext, server: Server): Promise<number> {
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return (server.address() as AddressInfo).port;
}

/** A process behind the front that says its name, on HTTP and on sockets. */
async function behind(
	t: TestContext,
	key: string,
	answer?: (request: IncomingMessage, response: ServerResponse) => void,
) {
	const server = createServer((request, response) => {
		if (answer !== undefined) return answer(request, response);
		response.end(JSON.stringify({ key, url: request.url, from: request.headers['x-forwarded-for'] }));
	});
	const sockets = new WebSocketServer({ server });
	sockets.on('connection', (socket) => {
		socket.send(key);
		socket.on('message', (data) => socket.send(`${key} heard ${String(data as Buffer)}`));
	});
	return { key, port: await listening(t, server) };
}

async function front(t: TestContext, deps: Partial<FrontDeps>) {
	const server = frontServer({
		prefix: '',
		cores: () => [],
		streamers: () => [],
		changed: () => Promise.resolve(),
		before: () => false,
		log: silentLog,
		...deps,
	});
	const port = await listening(t, server);
	const get = async (path: string, init: RequestInit = {}) => {
		const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
		return { status: response.status, text: await response.text() };
	};
	return { port, get };
}

async function firstMessage(t: TestContext, port: number, path: string): Promise<string> {
	const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
	t.after(() => socket.terminate());
	const [data] = (await once(socket, 'message')) as [Buffer];
	return data.toString();
}

test('sockets go to the streamers, everything else to the cores, with the address of the client', async (t) => {
	const [core, streamer] = [await behind(t, 'core'), await behind(t, 'streamer')];
	const { port, get } = await front(t, { cores: () => [core], streamers: () => [streamer] });
	const body = JSON.parse((await get('/api/info?x=1')).text) as object;
	assert.deepEqual(body, { key: 'core', url: '/api/info?x=1', from: '127.0.0.1' });
	assert.equal((JSON.parse((await get('/sockjs/info')).text) as { key: string }).key, 'streamer');
	assert.equal((JSON.parse((await get('/websockets')).text) as { key: string }).key, 'core');
	assert.equal(await firstMessage(t, port, '/websocket?a=b'), 'streamer');
	assert.equal(await firstMessage(t, port, '/sockjs/123/abcdefgh/websocket'), 'streamer');
});

test('a prefix of the deployment stays in the path', async (t) => {
	const [core, streamer] = [await behind(t, 'core'), await behind(t, 'streamer')];
	const { port, get } = await front(t, { prefix: '/chat', cores: () => [core], streamers: () => [streamer] });
	assert.equal((JSON.parse((await get('/chat/api/info')).text) as { url: string }).url, '/chat/api/info');
	assert.equal(await firstMessage(t, port, '/chat/websocket'), 'streamer');
});

test('requests take turns; those of one SockJS session meet one streamer', async (t) => {
	const streamers = [await behind(t, 's1'), await behind(t, 's2'), await behind(t, 's3')];
	const { port, get } = await front(t, { streamers: () => streamers });
	const seen = new Set<string>();
	for (let count = 0; count < 6; count++) seen.add(await firstMessage(t, port, '/websocket'));
	assert.equal(seen.size, 3);
	const keyAt = async (path: string) => (JSON.parse((await get(path)).text) as { key: string }).key;
	const owner = await keyAt('/sockjs/000/sessionone/xhr');
	for (let count = 0; count < 5; count++) assert.equal(await keyAt(`/sockjs/${count}/sessionone/xhr_send`), owner);
});

test('sessions are spread over the targets, and only those of a lost target move', () => {
	const targets: Target[] = ['a', 'b', 'c', 'd'].map((key, index) => ({ key, port: index }));
	const sessions = Array.from({ length: 4000 }, (_, index) => `session${index}`);
	const before = sessions.map((session) => stickyTarget(session, targets)?.key);
	for (const key of ['a', 'b', 'c', 'd']) {
		const share = before.filter((owner) => owner === key).length;
		assert.ok(share > 850 && share < 1150, `${key}: ${share}`);
	}
	const after = sessions.map((session) => stickyTarget(session, targets.slice(1))?.key);
	for (const [index, owner] of before.entries()) if (owner !== 'a') assert.equal(after[index], owner);
	assert.equal(stickyTarget('x', []), null);
});

test('a request that meets no process waits for one, and gets an answer of the API when none comes', async (t) => {
	const core = await behind(t, 'core');
	const present: Target[] = [];
	let waits = 0;
	const { get } = await front(t, {
		cores: () => present,
		changed: () => {
			waits += 1;
			if (waits === 2) present.push(core);
			return Promise.resolve();
		},
	});
	assert.equal((JSON.parse((await get('/api/info')).text) as { key: string }).key, 'core');
	assert.equal(waits, 2);
});

test('a process that dies with the request: 503 as JSON, not a hanging client', async (t) => {
	const dying = await behind(t, 'core', (request) => void request.socket.destroy());
	const { get } = await front(t, { cores: () => [dying], streamers: () => [{ key: 'gone', port: 1 }] });
	const answer = await get('/api/v1/chat.sendMessage', { method: 'POST', body: '{}' });
	assert.deepEqual([answer.status, JSON.parse(answer.text)], [503, { success: false, error: 'Service Unavailable' }]);
	assert.equal((await get('/sockjs/info')).status, 503);
});

test('a socket that nobody can take is refused, and one whose streamer dies is closed', async (t) => {
	const server = createServer();
	const sockets = new WebSocketServer({ server });
	const streamer = { key: 's', port: await listening(t, server) };
	const present = [streamer];
	const { port } = await front(t, { streamers: () => present });
	const open = new WebSocket(`ws://127.0.0.1:${port}/websocket`);
	await once(open, 'open');
	for (const client of sockets.clients) client.terminate();
	await once(open, 'close');
	present[0] = { key: 'gone', port: 1 };
	const refused = new WebSocket(`ws://127.0.0.1:${port}/websocket`);
	const [error] = (await once(refused, 'error')) as [Error];
	assert.match(error.message, /503|hang up|ECONNRESET/);
});

test('health is answered by the front itself', async (t) => {
	const { get } = await front(t, {
		before: (request, response) => {
			if (request.url !== '/livez') return false;
			response.end('ok');
			return true;
		},
	});
	assert.deepEqual(await get('/livez'), { status: 200, text: 'ok' });
});
