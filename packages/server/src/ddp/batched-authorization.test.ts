import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowingAuthorization } from '../testing/authorization.ts';
import type { RoomQuestion } from '../services/contracts.ts';
import { batchedAuthorization } from './batched-authorization.ts';

function given(answer: (question: RoomQuestion) => boolean) {
	const calls: RoomQuestion[][] = [];
	const api = allowingAuthorization({
		async roomRights(questions) {
			calls.push(questions);
			return questions.map(answer);
		},
	});
	return { calls, batched: batchedAuthorization(api) };
}

test('what 2,500 users ask about a room in one turn goes in three calls, and each gets his own answer', async () => {
	const { calls, batched } = given(({ uid }) => Number(uid) % 2 === 0);
	const users = Array.from({ length: 2_500 }, (_, index) => String(index));
	const answers = await Promise.all(users.map((uid) => batched.canReadRoom('r', uid)));
	assert.deepEqual(
		calls.map(({ length }) => length),
		[1_000, 1_000, 500],
	);
	assert.ok(answers.every((answer, index) => answer === (index % 2 === 0)));
	await batched.canReadRoom('r', '1');
	assert.equal(calls.length, 4, 'the next turn asks anew');
});

test('the same question is asked once, other rights, rooms and people apart, whatever their ids hold', async () => {
	const { calls, batched } = given(({ uid }) => uid === 'bob');
	const answers = await Promise.all([
		batched.canReadRoom('r', 'bob'),
		batched.canReadRoom('r', 'bob'),
		batched.canAccessRoom('r', 'bob'),
		batched.canWriteRoom('r', 'bob'),
		batched.canReadRoom('bob\nr', null),
		batched.canReadRoom('\nbob\nr', null),
		batched.canReadRoom('r', null),
	]);
	assert.deepEqual(answers, [true, true, true, true, false, false, false]);
	assert.deepEqual(
		calls.map(({ length }) => length),
		[6],
	);
});

test('when nobody answers, everybody who asked hears of it', async () => {
	const batched = batchedAuthorization(
		allowingAuthorization({
			roomRights: async () => {
				throw new Error('gone');
			},
		}),
	);
	const asked = [batched.canReadRoom('a', 'ana'), batched.canAccessRoom('b', 'bob')];
	for (const answer of asked) await assert.rejects(answer, /gone/);
});
