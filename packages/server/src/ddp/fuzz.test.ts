import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choices, fuzzMessages, inheritedNames } from '../testing/fuzz-frames.ts';
import { fuzzRig } from '../testing/fuzz-rig.ts';
import { fuzz } from '../testing/fuzz-run.ts';

/** Anything may come from a socket: nothing breaks and nothing stays. @see security contract 10, REL-12, REL-13 */

const warmUpMessages = 4_000;
const messages = 16_000;
/** What the runtime itself may keep: compiled code and the like. */
const maxGrowthBytes = 8 * 1024 * 1024;

const errorsIn = (log: { level: string; fields: object }[]) =>
	log.filter(({ level }) => level === 'error' || level === 'fatal');

test('a seed makes the same messages again, whatever was made before', () => {
	const [first, second] = [1, 2].map(() => {
		const next = fuzzMessages(choices(7));
		return Array.from({ length: 5_000 }, () => next().text.toString());
	});
	assert.deepEqual(first, second);
	assert.ok(Math.max(...(first ?? []).map((text) => text.length)) < 64 * 1024);
});

test('20,000 generated messages, raw and SockJS, fresh and logged in: all is answered, nothing is left behind', async (t) => {
	const seed = Number(process.env['ROOKERY_FUZZ_SEED'] ?? 1);
	t.diagnostic(`seed ${seed}`);
	const prototype = Object.getOwnPropertyNames(Object.prototype);
	const { rig, target, settle, heapBytes } = await fuzzRig(t);
	await fuzz(target, { seed, messages: warmUpMessages });
	await settle();
	const before = heapBytes();
	const result = await fuzz(target, { seed: seed + 1, messages });
	assert.ok(result.sent >= messages && result.received > messages / 2, JSON.stringify(result));
	assert.deepEqual(errorsIn(rig.log), []);
	assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), prototype);
	rig.log.length = 0;
	await settle();
	const growth = heapBytes() - before;
	assert.ok(growth < maxGrowthBytes, `${growth} bytes more than before`);
});

test('names that every object has are names like others: as stream, event, method, publication and id', async (t) => {
	const { rig } = await fuzzRig(t);
	rig.core.answer = async ({ method }) => `asked for ${method}`;
	const socket = await rig.connect();
	await socket.negotiate();
	for (const name of inheritedNames) {
		const code = async (...sub: [string, ...unknown[]]) => {
			const answer = await socket.sub(name, ...sub);
			await socket.unsub(name);
			return answer === 'ready' ? answer : (answer as { error: unknown }).error;
		};
		assert.equal(await code(name), 404);
		assert.equal(await code(`stream-${name}`, 'event'), 404);
		assert.equal(await code('stream-notify-all', name), 'ready');
		assert.equal(await code('stream-room-messages', name), 'not-allowed');
		assert.equal(await code('stream-notify-room', `${name}/${name}`), 'not-allowed');
		assert.equal(await code('stream-notify-user', `${name}/${name}`), 'not-allowed');
		assert.equal(await socket.call(name), `asked for ${name}`);
		assert.equal(await socket.call(`stream-${name}`, name, name), undefined);
		assert.equal(await socket.call('stream-notify-room', `${name}/typing`, name, true), undefined);
		const from = socket.frames.length;
		socket.send({ msg: 'method', id: name, method: 'any', params: [] });
		await socket.next((frame) => frame.msg === 'updated' && (frame['methods'] as string[])[0] === name, from);
		socket.send({ msg: 'ping', id: name });
		await socket.next((frame) => frame.msg === 'pong' && frame.id === name, from);
	}
	assert.deepEqual(errorsIn(rig.log), []);
});

test('10,000 refused subscriptions leave no state, while their sockets stay open', async (t) => {
	const { rig } = await fuzzRig(t);
	const socketCount = 20;
	const sockets = await Promise.all(Array.from({ length: socketCount }, (_, index) => rig.login(`user${index}`)));
	const before = rig.ddp.stats();
	const refusals: ((n: number) => [string, ...unknown[]])[] = [
		(n) => ['stream-room-messages', `foreign-${n}`, false],
		(n) => ['stream-notify-user', `somebody-${n}/message`, { useCollection: true }],
		(n) => ['stream-notify-room', `foreign-${n}/typing`],
		(n) => ['stream-room-data', `foreign-${n}`],
		(n) => [`stream-unknown-${n}`, 'x'],
		(n) => [`unknown-${n}`],
		(n) => ['stream-livechat-room', `room-${n}`, { args: [{ token: 'x', visitorToken: 'y' }] }],
		() => ['stream-notify-logged', ''],
		(n) => ['stream-roles', n],
		() => ['stream-stdout', 'stdout'],
	];
	await Promise.all(
		sockets.map(async (socket) => {
			for (let n = 0; n < 10_000 / socketCount; n += 1) {
				const make = refusals[n % refusals.length];
				assert.ok(make);
				const [name, ...params] = make(n);
				socket.send({ msg: 'sub', id: `${n}`, name, params });
			}
			for (let n = 0; n < 10_000 / socketCount; n += 1)
				await socket.next((frame) => frame.msg === 'nosub' && frame.id === `${n}`);
		}),
	);
	for (const socket of sockets) {
		assert.equal(socket.frames.filter(({ msg }) => msg === 'nosub').length, 10_000 / socketCount);
		assert.equal(socket.frames.filter(({ msg }) => msg === 'ready').length, 0);
	}
	const { subscriptions, keys } = rig.ddp.stats();
	assert.deepEqual({ subscriptions, keys }, { subscriptions: 0, keys: before.keys });
});
