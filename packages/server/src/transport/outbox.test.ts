import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventPart } from '@rookery/protocol/events.ts';
import { movableClock } from '../testing/accounts.ts';
import { streamerRig } from '../testing/streamer.ts';
import { Outbox, outboxLimits, type OutboxLimits } from './outbox.ts';
import { Turn } from './turn.ts';

/** @param takes Whether the system takes bytes at once, or only when `sent` is called. */
function rigOf(limits: Partial<OutboxLimits> = {}, takes = false) {
	const clock = movableClock();
	const writes: string[] = [];
	const callbacks: ((error?: Error | null) => void)[] = [];
	const turn = new Turn();
	const late = new Set<Outbox>();
	let overflows = 0;
	const sink = {
		writableLength: 0,
		write(bytes: Uint8Array, done?: (error?: Error | null) => void) {
			if (bytes.length > 0) writes.push(Buffer.from(bytes).toString());
			if (!takes) sink.writableLength += bytes.length;
			if (done !== undefined) callbacks.push(done);
		},
	};
	const rules = { limits: { ...outboxLimits, ...limits }, clock, turn, late };
	class CountingOutbox extends Outbox {
		protected override onOverflow(): void {
			overflows += 1;
		}
	}
	const box = new CountingOutbox(sink, rules);
	return {
		box,
		sink,
		clock,
		writes,
		late,
		turn: () => turn.end(),
		sent(error?: Error) {
			sink.writableLength = 0;
			callbacks.splice(0).forEach((done) => done(error));
		},
		waits: () => callbacks.length,
		counts: () => ({ overflows }),
	};
}

test('frames of one turn leave in one write, in order', () => {
	const { box, writes, turn } = rigOf();
	for (const text of ['a', 'b', 'c']) box.push(Buffer.from(text), 'event');
	assert.equal(writes.length, 0);
	turn();
	assert.deepEqual(writes, ['abc']);
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
	assert.deepEqual(writes, ['first', 'ana2bob1message']);
});

test('nothing is counted, remembered or asked back of what the system takes at once', () => {
	const { box, writes, turn, waits, late } = rigOf({}, true);
	for (const text of ['a', 'b']) {
		box.push(Buffer.from(text), 'event');
		assert.equal(box.pendingBytes, 1);
		turn();
		assert.equal(box.pendingBytes, 0);
	}
	for (let count = 0; count < 3; count++) box.push(Buffer.alloc(50_000), 'event');
	turn();
	assert.equal(box.pendingBytes, 0);
	assert.deepEqual(
		writes.map(({ length }) => length),
		[1, 1, 100_000, 50_000],
	);
	assert.deepEqual([waits(), late.size], [0, 0]);
});

test('every byte counts until the system has taken it: the queue, what is on its way, and who else writes there', () => {
	const { box, sink, writes, turn, sent, late } = rigOf();
	box.push(Buffer.from('first'), 'event');
	turn();
	assert.deepEqual([box.pendingBytes, late.size], [5, 1]);
	box.push(Buffer.from('second'), 'own');
	assert.equal(box.pendingBytes, 11);
	sent();
	assert.deepEqual([writes, box.pendingBytes], [['first', 'second'], 6]);
	sent();
	assert.deepEqual([box.pendingBytes, late.size], [0, 0]);
	sink.writableLength = 4;
	box.push(Buffer.from('behind a pong'), 'event');
	turn();
	assert.deepEqual([writes.length, box.pendingBytes], [2, 13]);
	sent();
	assert.deepEqual([writes.at(-1), box.pendingBytes], ['behind a pong', 13]);
});

test('sockets that get the same frames in one turn share one joined buffer', () => {
	const turn = new Turn();
	const [a, b, c] = ['a', 'b', 'c'].map((text) => Buffer.from(text));
	assert.ok(a !== undefined && b !== undefined && c !== undefined);
	const joined = turn.join([a, b], 2);
	assert.equal(turn.join([a, b], 2), joined);
	assert.equal(turn.join([a, c], 2).toString(), 'ac');
	assert.equal(turn.join([a, b], 2).toString(), 'ab');
	assert.equal(turn.join([c], 1), c);
});

test('a connection that breaks while frames wait: they are forgotten, and nothing is written to it any more', () => {
	const { box, writes, turn, sent, late } = rigOf();
	box.push(Buffer.from('first'), 'event');
	turn();
	box.push(Buffer.from('second'), 'event');
	sent(new Error('broken'));
	box.push(Buffer.from('third'), 'event');
	turn();
	assert.deepEqual([writes, box.pendingBytes, late.size], [['first'], 0, 0]);
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
