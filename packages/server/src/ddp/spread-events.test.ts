import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';
import type { TestSocket } from '../testing/sockets.ts';

const event = 'public-settings-changed';

function change(rig: StreamerRig, value: number): void {
	const args = ['updated', { _id: 'Site_Name', value }];
	rig.bus.publish({ key: 'all:public', parts: [{ kind: 'direct', stream: 'notify-all', event, args }] });
}

async function listening(rig: StreamerRig, count: number): Promise<TestSocket[]> {
	return Promise.all(
		Array.from({ length: count }, async () => {
			const socket = await rig.connect();
			await socket.negotiate();
			assert.equal(await socket.sub('s', 'stream-notify-all', event, false), 'ready');
			return socket;
		}),
	);
}

const valuesOf = (socket: TestSocket) =>
	socket.events('notify-all', event).map(([, setting]) => (setting as { value: number }).value);

test('a setting reaches more sockets than may hear it at once in portions, each once and in order', async (t) => {
	const rig = await streamerRig(t, { limits: { spreadAbove: 8, spreadOverMs: 80 } });
	const sockets = await listening(rig, 16);
	for (const value of [1, 2, 3]) change(rig, value);
	await Promise.all(
		sockets.map((socket) =>
			socket.event('notify-all', event, ([, setting]) => (setting as { value: number }).value === 3),
		),
	);
	for (const socket of sockets) assert.deepEqual(valuesOf(socket), [1, 2, 3]);
});

test('before its turn nobody is told, and who has ended the subscription by then is not told at all', async (t) => {
	const rig = await streamerRig(t, { limits: { spreadAbove: 8, spreadOverMs: 60_000 } });
	const sockets = await listening(rig, 16);
	change(rig, 1);
	await rig.bus.flush();
	const told = async () => {
		await Promise.all(sockets.map((socket) => socket.settled()));
		return sockets.filter((socket) => valuesOf(socket).length > 0).length;
	};
	let first = await told();
	while (first === 0) first = await told();
	assert.equal(first, 2, 'one of eight portions');
	const waiting = sockets.filter((socket) => valuesOf(socket).length === 0);
	await waiting[0]?.unsub('s');
	const stopped = rig.ddp.stop();
	await Promise.all(sockets.map((socket) => socket.closed));
	await stopped;
	const heard = sockets.map((socket) => valuesOf(socket).length);
	assert.deepEqual([heard.filter((count) => count === 1).length, heard.filter((count) => count === 0).length], [15, 1]);
});
