import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { directRoomId } from '@rookery/protocol/ids.ts';
import { roomRequests } from '../testing/room-requests.ts';
import type { Method } from './method.ts';
import * as rooms from './rooms.ts';

const methods = Object.values(rooms as Record<string, Method>);

function requests(t: TestContext, values: Record<string, unknown> = {}) {
	return roomRequests(t, { routes: [], methods }, values);
}

type Item = { _id: string; rid: string; [key: string]: unknown };

test('a channel lives through its methods', async (t) => {
	const { ddp, subscriptions, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const made = (await ddp(ana, 'createChannel', 'garden', null, false, {}, { topic: 'plants' })) as Item;
	assert.deepEqual([made.rid, made['name'], made['topic']], [made._id, 'garden', 'plants']);
	assert.equal(await ddp(bob, 'getRoomIdByNameOrId', 'garden'), made.rid);
	assert.equal(await ddp(bob, 'getRoomNameById', made.rid), 'garden');
	assert.equal(await ddp(bob, 'joinRoom', made.rid, null, ''), true);
	assert.equal(await ddp(bob, 'joinRoom', made.rid), undefined);
	assert.equal(await ddp(bob, 'toggleFavorite', made.rid, true), 1);
	assert.equal(await ddp(bob, 'hideRoom', made.rid), 1);
	const own = await subscriptions.find('id-bob', made.rid);
	assert.deepEqual([own?.f, own?.open], [true, false]);
	assert.equal(await ddp(bob, 'openRoom', made.rid), 1);
	const users = (await ddp(bob, 'getUsersOfRoom', made.rid, true, { limit: 1 })) as { total: number; records: Item[] };
	assert.deepEqual([users.total, users.records.map(({ _id }) => _id)], [2, ['id-ana']]);
	assert.deepEqual(((await ddp(bob, 'getUsersOfRoom', made.rid)) as { total: number }).total, 0);
	assert.equal(((await ddp(bob, 'getRoomRoles', made.rid)) as Item[]).length, 1);
	await assert.rejects(ddp(bob, 'eraseRoom', made.rid), { code: 'error-not-allowed' });
	assert.equal(await ddp(bob, 'leaveRoom', made.rid), undefined);
	await assert.rejects(ddp(bob, 'hideRoom', made.rid), { code: 'error-invalid-subscription' });
	assert.equal(await ddp(ana, 'eraseRoom', made.rid), 1);
	await assert.rejects(ddp(ana, 'joinRoom', made.rid), { code: 'error-invalid-room' });
});

test('a private group is found by its members alone', async (t) => {
	const { ddp, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const made = (await ddp(ana, 'createPrivateGroup', 'cave', [])) as Item;
	const refused: [string, unknown][] = [
		['getRoomIdByNameOrId', 'cave'],
		['getRoomNameById', made.rid],
		['getRoomById', made.rid],
		['getRoomRoles', made.rid],
		['joinRoom', made.rid],
		['addUserToRoom', { rid: made.rid, username: 'bob' }],
		['getRoomIdByNameOrId', 'no such room'],
	];
	for (const [name, param] of refused) {
		await assert.rejects(ddp(bob, name, param), { code: 'error-not-allowed' }, name);
	}
	await assert.rejects(ddp(bob, 'getRoomByTypeAndName', 'p', 'cave'), { code: 'error-no-permission' });
	assert.equal(await ddp(bob, 'roomNameExists', 'cave'), true);
	assert.equal(await ddp(ana, 'addUsersToRoom', { rid: made.rid, users: ['bob'] }), true);
	assert.equal(((await ddp(bob, 'getRoomByTypeAndName', 'p', 'cave')) as Item)._id, made.rid);
	assert.equal(await ddp(ana, 'removeUserFromRoom', { rid: made.rid, username: 'bob' }), true);
	await assert.rejects(ddp(bob, 'getRoomById', made.rid), { code: 'error-not-allowed' });
	await assert.rejects(ddp(ana, 'removeUserFromRoom', { rid: made.rid, username: 'zoe' }), {
		code: 'error-user-not-in-room',
	});
});

test('a direct room is found under its id, a username and the web client names', async (t) => {
	const { ddp, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	await givenUser('bob');
	const rid = directRoomId('id-ana', 'id-bob');
	assert.equal(((await ddp(ana, 'createDirectMessage', 'bob')) as Item).rid, rid);
	assert.equal(((await ddp(ana, 'createDirectMessage', 'bob', '')) as Item).rid, rid);
	for (const name of [rid, 'bob', 'ana, bob']) {
		assert.equal(((await ddp(ana, 'getRoomByTypeAndName', 'd', name)) as Item)._id, rid, name);
	}
	await assert.rejects(ddp(ana, 'getRoomByTypeAndName', 'c', rid), { code: 'error-invalid-room' });
	await assert.rejects(ddp(ana, 'createDirectMessage', 'zoe'), { code: 'error-invalid-user' });
	await assert.rejects(ddp(ana, 'createDirectMessage'), { code: 400 });
});

test('rooms/get answers a list without a date and changes with one', async (t) => {
	const { ddp, db, values, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	const made = (await ddp(ana, 'createChannel', 'x')) as Item;
	const ids = (list: unknown) => (list as Item[]).map(({ _id }) => _id);
	assert.deepEqual(ids(await ddp(ana, 'rooms/get')), [made.rid]);
	assert.deepEqual(ids(await ddp(ana, 'rooms/get', 0)), [made.rid]);
	const changed = (await ddp(ana, 'rooms/get', new Date(0))) as { update: Item[]; remove: Item[] };
	assert.deepEqual([ids(changed.update), changed.remove], [[made.rid], []]);

	assert.deepEqual(await ddp(null, 'rooms/get'), []);
	values['Accounts_AllowAnonymousRead'] = true;
	assert.deepEqual(await ddp(null, 'rooms/get'), []);
	await db.collection('rocketchat_room').updateOne({ name: 'x' }, { $set: { default: true } });
	assert.deepEqual(ids(await ddp(null, 'rooms/get')), [made.rid]);
	assert.deepEqual(await ddp(null, 'rooms/get', new Date(0)), { update: [], remove: [] });
});

test('channelsList sorts, filters and keeps to what the caller may see', async (t) => {
	const { ddp, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	for (const name of ['beta', 'alpha']) await ddp(ana, 'createChannel', name);
	await ddp(ana, 'createPrivateGroup', 'abyss');
	const names = async (...params: unknown[]) =>
		((await ddp(bob, 'channelsList', ...params)) as { channels: Item[] }).channels.map(({ name }) => name);
	assert.deepEqual(await names('', 'all'), ['alpha', 'beta']);
	assert.deepEqual(await names('ET', 'public', 10, 'msgs'), ['beta']);
	assert.deepEqual(await names('', 'private'), []);
});

test('operator objects and wrong shapes are refused by every method, and strangers are not let in', async (t) => {
	const { ddp, db, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	await ddp(ana, 'createChannel', 'x');
	const before = JSON.stringify(await db.collection('rocketchat_room').find().toArray());
	for (const { name, auth, arity } of methods) {
		if (name === 'rooms/get') continue;
		const operators = Array.from({ length: Math.min(arity, 3) }, () => ({ $ne: null }));
		await assert.rejects(ddp(ana, name, ...operators), { code: 400 }, name);
		if (auth === 'user') await assert.rejects(ddp(null, name, 'x'), { code: 'error-invalid-user' }, name);
	}
	await assert.rejects(ddp(ana, 'addUsersToRoom', { rid: 'GENERAL', users: [{ $gt: '' }] }), { code: 400 });
	await assert.rejects(ddp(ana, 'createChannel', 'y', [], false, { $set: 1 }), { code: 400 });
	await assert.rejects(ddp(null, 'getRoomByTypeAndName', 'c', 'x'), { code: 'error-no-permission' });
	assert.equal(JSON.stringify(await db.collection('rocketchat_room').find().toArray()), before);
});
