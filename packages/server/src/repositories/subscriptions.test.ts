import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db } from 'mongodb';
import type { Subscription } from '@rookery/protocol/records.ts';
import { testDatabase } from '../testing/database.ts';
import { roomMemberRepository } from './room-members.ts';
import { subscriptionRepository, type NewSubscription } from './subscriptions.ts';

async function indexed(db: Db): Promise<Db> {
	await db.collection('rocketchat_subscription').createIndex({ rid: 1, 'u._id': 1 }, { unique: true });
	return db;
}

function membership(_id: string, rid: string, uid: string): NewSubscription {
	return {
		_id,
		rid,
		t: 'c',
		u: { _id: uid, username: uid },
		name: 'x',
		open: true,
		alert: true,
		unread: 1,
		userMentions: 1,
		groupMentions: 0,
		hasJoinTime: true,
	};
}

test('a new membership starts from the counters that the room has', async (t) => {
	const subscriptions = subscriptionRepository(await indexed(await testDatabase(t)));
	const { subscription, isNew } = await subscriptions.insert(membership('s1', 'r', 'ana'), {
		rk: { s: 9, n: 7, u: 5, g: 1, i: ['m'] },
	});

	assert.equal(isNew, true);
	assert.deepEqual(await subscriptions.find('ana', 'r'), subscription);
	assert.deepEqual(subscription.rk, { s: 9, n: 7, u: 5, g: 1, h: { s: 9, n: 7 } });
	assert.ok(subscription.ts instanceof Date);
	assert.equal(subscription.ls, undefined);
	assert.equal('hasJoinTime' in subscription, false);
});

test('of 50 memberships stored at once one remains; a second one changes nothing', async (t) => {
	const db = await indexed(await testDatabase(t));
	const subscriptions = subscriptionRepository(db);
	const answers = await Promise.all(
		Array.from({ length: 50 }, (_, index) => subscriptions.insert(membership(`s${index}`, 'r', 'ana'), {})),
	);
	assert.equal(answers.filter(({ isNew }) => isNew).length, 1);
	assert.equal(await subscriptions.countMembers('r'), 1);

	await Promise.all([
		subscriptions.insertMany([membership('x1', 'r', 'ana'), membership('x2', 'r', 'bob')], { rk: { n: 3 } }),
		subscriptions.insertMany([membership('y1', 'r', 'ana'), membership('y2', 'r', 'bob')], { rk: { n: 3 } }),
	]);
	assert.equal(await subscriptions.countMembers('r'), 2);
	assert.deepEqual(await subscriptions.find('ana', 'r'), answers[0]?.subscription);
	assert.equal((await subscriptions.find('bob', 'r'))?.rk?.n, 3);
});

test('hiding closes a room with the alert base at what was posted up to then, and never lowers it', async (t) => {
	const subscriptions = subscriptionRepository(await indexed(await testDatabase(t)));
	await subscriptions.insert(membership('s1', 'r', 'ana'), { rk: { s: 4, n: 4 } });

	assert.equal(await subscriptions.hide('ana', 'r', { rk: { s: 6, n: 5 } }), 1);
	assert.equal(await subscriptions.hide('ana', 'r', { rk: { s: 5, n: 4 } }), 1);
	const hidden = await subscriptions.find('ana', 'r');
	assert.deepEqual([hidden?.open, hidden?.alert, hidden?.rk?.h], [false, false, { s: 6, n: 5 }]);
	assert.equal(await subscriptions.open('ana', 'r'), 1);
	assert.equal(await subscriptions.hide('bob', 'r', {}), 0);
	assert.equal(await subscriptions.setFavorite('bob', 'r', true), false);
});

test('a membership that ended is found in the trash, and only one of two parallel calls ended it', async (t) => {
	const subscriptions = subscriptionRepository(await indexed(await testDatabase(t)));
	const { subscription } = await subscriptions.insert(membership('s1', 'r', 'ana'), {});
	await subscriptions.insert(membership('s2', 'r', 'bob'), {});

	const ended = await Promise.all([subscriptions.remove(subscription), subscriptions.remove(subscription)]);
	assert.equal(ended.filter(Boolean).length, 1);
	assert.deepEqual(
		(await subscriptions.removedSince('ana', new Date(0))).map(({ rid }) => rid),
		['r'],
	);
	assert.equal(await subscriptions.removeByRoom('r'), 1);
	assert.equal(await subscriptions.countMembers('r'), 0);
});

test('a pending invitation is no membership', async (t) => {
	const db = await indexed(await testDatabase(t));
	const subscriptions = subscriptionRepository(db);
	await subscriptions.insert(membership('s1', 'r', 'ana'), {});
	await subscriptions.insert({ ...membership('s2', 'r', 'bob'), status: 'INVITED' }, {});

	assert.equal(await subscriptions.countMembers('r'), 1);
	assert.deepEqual(await subscriptions.memberships('bob'), []);
	assert.deepEqual(await roomMemberRepository(db).ids('r'), ['ana']);
	const batches: Subscription[][] = [];
	for await (const batch of subscriptions.listByRoom('r')) batches.push(batch);
	assert.deepEqual(
		batches.map((batch) => batch.length),
		[2],
	);
});

test('members are listed online first, then by username, and filtered by literal text and status', async (t) => {
	const db = await testDatabase(t);
	const people = ['dora', 'ana', 'c.x', 'cyx'].map((username, index) => ({
		_id: `u${index}`,
		username,
		name: username.toUpperCase(),
		status: index === 0 ? 'away' : 'offline',
		services: { password: {} },
	}));
	await db.collection<{ _id: string }>('users').insertMany(people);
	const members = roomMemberRepository(db);
	const uids = people.map(({ _id }) => _id);
	const page = { offset: 0, count: 50 };

	const all = await members.list(uids, {}, page);
	assert.deepEqual(
		all.members.map(({ username }) => username),
		['dora', 'ana', 'c.x', 'cyx'],
	);
	assert.equal(all.total, 4);
	assert.equal(Object.hasOwn(all.members[0] ?? {}, 'services'), false);
	const literal = await members.list(uids, { text: 'C.X' }, page);
	assert.deepEqual(
		literal.members.map(({ username }) => username),
		['c.x'],
	);
	const away = await members.list(uids, { statuses: ['away'] }, { offset: 0, count: 1 });
	assert.deepEqual([away.total, away.members[0]?._id], [1, 'u0']);

	await members.addRoom(uids, 'r');
	await members.addRoom(uids, 'r');
	await members.removeRoom('u1', 'r');
	const users = db.collection<{ _id: string; __rooms?: string[] }>('users');
	assert.deepEqual((await users.findOne({ _id: 'u0' }))?.__rooms, ['r']);
	assert.deepEqual((await users.findOne({ _id: 'u1' }))?.__rooms, []);
	await members.removeRoomFromAll('r');
	assert.deepEqual((await users.findOne({ _id: 'u0' }))?.__rooms, []);
});
