import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { waitFor } from '../testing/accounts.ts';
import { testSocket } from '../testing/sockets.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';
import { ddpLimits } from './limits.ts';

/** The rows of the security contract, 4, that concern sockets, as a client meets them. */

const matchFailed = { isClientSafe: true, error: 400, reason: 'Match failed', message: 'Match failed [400]' };

/** Lists within lists; the frame and its `params` are two levels of their own. */
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const keys = (count: number): string => `[${'{"":0},'.repeat(count)}0]`;

test('params may be 32 levels deep and hold 10,000 keys; beyond that the call alone is refused', async (t) => {
	const rig = await streamerRig(t);
	rig.core.answer = async () => 'taken';
	const socket = await rig.login('ana');
	const ask = async (id: string, value: string) => {
		socket.send(`{"msg":"method","method":"m","id":"${id}","params":[${value}]}`);
		const result = await socket.next((frame) => frame.msg === 'result' && frame.id === id);
		await socket.next((frame) => frame.msg === 'updated' && (frame['methods'] as string[])[0] === id);
		return result['result'] ?? result['error'];
	};
	assert.equal(await ask('deep', nested(30)), 'taken');
	assert.equal(await ask('many', keys(10_000)), 'taken');
	for (const [id, value] of [
		['deeper', nested(31)],
		['endless', nested(20_000)],
		['more', keys(10_001)],
	] as const) {
		assert.deepEqual(await ask(id, value), { ...matchFailed, errorType: 'Meteor.Error' }, id);
	}
	socket.send(`{"msg":"sub","name":"stream-notify-all","id":"s","params":["x",${nested(40)}]}`);
	const nosub = await socket.next((frame) => frame.msg === 'nosub' && frame.id === 's');
	assert.deepEqual(nosub['error'], { ...matchFailed, errorType: 'Meteor.Error' });
	assert.equal(rig.calls.length, 2, 'core was asked for nothing that was refused');
	assert.equal(await ask('next', '1'), 'taken');
});

test('endless nesting anywhere else in a frame does no harm', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.connect();
	await socket.negotiate();
	for (const where of ['"id"', '"support"', '"params"', '"randomSeed"', '"x"']) {
		for (const msg of ['"ping"', '"connect"', '"method"', '"unsub"', '"other"', nested(10_000)]) {
			socket.send(`{"msg":${msg},${where}:${nested(10_000)}}`);
		}
	}
	socket.send(nested(30_000));
	await socket.settled();
	const errors = socket.frames.filter(({ msg }) => msg === 'error').length;
	assert.ok(errors >= 20, `${errors}`);
});

/** What a refused handshake was answered. */
async function refusal(
	rig: StreamerRig,
	headers: Record<string, string> = {},
): Promise<[status: number, after: string]> {
	const opened = testSocket(`ws://${rig.url}/websocket`, headers);
	return opened.then(
		(socket) => {
			socket.terminate();
			return [101, ''];
		},
		(error: { status: number; headers?: Record<string, string> }) => [
			error.status,
			error.headers?.['retry-after'] ?? '',
		],
	);
}

test('a full process refuses handshakes with 503 and Retry-After, never 400, until a socket has gone', async (t) => {
	const rig = await streamerRig(t, { limits: { maxSockets: 2 } });
	const first = await rig.connect();
	await rig.login('ana');
	const [status, after] = await refusal(rig);
	assert.equal(status, 503);
	assert.match(after, /^[1-9]\d?$/);
	assert.equal(rig.ddp.stats().sockets, 2);
	first.close();
	await waitFor(async () => (rig.ddp.stats().sockets === 1 ? true : null));
	assert.equal((await refusal(rig))[0], 101);
});

test('sockets without a login count for their address; logged-in ones do not, and a gone one leaves its place', async (t) => {
	const rig = await streamerRig(t, { limits: { maxAnonymousPerAddress: 2, maxUnconnectedPerAddress: 2 } });
	for (const uid of ['ana', 'bob', 'cleo']) await rig.login(uid);
	const [first, second] = [await rig.connect(), await rig.connect()];
	assert.equal((await refusal(rig))[0], 503);
	await first.negotiate();
	assert.equal((await refusal(rig))[0], 503, 'connected, but still nobody');
	second.close();
	await waitFor(async () => (rig.ddp.stats().sockets === 4 ? true : null));
	assert.equal((await refusal(rig))[0], 101);
});

test('too many headers are refused with 431', async (t) => {
	const rig = await streamerRig(t);
	const headers = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, '1']));
	assert.equal((await refusal(rig, headers))[0], 431);
	assert.equal((await refusal(rig))[0], 101);
});

test('a message in more than 128 parts ends its socket', async (t) => {
	const rig = await streamerRig(t);
	const send = async (parts: number) => {
		const socket = new WebSocket(`ws://${rig.url}/websocket`);
		t.after(() => socket.terminate());
		await new Promise((resolve) => socket.once('open', resolve));
		const heard = new Promise((resolve) => {
			socket.on('message', (data: Buffer) =>
				data.includes('"pong"') || data.includes('error') ? resolve('answered') : 0,
			);
			socket.once('close', resolve);
		});
		const text = '{"msg":"ping"}'.padEnd(parts, ' ');
		for (let n = 0; n < parts - 1; n++) socket.send(text[n] ?? '', { fin: false });
		socket.send(text.slice(parts - 1));
		return heard;
	};
	assert.equal(await send(128), 'answered');
	assert.equal(await send(129), 1008);
});

test('the bounds are those of the contract', () => {
	const { maxRunningMethods, maxQueuedMethods, maxSubs, maxSocketsPerUser } = ddpLimits;
	assert.deepEqual([maxRunningMethods, maxQueuedMethods, maxSubs, maxSocketsPerUser], [32, 200, 1_000, 200]);
	const { maxUnconnectedPerAddress, maxAnonymousPerAddress, anonymousMessageBytes, maxMessageBytes } = ddpLimits;
	assert.deepEqual([maxUnconnectedPerAddress, maxAnonymousPerAddress], [1_000, 10_000]);
	assert.deepEqual([anonymousMessageBytes, maxMessageBytes], [64 * 1024, 8 * 1024 * 1024]);
	const { connectTimeoutMs, pingAfterMs, closeAfterPingMs } = ddpLimits;
	assert.deepEqual([connectTimeoutMs, pingAfterMs, closeAfterPingMs], [10_000, 25_000, 30_000]);
});
