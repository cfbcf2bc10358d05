import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../testing/database.ts';
import { trashName, trashRepository } from './trash.ts';

const epoch = new Date(0);

test('names in the trash have no prefix', () => {
	assert.equal(trashName('rocketchat_subscription'), 'subscription');
	assert.equal(trashName('users'), 'users');
});

test('a document moves into the trash with its date and collection, and is found there', async (t) => {
	const db = await testDatabase(t);
	const trash = trashRepository(db);
	const messages = db.collection<{ _id: string; rid: string; msg: string }>('rocketchat_message');
	await messages.insertMany([
		{ _id: 'a', rid: 'r1', msg: 'x' },
		{ _id: 'b', rid: 'r2', msg: 'y' },
		{ _id: 'c', rid: 'r1', msg: 'z' },
	]);

	assert.equal(await trash.moveToTrash('rocketchat_message', ['a', 'b', 'missing']), 2);

	assert.deepEqual(await messages.distinct('_id'), ['c']);
	const [copy] = await db.collection<{ _id: string }>('rocketchat__trash').find({ _id: 'a' }).toArray();
	assert.deepEqual(
		{ ...copy, _deletedAt: undefined },
		{ _id: 'a', rid: 'r1', msg: 'x', __collection__: 'message', _deletedAt: undefined },
	);
	assert.deepEqual(
		(await trash.deletedSince('rocketchat_message', epoch, { rid: 'r1' })).map(({ _id }) => _id),
		['a'],
	);
	assert.equal((await trash.deletedSince('rocketchat_message', new Date(Date.now() + 60_000))).length, 0);
	assert.equal((await trash.deletedSince('rocketchat_room', epoch)).length, 0);
	assert.deepEqual(
		(await trash.findDeleted('rocketchat_message', ['b', 'c'])).map(({ rid }) => rid),
		['r2'],
	);
});

test('tombstones that Rocket.Chat wrote with the full name are found too', async (t) => {
	const db = await testDatabase(t);
	await db.collection<{ _id: string }>('rocketchat__trash').insertOne({
		_id: 's',
		__collection__: 'rocketchat_subscription',
		_deletedAt: new Date(),
		u: { _id: 'u1' },
	} as never);

	const found = await trashRepository(db).deletedSince('rocketchat_subscription', epoch, { uid: 'u1' });

	assert.deepEqual(
		found.map(({ _id }) => _id),
		['s'],
	);
});

test('credentials of a deleted user are not kept', async (t) => {
	const db = await testDatabase(t);
	await db
		.collection<{ _id: string }>('users')
		.insertOne({ _id: 'u', username: 'x', services: { password: 1 } } as never);

	await trashRepository(db).moveToTrash('users', ['u']);

	const copy = await db.collection<{ _id: string }>('rocketchat__trash').findOne({ _id: 'u' });
	assert.equal(copy !== null && 'username' in copy, true);
	assert.equal(copy !== null && 'services' in copy, false);
});

test('all that match move in batches', async (t) => {
	const db = await testDatabase(t);
	const documents = Array.from({ length: 2_100 }, (_, index) => ({
		_id: `m${index}`,
		rid: index < 2_050 ? 'r' : 'other',
	}));
	await db.collection<{ _id: string }>('rocketchat_message').insertMany(documents);

	assert.equal(await trashRepository(db).moveAllToTrash('rocketchat_message', { rid: 'r' }), 2_050);

	assert.equal(await db.collection('rocketchat_message').countDocuments(), 50);
	assert.equal(await db.collection('rocketchat__trash').countDocuments(), 2_050);
});
