import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeLog } from '../testing/accounts.ts';
import { limitLog } from './limit-log.ts';

test('each limit that refuses is told at once and then once a minute, with how many there were', () => {
	const { log, lines } = fakeLog();
	const clock = { at: 5, now: () => clock.at, monotonic: () => clock.at };
	const limited = limitLog(log, clock);
	for (let n = 0; n < 100; n++) limited('connection');
	limited('sub');
	clock.at += 60_000;
	limited('connection');
	assert.deepEqual(
		lines.map(({ fields }) => fields),
		[
			{ event: 'limit.exceeded', scope: 'connection', refused: 1 },
			{ event: 'limit.exceeded', scope: 'sub', refused: 1 },
			{ event: 'limit.exceeded', scope: 'connection', refused: 100 },
		],
	);
});
