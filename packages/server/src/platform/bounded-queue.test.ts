import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { boundedQueue } from './bounded-queue.ts';

test('entries come out in order, and over the bound none goes in', async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.integer({ min: 1, max: 20 }),
			fc.array(fc.boolean(), { maxLength: 5000 }),
			async (limit, steps) => {
				const queue = boundedQueue<number>(limit);
				const model: number[] = [];
				let next = 0;
				for (const isPush of steps) {
					if (isPush) {
						const isTaken = queue.push(next);
						assert.equal(isTaken, model.length < limit);
						if (isTaken) model.push(next);
						next += 1;
					} else if (model.length > 0) assert.equal(await queue.next(), model.shift());
					assert.equal(queue.size, model.length);
				}
			},
		),
		{ numRuns: 50 },
	);
});

test('a reader that waits gets the next entry; closing ends the waiting', async () => {
	const queue = boundedQueue<string>(1);
	const first = queue.next();
	const second = queue.next();
	assert.equal(queue.push('a'), true);
	assert.equal(await first, 'a');
	queue.close();
	assert.equal(await second, null);
	assert.equal(queue.push('b'), false);
});

test('what was in the queue when it closed can still be read', async () => {
	const queue = boundedQueue<string>(2);
	queue.push('a');
	queue.close();
	assert.equal(await queue.next(), 'a');
	assert.equal(await queue.next(), null);
});
