import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { timingWheel, type WheelItem } from './timing-wheel.ts';

type Item = WheelItem & { id: number; nextIn: number | null };

function newItem(id: number, nextIn: number | null = null): Item {
	return { wheelNext: null, wheelPrev: null, wheelTick: 0, id, nextIn };
}

test('an item comes due at its time or up to one tick later, never earlier', () => {
	const seen: [id: number, now: number][] = [];
	const wheel = timingWheel<Item>({
		tickMs: 100,
		slots: 8,
		onDue: ({ id }, now) => {
			seen.push([id, now]);
			return null;
		},
	});
	wheel.tick(5_000);
	wheel.add(newItem(1), 5_101);
	wheel.add(newItem(2), 5_200);
	wheel.add(newItem(3), 9_999);
	for (let now = 5_050; now <= 11_000; now += 50) wheel.tick(now);
	assert.deepEqual(seen, [
		[1, 5_200],
		[2, 5_200],
		[3, 10_000],
	]);
	assert.equal(wheel.size, 0);
});

test('an item that is alive is looked at once per period, however often it was heard from', () => {
	let looks = 0;
	let heardAt = 0;
	const wheel = timingWheel<Item>({
		tickMs: 250,
		slots: 128,
		onDue: () => {
			looks += 1;
			return heardAt + 25_000;
		},
	});
	wheel.add(newItem(1), 25_000);
	for (let now = 0; now <= 250_000; now += 250) {
		heardAt = now;
		wheel.tick(now);
	}
	assert.equal(looks, 10);
	assert.equal(wheel.size, 1);
});

test('an item may remove others that are due with it, and add itself again', () => {
	const seen: number[] = [];
	const items = [newItem(0), newItem(1), newItem(2)] as const;
	const wheel = timingWheel<Item>({
		tickMs: 10,
		slots: 4,
		onDue: (item, now) => {
			seen.push(item.id);
			if (item.id !== 0 || seen.length > 1) return null;
			wheel.remove(items[1]);
			wheel.add(item, now + 15);
			return null;
		},
	});
	for (const item of items) wheel.add(item, 10);
	wheel.tick(10);
	assert.deepEqual(seen, [0, 2]);
	assert.equal(wheel.size, 1);
	wheel.tick(20);
	wheel.tick(30);
	assert.deepEqual(seen, [0, 2, 0]);
});

test('an exception costs the others of its tick nothing but a tick', () => {
	const seen: number[] = [];
	const wheel = timingWheel<Item>({
		tickMs: 10,
		slots: 4,
		onDue: ({ id }) => {
			if (id === 1) throw new Error('broken');
			seen.push(id);
			return null;
		},
	});
	for (const id of [0, 1, 2]) wheel.add(newItem(id), 10);
	assert.throws(() => wheel.tick(10), /broken/);
	wheel.tick(20);
	assert.deepEqual(seen, [0, 2]);
	assert.equal(wheel.size, 0);
});

test('what is no time is refused and moves nothing', () => {
	const wheel = timingWheel<Item>({ tickMs: 10, slots: 4, onDue: () => null });
	const item = newItem(1);
	wheel.add(item, 10);
	assert.throws(() => wheel.add(item, Number.NaN), RangeError);
	assert.throws(() => wheel.add(item, Number.POSITIVE_INFINITY), RangeError);
	assert.equal(wheel.size, 1);
});

type Step =
	| { do: 'add'; id: number; in: number; nextIn: number | null }
	| { do: 'remove'; id: number }
	| { do: 'tick'; by: number };

const steps = fc.array(
	fc.oneof(
		fc.record({
			do: fc.constant('add' as const),
			id: fc.nat(11),
			in: fc.integer({ min: -50, max: 900 }),
			nextIn: fc.option(fc.nat(300)),
		}),
		fc.record({ do: fc.constant('remove' as const), id: fc.nat(11) }),
		fc.record({ do: fc.constant('tick' as const), by: fc.oneof(fc.nat(40), fc.nat(2_000)) }),
	) satisfies fc.Arbitrary<Step>,
	{ maxLength: 120 },
);

test('a wheel does what a plain list of due times would do', () => {
	const tickMs = 20;
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(5_000), steps, (slots, start, list) => {
			const seen: string[] = [];
			const expected: string[] = [];
			const model = new Map<number, number>();
			const items = Array.from({ length: 12 }, (_, id) => newItem(id));
			const wheel = timingWheel<Item>({
				tickMs,
				slots,
				onDue: ({ id, nextIn }, at) => {
					seen.push(`${at} ${id}`);
					return nextIn === null ? null : at + nextIn;
				},
			});
			let now = start;
			let done = Math.floor(now / tickMs);
			wheel.tick(now);
			const tickOf = (dueAt: number) => Math.max(Math.ceil(dueAt / tickMs), done + 1);
			for (const step of list) {
				if (step.do === 'tick') {
					now += step.by;
					done = Math.floor(now / tickMs);
					const due = [...model].filter(([, tick]) => tick <= done);
					for (const [id] of due) {
						expected.push(`${now} ${id}`);
						const nextIn = items[id]?.nextIn ?? null;
						if (nextIn === null) model.delete(id);
						else model.set(id, tickOf(now + nextIn));
					}
					wheel.tick(now);
					// Within one tick the order is not promised.
					assert.deepEqual(seen.splice(0).toSorted(), expected.splice(0).toSorted());
				} else {
					const item = items[step.id];
					assert.ok(item !== undefined);
					if (step.do === 'remove') {
						wheel.remove(item);
						model.delete(step.id);
					} else {
						item.nextIn = step.nextIn;
						wheel.add(item, now + step.in);
						model.set(step.id, tickOf(now + step.in));
					}
				}
				assert.equal(wheel.size, model.size);
			}
		}),
		{ numRuns: 400 },
	);
});
