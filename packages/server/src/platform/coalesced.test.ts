import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coalesced } from './coalesced.ts';

/** A run that ends when the test says so. */
function steps() {
	const ends: (() => void)[] = [];
	let running = 0;
	const run = coalesced(async () => {
		running += 1;
		assert.equal(running, 1);
		await new Promise<void>((resolve) => ends.push(resolve));
		running -= 1;
	});
	return { run, ends };
}

test('calls during a run share one later run', async () => {
	const { run, ends } = steps();
	const first = run();
	const second = run();
	const third = run();
	ends[0]?.();
	await first;
	await new Promise((resolve) => setImmediate(resolve));
	assert.equal(ends.length, 2);
	ends[1]?.();
	await Promise.all([second, third]);
	assert.equal(ends.length, 2);
});

test('a run that fails is told to its callers alone', async () => {
	let attempts = 0;
	const run = coalesced(() => (++attempts === 1 ? Promise.reject(new Error('once')) : Promise.resolve()));
	const first = run();
	const second = run();
	await assert.rejects(first, /once/);
	await second;
	assert.equal(attempts, 2);
});
