import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db } from 'mongodb';
import type { Room } from '@rookery/protocol/records.ts';
import { testDatabase } from '../testing/database.ts';
import { roomRepository, type NewRoom } from './rooms.ts';

async function indexed(db: Db): Promise<Db> {
	await db.collection('rocketchat_room').createIndex({ name: 1 }, { unique: true, sparse: true });
	return db;
}

function channel(_id: string, name: string, extra: Partial<NewRoom> = {}): NewRoom {
	return { _id, t: 'c', name, fname: name, u: { _id: 'u1', username: 'ana' }, usersCount: 1, ro: false, ...extra };
}

test('a room is stored with the time of the database and counters at 0', async (t) => {
	const rooms = roomRepository(await indexed(await testDatabase(t)));
	const room = await rooms.insert(channel('r1', 'general', { topic: '$name', customFields: { a: '$b' } }));

	assert.deepEqual(await rooms.findById('r1'), room);
	assert.ok(room?.ts instanceof Date);
	assert.deepEqual(
		{ msgs: room.msgs, topic: room.topic, customFields: room.customFields },
		{
			msgs: 0,
			topic: '$name',
			customFields: { a: '$b' },
		},
	);
	assert.deepEqual(room._updatedAt, room.ts);
});

test('of 50 rooms of one name stored at once one remains', async (t) => {
	const rooms = roomRepository(await indexed(await testDatabase(t)));
	const tries = await Promise.all(Array.from({ length: 50 }, (_, index) => rooms.insert(channel(`r${index}`, 'x'))));

	const stored = tries.filter((room) => room !== null);
	assert.equal(stored.length, 1);
	assert.deepEqual(await rooms.findByNameOrId('x'), stored[0]);
	assert.equal((await rooms.list({ types: ['c'] }, { offset: 0, count: 50 })).total, 1);
});

test('of 50 direct rooms of one id stored at once one remains, and all callers get it', async (t) => {
	const rooms = roomRepository(await indexed(await testDatabase(t)));
	const direct: NewRoom = { _id: 'ab', t: 'd', uids: ['a', 'b'], usernames: ['ana', 'bob'], usersCount: 2 };
	const answers = await Promise.all(Array.from({ length: 50 }, () => rooms.insertDirect(direct)));

	assert.equal(answers.filter(({ isNew }) => isNew).length, 1);
	assert.equal(new Set(answers.map(({ room }) => JSON.stringify(room))).size, 1);
	assert.equal((await rooms.findDirect(['a', 'b']))?._id, 'ab');
	assert.equal(await rooms.findDirect(['a']), null);
});

test('an id wins over a name, and operator objects cannot come in because conditions are texts', async (t) => {
	const rooms = roomRepository(await indexed(await testDatabase(t)));
	await rooms.insert(channel('one', 'two'));
	await rooms.insert(channel('two', 'three'));

	assert.equal((await rooms.findByNameOrId('two'))?._id, 'two');
	assert.equal((await rooms.findByNameOrId('three'))?._id, 'two');
	assert.equal(await rooms.findByNameOrId('four'), null);
	const part = await rooms.list({ types: ['c'], namePart: 't.o' }, { offset: 0, count: 50 });
	assert.equal(part.total, 0);
	const found = await rooms.list({ types: ['c'], namePart: 'TW' }, { offset: 0, count: 50 });
	assert.deepEqual(
		found.rooms.map(({ _id }) => _id),
		['one'],
	);
});

test('the second of two owners who leave is told of the first, and an exit that ended is forgotten', async (t) => {
	const rooms = roomRepository(await indexed(await testDatabase(t)));
	await rooms.insert(channel('r1', 'x'));

	const told = await Promise.all([rooms.announceOwnerExit('r1', 'a'), rooms.announceOwnerExit('r1', 'b')]);
	assert.equal(told[0]?.length === 0 ? told[1]?.length : told[0]?.length, 1);
	assert.ok(told.some((others) => others?.length === 0));
	await rooms.endOwnerExit('r1', 'a');
	await rooms.endOwnerExit('r1', 'b');
	assert.deepEqual(await rooms.announceOwnerExit('r1', 'c'), []);
	assert.equal(await rooms.announceOwnerExit('none', 'c'), null);
});

test('an exit announced long ago does not count', async (t) => {
	const db = await indexed(await testDatabase(t));
	const rooms = roomRepository(db);
	await rooms.insert(channel('r1', 'x'));
	const old = [{ u: 'a', at: new Date(Date.now() - 60_000) }];
	await db.collection<Room>('rocketchat_room').updateOne({ _id: 'r1' }, { $set: { 'rk.o': old } });

	assert.deepEqual(await rooms.announceOwnerExit('r1', 'b'), []);
});

test('a counted number of members is stored once, and a removed room is in the trash', async (t) => {
	const rooms = roomRepository(await indexed(await testDatabase(t)));
	const room = await rooms.insert(channel('r1', 'x'));
	await rooms.setUsersCount('r1', 1);
	assert.deepEqual((await rooms.findById('r1'))?._updatedAt, room?._updatedAt);
	await rooms.setUsersCount('r1', 3);
	assert.equal((await rooms.findById('r1'))?.usersCount, 3);

	const removed = await Promise.all([rooms.remove('r1'), rooms.remove('r1')]);
	assert.equal(removed.filter(Boolean).length, 1);
	assert.equal(await rooms.findById('r1'), null);
	assert.equal(await rooms.wasRemoved('r1'), true);
	assert.equal(await rooms.wasRemoved('r2'), false);
});
