import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Clock } from './clock.ts';
import { dropFull, takeToken, tokenBuckets, type Buckets } from './rate-limit.ts';

function handClock(): Clock & { at: number } {
	const clock = { at: 1_000, now: () => clock.at, monotonic: () => clock.at };
	return clock;
}

test('a bucket lets so many through at once and then one at its steady rate', () => {
	const buckets: Buckets = new Map();
	const rule = { calls: 5, perMs: 10_000 };
	for (let n = 0; n < 5; n++) assert.ok(takeToken(buckets, 'a', rule, 100).allowed);
	assert.deepEqual(takeToken(buckets, 'a', rule, 100), { allowed: false, resetMs: 2_000 });
	assert.deepEqual(takeToken(buckets, 'a', rule, 1_600), { allowed: false, resetMs: 500 });
	assert.ok(takeToken(buckets, 'a', rule, 2_100).allowed);
	assert.ok(!takeToken(buckets, 'a', rule, 2_100).allowed);
	assert.ok(takeToken(buckets, 'b', rule, 2_100).allowed);
});

test('a refused attempt costs nothing: who keeps trying gets in as soon as who waits', () => {
	const buckets: Buckets = new Map();
	const rule = { calls: 1, perMs: 1_000 };
	assert.ok(takeToken(buckets, 'a', rule, 0).allowed);
	for (let now = 0; now < 1_000; now += 10) assert.ok(!takeToken(buckets, 'a', rule, now).allowed);
	assert.ok(takeToken(buckets, 'a', rule, 1_000).allowed);
});

test('a rule without time holds nobody up, one without calls lets nobody pass', () => {
	const buckets: Buckets = new Map();
	for (const perMs of [0, -1, Number.NaN]) assert.ok(takeToken(buckets, 'a', { calls: 1, perMs }, 5).allowed);
	for (const calls of [0, -1, Number.NaN]) {
		assert.deepEqual(takeToken(buckets, 'a', { calls, perMs: 500 }, 5), { allowed: false, resetMs: 500 });
	}
	assert.equal(buckets.size, 0);
});

test('a bucket does what counting its tokens would do', () => {
	const steps = fc.array(fc.record({ wait: fc.nat(700), times: fc.nat(12) }), { maxLength: 60 });
	const rules = fc.record({ calls: fc.integer({ min: 1, max: 20 }), perMs: fc.integer({ min: 1, max: 5_000 }) });
	fc.assert(
		fc.property(rules, steps, (rule, list) => {
			const buckets: Buckets = new Map();
			// Counted in parts of a token, so that the model is exact.
			const full = rule.calls * rule.perMs;
			let parts = full;
			let now = 0;
			for (const { wait, times } of list) {
				now += wait;
				parts = Math.min(full, parts + wait * rule.calls);
				for (let n = 0; n < times; n++) {
					const expected = parts >= rule.perMs;
					const { allowed, resetMs } = takeToken(buckets, 'a', rule, now);
					assert.equal(allowed, expected);
					if (expected) parts -= rule.perMs;
					else assert.ok(Math.abs(resetMs - (rule.perMs - parts) / rule.calls) <= 1.001);
				}
				if (parts === full) {
					dropFull(buckets, now + 0.001);
					assert.equal(buckets.size, 0);
				}
			}
		}),
	);
});

test('full buckets take no memory, and of the others the least recently used go first', () => {
	const clock = handClock();
	const buckets = tokenBuckets(clock, 3);
	const rule = { calls: 1, perMs: 60_000 };
	for (const key of ['a', 'b', 'c']) assert.ok(buckets.take(key, rule).allowed);
	assert.ok(buckets.take('d', rule).allowed);
	assert.equal(buckets.size, 3);
	assert.ok(buckets.take('a', rule).allowed, 'a was forgotten');
	assert.ok(!buckets.take('d', rule).allowed);
	clock.at += 60_000;
	assert.ok(buckets.take('e', rule).allowed);
	assert.equal(buckets.size, 1);
});
