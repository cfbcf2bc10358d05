import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import SockJS from 'sockjs-client';
import { silentLog } from '../platform/log.ts';
import { streamerRig } from '../testing/streamer.ts';
import { frontServer, stickyTarget, type Target } from './front.ts';

async function fronted(t: TestContext, streamers: Target[]): Promise<number> {
	const front = frontServer({
		prefix: '',
		cores: () => [],
		streamers: () => streamers,
		changed: () => Promise.resolve(),
		before: () => false,
		log: silentLog,
	});
	front.listen(0, '127.0.0.1');
	await once(front, 'listening');
	t.after(() => {
		front.closeAllConnections();
		front.close();
	});
	return (front.address() as AddressInfo).port;
}

/** Opens a request and gives its answer as soon as it begins. */
async function begun(port: number, method: string, path: string, body = '') {
	const request = httpRequest({ host: '127.0.0.1', port, method, path, agent: false });
	request.end(body);
	const [response] = (await once(request, 'response')) as [IncomingMessage];
	let text = '';
	const checks = new Set<() => void>();
	response.setEncoding('utf8').on('data', (chunk: string) => {
		text += chunk;
		for (const check of checks) check();
	});
	response.on('error', () => undefined);
	const until = (fits: (text: string) => boolean) =>
		new Promise<string>((resolve) => {
			const check = () => {
				if (fits(text)) resolve(text);
			};
			checks.add(check);
			check();
		});
	const closed = new Promise<void>((resolve) => response.once('close', resolve));
	return { status: response.statusCode, until, closed, abort: () => request.destroy() };
}

/** A name that the front sends to this target. */
function sessionFor(key: string, targets: Target[]): string {
	let count = 0;
	while (stickyTarget(`session${count}`, targets)?.key !== key) count += 1;
	return `session${count}`;
}

test('SockJS sessions of every transport work behind the front with two streamers', async (t) => {
	const rigs = [await streamerRig(t), await streamerRig(t)];
	const targets = rigs.map(({ port }, index) => ({ key: `s${index}`, port }));
	for (const [index, rig] of rigs.entries()) {
		rig.core.answer = async ({ params }) => `${index} ${(params[0] as string).length} ${'y'.repeat(70_000)}`;
	}
	const port = await fronted(t, targets);
	const seen = new Set<string>();
	for (const transport of ['websocket', 'xhr-streaming', 'xhr-polling', 'eventsource']) {
		for (let count = 0; count < 4; count++) {
			const client = new SockJS(`http://127.0.0.1:${port}/sockjs`, null, { transports: transport });
			const results: string[] = [];
			const done = new Promise<void>((resolve, reject) => {
				client.addEventListener('message', ({ data }) => {
					const frame = JSON.parse(data) as { msg?: string; result?: string };
					if (frame.msg === 'result' && results.push(String(frame.result)) === 3) resolve();
				});
				client.addEventListener('close', ({ code }) => reject(new Error(`closed ${code}`)));
			});
			client.addEventListener('open', () => {
				client.send(JSON.stringify({ msg: 'connect', version: '1', support: ['1'] }));
				for (const id of ['a', 'b', 'c']) {
					client.send(JSON.stringify({ msg: 'method', id, method: 'm', params: ['x'.repeat(15_000)] }));
				}
			});
			await done;
			for (const result of results) assert.match(result, /^[01] 15000 y{70000}$/);
			assert.equal(new Set(results.map(([owner]) => owner)).size, 1, 'one session, one streamer');
			seen.add(`${transport} ${results[0]?.[0]}`);
			client.close();
		}
	}
	assert.ok(seen.size > 4, `both streamers were used: ${[...seen].join()}`);
});

test('frames of an open answer pass the front at once, and a client that leaves is noticed behind it', async (t) => {
	const rig = await streamerRig(t);
	const port = await fronted(t, [{ key: 's', port: rig.port }]);
	const stream = await begun(port, 'POST', '/sockjs/000/abc/xhr_streaming');
	await stream.until((text) => text.endsWith('server_id\\":\\"0\\"}"]\n'));
	const connect = JSON.stringify({ msg: 'connect', version: '1', support: ['1'] });
	const sent = await begun(port, 'POST', '/sockjs/000/abc/xhr_send', JSON.stringify([connect]));
	assert.equal(sent.status, 204);
	await stream.until((text) => text.includes('connected'));
	stream.abort();
	while (rig.closed.length === 0) await fetch(`http://127.0.0.1:${port}/sockjs/info`);
	assert.deepEqual(rig.closed, [1002]);
});

test('an open answer whose streamer dies ends, so that the client comes again', async (t) => {
	const dying = createServer((_request, response) => void response.write('o\n'));
	dying.listen(0, '127.0.0.1');
	await once(dying, 'listening');
	t.after(() => dying.close());
	const port = await fronted(t, [{ key: 's', port: (dying.address() as AddressInfo).port }]);
	const stream = await begun(port, 'POST', '/sockjs/000/abc/xhr_streaming');
	await stream.until((text) => text === 'o\n');
	dying.closeAllConnections();
	await stream.closed;
});

test('sessions of each streamer stay there when another one is lost', async (t) => {
	const rigs = [await streamerRig(t), await streamerRig(t)];
	const targets = rigs.map(({ port }, index) => ({ key: `s${index}`, port }));
	const port = await fronted(t, targets);
	const [first, second] = [sessionFor('s0', targets), sessionFor('s1', targets)];
	const poll = async (session: string) => {
		const answer = await fetch(`http://127.0.0.1:${port}/sockjs/000/${session}/xhr`, { method: 'POST' });
		return answer.text();
	};
	for (const session of [first, second]) assert.equal(await poll(session), 'o\n');
	targets.splice(0, 1);
	assert.match(await poll(second), /server_id/, 'goes on');
	assert.equal(await poll(first), 'o\n', 'begins anew elsewhere');
});
