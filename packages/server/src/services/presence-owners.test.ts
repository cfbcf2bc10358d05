import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presenceOwners } from './presence-owners.ts';

const users = Array.from({ length: 3000 }, (_, index) => `user-${index}`);

/** What each of these replicas thinks, when all have heard all. */
function cluster(names: string[]) {
	return names.map((own) => {
		const owners = presenceOwners(own, 3000);
		for (const name of names) owners.heard(name, true, 0);
		return owners;
	});
}

test('every user has exactly one owner, and replicas share the users evenly', () => {
	const replicas = cluster(['p1', 'p2', 'p3']);
	const counts = replicas.map((owners) => users.filter((uid) => owners.isMine(uid)).length);
	assert.equal(
		counts.reduce((sum, count) => sum + count),
		users.length,
	);
	for (const count of counts) assert.ok(count > 800 && count < 1200, counts.join());
});

test('a replica that falls silent leaves its users to the others, and only those move', () => {
	const [first, second] = cluster(['p1', 'p2', 'p3']);
	assert.ok(first !== undefined && second !== undefined);
	const before = users.filter((uid) => first.isMine(uid));
	for (const owners of [first, second]) {
		owners.heard('p1', true, 2500);
		owners.heard('p2', true, 2500);
		assert.equal(owners.expire(2999), false);
		assert.equal(owners.expire(3000), true);
	}
	assert.ok(before.every((uid) => first.isMine(uid)));
	assert.ok(users.every((uid) => first.isMine(uid) !== second.isMine(uid)));
});

test('who has not heard every streamer is responsible only where nobody else has', () => {
	const owners = presenceOwners('new', 3000);
	assert.ok(owners.isMine('ana'));
	owners.heard('new', false, 0);
	assert.equal(owners.heard('old', true, 0), true);
	assert.ok(users.every((uid) => !owners.isMine(uid)));
	owners.heard('new', true, 1);
	assert.ok(users.some((uid) => owners.isMine(uid)));
	assert.equal(owners.left('old'), true);
	assert.ok(users.every((uid) => owners.isMine(uid)));
});
