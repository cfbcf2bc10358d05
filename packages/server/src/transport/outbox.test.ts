import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventPart } from '@rookery/protocol/events.ts';
import { movableClock } from '../testing/accounts.ts';
import { streamerRig } from '../testing/streamer.ts';
import { outbox, outboxLimits, type OutboxLimits } from './outbox.ts';

function rigOf(limits: Partial<OutboxLimits> = {}) {
	const clock = movableClock();
	const writes: { bytes: string; done: () => void }[] = [];
	const scheduled: (() => void)[] = [];
	let overflows = 0;
	const box = outbox({
		sink: {
			write: (bytes, done) => writes.push({ bytes: Buffer.from(bytes).toString(), done }),
		},
		limits: { ...outboxLimits, ...limits },
		clock,
		schedule: (flush) => scheduled.push(flush),
		onOverflow: () => (overflows += 1),
	});
	return {
		box,
		clock,
		writes,
		turn: () => scheduled.splice(0).forEach((flush) => flush()),
		sent: () => writes.splice(0).forEach(({ done }) => done()),
		counts: () => ({ overflows }),
	};
}

test('frames of one turn leave in one write, in order', () => {
	const { box, writes, turn } = rigOf();
	for (const text of ['a', 'b', 'c']) box.push(Buffer.from(text), 'event');
	assert.equal(writes.length, 0);
	turn();
	assert.deepEqual(
		writes.map(({ bytes }) => bytes),
		['abc'],
	);
});

test('while a batch is on its way frames wait; of one coalescing key only the newest stays, in its place', () => {
	const { box, writes, turn, sent } = rigOf({ coalesceBytes: 3 });
	const typing = (name: string) => ({ coalesce: () => name });
	box.push(Buffer.from('first'), 'event');
	turn();
	box.push(Buffer.from('ana1'), typing('ana'));
	box.push(Buffer.from('bob1'), typing('bob'));
	box.push(Buffer.from('message'), 'event');
	box.push(Buffer.from('ana2'), typing('ana'));
	assert.equal(writes.length, 1);
	sent();
	assert.deepEqual(
		writes.map(({ bytes }) => bytes),
		['ana2bob1message'],
	);
});

test('more than the bound piles up: overflow, once, and everything is forgotten', () => {
	const { box, turn, counts } = rigOf({ maxBytes: 100 });
	box.push(Buffer.alloc(60), 'event');
	turn();
	box.push(Buffer.alloc(30), 'event');
	assert.equal(counts().overflows, 0);
	box.push(Buffer.alloc(30), 'event');
	box.push(Buffer.alloc(30), 'event');
	assert.equal(counts().overflows, 1);
});

test('the own answer may alone be larger than the bound, but not without end', () => {
	const { box, counts } = rigOf({ maxBytes: 100, maxOwnBytes: 1_000 });
	box.push(Buffer.alloc(900), 'own');
	box.push(Buffer.alloc(90), 'event');
	assert.equal(counts().overflows, 0);
	box.push(Buffer.alloc(200), 'own');
	assert.equal(counts().overflows, 1);
});

test('a frame that has waited for 30 s means a stalled reader', () => {
	const { box, clock, turn, counts } = rigOf();
	box.push(Buffer.from('x'), 'event');
	turn();
	clock.advance(29_000);
	box.checkAge();
	assert.equal(counts().overflows, 0);
	clock.advance(1_100);
	box.checkAge();
	assert.equal(counts().overflows, 1);
});

test('a reader that stalls is closed 4429; the others get every message, in order', async (t) => {
	const rig = await streamerRig(t);
	rig.rights.rooms.set('r', new Set(['ana', 'bob']));
	const [slow, quick] = [await rig.login('ana'), await rig.login('bob')];
	for (const socket of [slow, quick]) await socket.sub('m', 'stream-room-messages', 'r', false);
	slow.pause();
	const filler = 'x'.repeat(60_000);
	const part = (n: number): EventPart => ({
		kind: 'direct',
		stream: 'room-messages',
		event: 'r',
		args: [{ n, filler }],
	});
	let sent = 0;
	while (!rig.closed.includes(4429)) {
		assert.ok(sent < 2_000, 'the stalled socket is closed in the end');
		rig.bus.publish({ key: 'room:r', parts: [part(sent++)] });
		const last = sent - 1;
		await quick.event('room-messages', 'r', ([record]) => (record as { n: number }).n === last);
	}
	const numbers = quick.events('room-messages', 'r').map(([record]) => (record as { n: number }).n);
	assert.deepEqual(numbers, [...numbers.keys()]);
	await quick.settled();
});
