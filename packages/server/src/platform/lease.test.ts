import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { challengeMs, holdMs, leaseOf, type LeaseDocument, type LeaseStore } from './lease.ts';

/** A store in memory whose commands take effect at once, and may be told to fail or to lose their answer. */
function memoryStore() {
	let document: LeaseDocument | null = null;
	let failure: 'none' | 'before' | 'after' = 'none';
	const is = (seen: LeaseDocument): boolean =>
		document !== null &&
		document.holder === seen.holder &&
		document.epoch === seen.epoch &&
		document.beat === seen.beat;

	async function command<T>(run: () => T): Promise<T> {
		if (failure === 'before') throw new Error('no primary');
		const result = run();
		if (failure === 'after') throw new Error('the answer got lost');
		return result;
	}

	const store: LeaseStore = {
		read: () => command(() => document),
		take: (seen, holder) =>
			command(() => {
				if (seen === null ? document !== null : !is(seen)) return null;
				document = { holder, epoch: (seen?.epoch ?? 0) + 1, beat: (seen?.beat ?? 0) + 1 };
				return document;
			}),
		renew: ({ holder, epoch }) =>
			command(() => {
				if (document === null || document.holder !== holder || document.epoch !== epoch) return null;
				document = { ...document, beat: document.beat + 1 };
				return document;
			}),
		release: ({ holder, epoch }) =>
			command(() => {
				if (document?.holder === holder && document.epoch === epoch) document = { ...document, holder: '' };
			}),
	};
	return { store, fail: (mode: typeof failure) => (failure = mode), document: () => document };
}

function hub(store: LeaseStore, holder: string, isEmbedded = false) {
	const time = { ms: 0 };
	const clock = { now: () => 0, monotonic: () => time.ms };
	return { lease: leaseOf({ store, holder, clock, isEmbedded }), time };
}

test('a lease that nobody holds is taken at once, and acts while its last renewal began less than a second ago', async () => {
	const { store } = memoryStore();
	const { lease, time } = hub(store, 'a');
	assert.equal(lease.mayAct(), false);
	await lease.tick();
	assert.equal(lease.epoch(), 1);
	time.ms = holdMs - 1;
	assert.equal(lease.mayAct(), true);
	time.ms = holdMs;
	assert.equal(lease.mayAct(), false);
	await lease.tick();
	assert.equal(lease.mayAct(), true, 'nobody took it: the same epoch goes on');
	assert.equal(lease.epoch(), 1);
});

test('the age counts from when the renewal began, not from its answer', async () => {
	const { store } = memoryStore();
	const time = { ms: 0 };
	const slow: LeaseStore = {
		...store,
		async renew(held) {
			time.ms += 700;
			return store.renew(held);
		},
	};
	const lease = leaseOf({
		store: slow,
		holder: 'a',
		clock: { now: () => 0, monotonic: () => time.ms },
		isEmbedded: false,
	});
	await lease.tick();
	await lease.tick();
	assert.equal(time.ms, 700);
	time.ms = 999;
	assert.equal(lease.mayAct(), true);
	time.ms = 1_000;
	assert.equal(lease.mayAct(), false);
});

test('a challenger waits until it has seen no change for 1.5 s of its own clock', async () => {
	const { store } = memoryStore();
	const holder = hub(store, 'a');
	const challenger = hub(store, 'b');
	await holder.lease.tick();
	await challenger.lease.tick();
	challenger.time.ms = 1_000;
	await holder.lease.tick();
	await challenger.lease.tick();
	challenger.time.ms = 1_000 + challengeMs - 1;
	await challenger.lease.tick();
	assert.equal(challenger.lease.epoch(), null);
	challenger.time.ms = 1_000 + challengeMs;
	await challenger.lease.tick();
	assert.equal(challenger.lease.epoch(), 2);
	await holder.lease.tick();
	assert.equal(holder.lease.epoch(), null, 'the old holder learns of it');
	assert.equal(holder.lease.mayAct(), false);
});

test('a lease that was given back is taken at once, and so is an embedded one', async () => {
	const { store } = memoryStore();
	const first = hub(store, 'a');
	await first.lease.tick();
	const embedded = hub(store, 'c', true);
	await embedded.lease.tick();
	assert.equal(embedded.lease.epoch(), 2);
	await first.lease.tick();
	assert.equal(first.lease.epoch(), null);
	await embedded.lease.release();
	assert.equal(embedded.lease.mayAct(), false);
	const next = hub(store, 'd');
	await next.lease.tick();
	assert.equal(next.lease.epoch(), 3);
});

test('a new epoch is started without letting go, also beside a renewal', async () => {
	const { store, document } = memoryStore();
	const { lease } = hub(store, 'a');
	await lease.tick();
	const [, isNew] = await Promise.all([lease.tick(), lease.newEpoch(), lease.tick()]);
	assert.equal(isNew, true);
	assert.equal(lease.epoch(), 2);
	assert.equal(lease.mayAct(), true);
	assert.equal(document()?.epoch, 2);
	const other = hub(store, 'b', true);
	await other.lease.tick();
	assert.equal(await lease.newEpoch(), false);
	assert.equal(lease.epoch(), null);
});

test('a failing store ends nothing by itself', async () => {
	const { store, fail } = memoryStore();
	const { lease, time } = hub(store, 'a');
	await lease.tick();
	fail('before');
	time.ms = 600;
	await assert.rejects(lease.tick());
	assert.equal(lease.mayAct(), true);
	time.ms = 1_200;
	assert.equal(lease.mayAct(), false);
	fail('none');
	await lease.tick();
	assert.equal(lease.mayAct(), true);
	assert.equal(lease.epoch(), 1);
});

test('a beat knows when it was sent', async () => {
	const { store } = memoryStore();
	const { lease, time } = hub(store, 'a');
	time.ms = 5;
	await lease.tick();
	time.ms = 105;
	await lease.tick();
	assert.deepEqual([lease.sentAt(1), lease.sentAt(2), lease.sentAt(3)], [5, 105, null]);
});

/**
 * Any number of hubs, whatever is slow, stopped or fails. Their clocks run at the same rate but share no zero, and a hub
 * that is frozen does not see its time pass until it goes on.
 */
test('never do two hubs act at the same moment, and a later one has a later epoch', async () => {
	const step = fc.record({
		who: fc.nat(2),
		passMs: fc.constantFrom(0, 10, 100, 250, 490, 1_000, 1_600),
		failure: fc.constantFrom('none', 'none', 'none', 'before', 'after'),
		/** How long the command takes to reach the store, and its answer to come back. */
		thereMs: fc.constantFrom(0, 0, 5, 300, 1_200),
		backMs: fc.constantFrom(0, 0, 5, 300, 1_200),
		does: fc.constantFrom('tick', 'tick', 'tick', 'tick', 'newEpoch', 'release'),
	});
	const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
		const memory = memoryStore();
		let now = 0;
		const delay = { there: 0, back: 0 };
		const acting: { from: string; epoch: number }[] = [];
		const hubs = ['a', 'b', 'c'].map((holder, at) => {
			const clock = { now: () => 0, monotonic: () => now + at * 12_345 };
			const slow =
				<A extends unknown[], R>(run: (...args: A) => Promise<R>) =>
				async (...args: A): Promise<R> => {
					now += delay.there;
					check();
					const result = await run(...args);
					now += delay.back;
					return result;
				};
			const { read, take, renew, release } = memory.store;
			const store = { read: slow(read), take: slow(take), renew: slow(renew), release: slow(release) };
			return { holder, lease: leaseOf({ store, holder, clock, isEmbedded: false }) };
		});
		const check = (): void => {
			const now = hubs.filter(({ lease }) => lease.mayAct());
			assert.ok(now.length <= 1, `${now.map(({ holder }) => holder).join(' and ')} act`);
			const [only] = now;
			if (only === undefined) return;
			const epoch = only.lease.epoch() ?? 0;
			const former = acting.at(-1);
			assert.ok(former === undefined || epoch >= former.epoch);
			if (former?.from !== only.holder) assert.ok(former === undefined || epoch > former.epoch);
			acting.push({ from: only.holder, epoch });
		};
		for (const { who, passMs, failure, thereMs, backMs, does } of steps) {
			now += passMs;
			check();
			memory.fail(failure as 'none');
			Object.assign(delay, { there: thereMs, back: backMs });
			await hubs[who]?.lease[does as 'tick']().catch(() => undefined);
			check();
		}
	});
	await fc.assert(property, { numRuns: 500 });
});
