import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientError } from '@rookery/protocol/errors.ts';
import { actorOf } from '../testing/streamer.ts';
import { tokenProofs } from './token-proofs.ts';

test('proofs asked for together are one call, full calls leave at once, and each gets his own answer', async () => {
	const calls: string[][] = [];
	const proofs = tokenProofs({
		accounts: {
			authenticateMany: async (pairs) => {
				calls.push(pairs.map(({ token }) => token));
				return pairs.map(({ uid, token }) => (token === 'gone' ? null : actorOf(uid, token)));
			},
		},
		limits: { proofGatherMs: 5, maxProofsPerCall: 3 },
	});
	const asked = ['a', 'gone', 'c', 'd', 'e'].map((token) => proofs.prove(`uid of ${token}`, token));
	assert.deepEqual(calls, [['a', 'gone', 'c']]);
	const answers = await Promise.all(asked);
	assert.deepEqual(
		answers.map((actor) => actor?.uid ?? null),
		['uid of a', null, 'uid of c', 'uid of d', 'uid of e'],
	);
	assert.deepEqual(calls[1], ['d', 'e']);
	assert.equal((await proofs.prove('uid of f', 'f'))?.uid, 'uid of f');
	assert.equal(calls.length, 3);
});

test('a call that fails fails for those who are in it, and the next one is made anew', async () => {
	let isAway = true;
	const proofs = tokenProofs({
		accounts: {
			authenticateMany: async (pairs) => {
				if (isAway) throw new ClientError('error-service-unavailable', 'nobody there');
				return pairs.map(() => null);
			},
		},
		limits: { proofGatherMs: 1, maxProofsPerCall: 200 },
	});
	const failed = await Promise.allSettled([proofs.prove('a', 'a'), proofs.prove('b', 'b')]);
	assert.deepEqual(
		failed.map(({ status }) => status),
		['rejected', 'rejected'],
	);
	isAway = false;
	assert.equal(await proofs.prove('a', 'a'), null);
});
