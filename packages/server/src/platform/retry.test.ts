import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs, retry } from './retry.ts';

test('pauses double up to the bound, half of each is random', () => {
	const at = (attempt: number, random: number) =>
		backoffMs(attempt, { firstMs: 100, longestMs: 1000, random: () => random });
	assert.deepEqual(
		[1, 2, 3, 4, 5, 99].map((attempt) => at(attempt, 1)),
		[100, 200, 400, 800, 1000, 1000],
	);
	assert.deepEqual(
		[1, 2, 3, 4, 5, 99].map((attempt) => at(attempt, 0)),
		[50, 100, 200, 400, 500, 500],
	);
});

test('the work is repeated until it succeeds', async () => {
	const pauses: number[] = [];
	const result = await retry((attempt) => (attempt < 4 ? Promise.reject(new Error('no')) : Promise.resolve(attempt)), {
		random: () => 1,
		pause: (ms) => Promise.resolve(void pauses.push(ms)),
	});
	assert.equal(result, 4);
	assert.deepEqual(pauses, [100, 200, 400]);
});

test('it ends with the last error when attempts are used up or the error will stay', async () => {
	const pause = () => Promise.resolve();
	let calls = 0;
	const fail = () => Promise.reject(new Error(`no ${++calls}`));
	await assert.rejects(retry(fail, { attempts: 3, pause }), /no 3/);
	calls = 0;
	await assert.rejects(retry(fail, { mayRetry: () => false, pause }), /no 1/);
});

test('the signal ends a pause at once, with its own reason', async () => {
	const stopping = new AbortController();
	const running = retry(() => Promise.reject(new Error('no')), {
		firstMs: 60_000,
		longestMs: 60_000,
		signal: stopping.signal,
		onRetry: () => setImmediate(() => stopping.abort(new Error('stopping'))),
	});
	await assert.rejects(running, /stopping/);
});
