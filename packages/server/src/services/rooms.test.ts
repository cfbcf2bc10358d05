import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directRoomId } from '@rookery/protocol/ids.ts';
import { roomsHarness } from '../testing/rooms.ts';

test('a channel is made with its creator as owner and its members, nothing unread', async (t) => {
	const { service, rooms, subscriptions, users, givenUser } = await roomsHarness(t);
	const ana = await givenUser('ana');
	await givenUser('bob');
	const room = await service.create(ana, {
		t: 'c',
		name: 'garden',
		members: ['BOB', 'nobody', 'ana'],
		extraData: { topic: '$topic', broadcast: true },
	});

	assert.deepEqual(await rooms.findById(room._id), room);
	assert.deepEqual(
		[room.name, room.fname, room.topic, room.ro, room.usersCount],
		['garden', 'garden', '$topic', true, 2],
	);
	const own = await subscriptions.find('id-ana', room._id);
	const other = await subscriptions.find('id-bob', room._id);
	assert.deepEqual([own?.roles, own?.open, own?.alert, own?.unread], [['owner'], true, false, 0]);
	assert.ok(own?.ls instanceof Date);
	assert.deepEqual([other?.roles, other?.open, other?.alert, other?.ls], [undefined, true, false, undefined]);
	assert.deepEqual((await users.findById('id-bob'))?.__rooms, [room._id]);
});

test('a room is refused without the right, with a bad name, and with a taken one', async (t) => {
	const { service, db, givenUser } = await roomsHarness(t);
	const ana = await givenUser('ana');
	const guest = await givenUser('gus', { roles: ['guest'] });
	await assert.rejects(service.create(guest, { t: 'c', name: 'x' }), { code: 'error-not-allowed' });
	await assert.rejects(service.create(ana, { t: 'c', name: '  ' }), { code: 'error-invalid-name' });
	await assert.rejects(service.create(ana, { t: 'p', name: 'a b' }), {
		code: 'error-invalid-room-name',
		reason: 'a b is not a valid room name.',
	});
	await assert.rejects(service.create(ana, { t: 'c', name: 'x', extraData: { encrypted: true } }), {
		code: 'error-action-not-allowed',
	});
	await assert.rejects(service.create(ana, { t: 'c', name: 'x', extraData: { teamId: 't' } }), {
		code: 'team-does-not-exist',
	});
	assert.equal(await db.collection('rocketchat_room').countDocuments(), 0);

	await service.create(ana, { t: 'p', name: 'x' });
	await assert.rejects(service.create(ana, { t: 'c', name: 'x' }), {
		code: 'error-duplicate-channel-name',
		reason: "A channel with name 'x' exists",
		details: { channel_name: 'x' },
	});
	await db.collection('rocketchat_room').updateOne({ name: 'x' }, { $set: { archived: true } });
	await assert.rejects(service.create(ana, { t: 'c', name: 'x' }), { code: 'error-archived-duplicate-name' });
	assert.equal(await db.collection('rocketchat_room').countDocuments(), 1);
});

test('of 50 rooms of one name made at once one comes to be, with and without free display names', async (t) => {
	const values: Record<string, unknown> = {};
	const { service, db, givenUser } = await roomsHarness(t, values);
	const ana = await givenUser('ana');
	const race = async (name: string) => {
		const tries = Array.from({ length: 50 }, () => service.create(ana, { t: 'c', name }));
		const results = await Promise.allSettled(tries);
		const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
		assert.equal(refusals.length, 49);
		for (const refusal of refusals) assert.equal((refusal as { code: string }).code, 'error-duplicate-channel-name');
	};
	await race('plain');
	values['UI_Allow_room_names_with_special_chars'] = true;
	await race('Café Zürich');

	const found = await db
		.collection('rocketchat_room')
		.find({}, { sort: { fname: 1 } })
		.toArray();
	assert.deepEqual(
		found.map(({ name, fname }) => [name, fname]),
		[
			['Cafe-Zurich', 'Café Zürich'],
			['plain', 'plain'],
		],
	);
	const second = await service.create(ana, { t: 'c', name: 'Cafe Zurich' });
	assert.equal(second.name, 'Cafe-Zurich-1');
	const unwritable = await service.create(ana, { t: 'c', name: 'общая' });
	assert.equal(unwritable.name, unwritable._id);
});

test('of 50 direct rooms of two people asked for at once one comes to be, open for the asking one alone', async (t) => {
	const { service, db, subscriptions, givenUser } = await roomsHarness(t);
	const ana = await givenUser('ana');
	await givenUser('bob');
	const answers = await Promise.all(Array.from({ length: 50 }, () => service.createDirect(ana, ['Bob'])));

	const id = directRoomId('id-ana', 'id-bob');
	assert.deepEqual(new Set(answers.map(({ room }) => room._id)), new Set([id]));
	assert.equal(answers.filter(({ isNew }) => isNew).length, 1);
	assert.equal(await db.collection('rocketchat_room').countDocuments(), 1);
	const own = await subscriptions.find('id-ana', id);
	const other = await subscriptions.find('id-bob', id);
	assert.deepEqual([own?.open, own?.name, own?.fname, own?.ts], [true, 'bob', 'BOB', undefined]);
	assert.deepEqual([other?.open, other?.name, other?.alert, other?.unread], [false, 'ana', false, 0]);
});

test('groups of direct messages and the room with oneself are found again, also when asked for at once', async (t) => {
	const { service, db, subscriptions, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	await givenUser('cyd');
	const answers = await Promise.all(
		Array.from({ length: 30 }, (_, index) =>
			index % 2 === 0 ? service.createDirect(ana, ['bob', 'cyd']) : service.createDirect(bob, ['cyd', 'ana']),
		),
	);
	const ids = new Set(answers.map(({ room }) => room._id));
	assert.equal(ids.size, 1);
	assert.deepEqual(answers[0]?.room.uids, ['id-ana', 'id-bob', 'id-cyd']);
	assert.equal((await subscriptions.find('id-cyd', [...ids][0] ?? ''))?.open, true);

	const own = await service.createDirect(ana, ['ana']);
	assert.deepEqual([own.room.uids, (await service.createDirect(ana, ['ana'])).isNew], [['id-ana'], false]);
	// A room that another server made under a random id is the one.
	await db.collection<{ _id: string }>('rocketchat_room').insertOne({ _id: 'old', t: 'd', uids: ['id-bob'] } as never);
	assert.equal((await service.createDirect(bob, ['bob'])).room._id, 'old');
});

test('a direct room is refused with unknown people, with too many, and without the right', async (t) => {
	const values: Record<string, unknown> = { DirectMesssage_maxUsers: 2 };
	const { service, db, givenUser } = await roomsHarness(t, values);
	const ana = await givenUser('ana');
	const guest = await givenUser('gus', { roles: ['guest'] });
	await givenUser('bob');
	await assert.rejects(service.createDirect(ana, ['bob', 'zoe']), { code: 'error-invalid-user' });
	await assert.rejects(service.createDirect(ana, ['']), { code: 'error-invalid-user' });
	await assert.rejects(service.createDirect(ana, ['bob'], true), { code: 'error-invalid-user' });
	await assert.rejects(service.createDirect(ana, ['bob', 'gus']), { code: 'error-direct-message-max-user-exceeded' });
	await assert.rejects(service.createDirect(guest, ['bob']), { code: 'error-not-allowed' });
	values['Message_AllowDirectMessagesToYourself'] = false;
	await assert.rejects(service.createDirect(ana, ['ana']), { code: 'error-invalid-user' });
	assert.equal(await db.collection('rocketchat_room').countDocuments(), 0);

	await service.createDirect(ana, ['gus']);
	assert.equal((await service.createDirect(guest, ['ana'])).isNew, false);
});

test('who joins has one membership, starts at the counters of the room, and is announced once', async (t) => {
	const { service, db, rooms, subscriptions, systemMessages, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const room = await service.create(ana, { t: 'c', name: 'x' });
	await db
		.collection<{ _id: string }>('rocketchat_room')
		.updateOne({ _id: room._id }, { $set: { 'rk.s': 7, 'rk.n': 5, 'rk.u': 4, 'rk.g': 1 } });
	const joined = await Promise.all(Array.from({ length: 20 }, () => service.join(bob, room)));

	assert.equal(joined.filter(Boolean).length, 1);
	assert.equal(await service.join(bob, room), false);
	const own = await subscriptions.find('id-bob', room._id);
	assert.deepEqual([own?.alert, own?.unread, own?.userMentions, own?.groupMentions], [true, 1, 1, 0]);
	assert.deepEqual([own?.rk?.n, own?.rk?.u, own?.rk?.g, own?.rk?.h?.n], [5, 4, 1, 5]);
	assert.equal((await rooms.findById(room._id))?.usersCount, 2);
	assert.deepEqual(await systemMessages(room._id), ['uj bob']);
});

test('50 people who join at once are all counted', async (t) => {
	const { service, rooms, givenUser } = await roomsHarness(t);
	const room = await service.create(await givenUser('ana'), { t: 'c', name: 'x' });
	const crowd = [];
	for (let index = 0; index < 50; index++) crowd.push(await givenUser(`user${index}`));
	await Promise.all(crowd.map((actor) => service.join(actor, room)));
	assert.equal((await rooms.findById(room._id))?.usersCount, 51);
	await Promise.all(crowd.slice(0, 20).map((actor) => service.leave(actor, room)));
	assert.equal((await rooms.findById(room._id))?.usersCount, 31);
});

test('a join code is asked for, but not of those who need none; groups and archived channels cannot be joined', async (t) => {
	const { service, db, rooms, givenUser } = await roomsHarness(t);
	const [ana, bob, bot] = [await givenUser('ana'), await givenUser('bob'), await givenUser('bot', { roles: ['bot'] })];
	const guarded = await service.create(ana, { t: 'c', name: 'guarded' });
	const group = await service.create(ana, { t: 'p', name: 'group' });
	const change = (_id: string, fields: object) =>
		db.collection<{ _id: string }>('rocketchat_room').updateOne({ _id }, { $set: fields });
	await change(guarded._id, { joinCode: 'sesame', joinCodeRequired: true });
	const room = await rooms.findById(guarded._id);
	assert.ok(room);

	await assert.rejects(service.join(bob, room), { code: 'error-code-invalid', reason: 'Invalid Room Password' });
	await assert.rejects(service.join(bob, room, 'Sesame'), { code: 'error-code-invalid' });
	await assert.rejects(service.join(bob, group), { code: 'error-not-allowed' });
	assert.equal(await service.join(bob, room, 'sesame'), true);
	assert.equal(await service.join(bot, room), true);
	await change(guarded._id, { archived: true });
	const archived = await rooms.findById(guarded._id);
	assert.ok(archived);
	await assert.rejects(service.join(await givenUser('cyd'), archived, 'sesame'), { code: 'error-room-archived' });
});

test('the last owner cannot leave, and of two who leave at once one stays', async (t) => {
	const { service, db, subscriptions, systemMessages, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	for (let round = 0; round < 10; round++) {
		const room = await service.create(ana, { t: 'c', name: `x${round}`, members: ['bob'] });
		await assert.rejects(service.leave(ana, room), { code: 'error-you-are-last-owner' });
		await db
			.collection('rocketchat_subscription')
			.updateOne({ rid: room._id, 'u._id': 'id-bob' }, { $set: { roles: ['owner'] } });
		const results = await Promise.allSettled([service.leave(ana, room), service.leave(bob, room)]);

		assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
		assert.equal(await subscriptions.countMembers(room._id), 1);
		assert.equal((await systemMessages(room._id)).filter((text) => text.startsWith('ul ')).length, 1);
	}
});

test('who leaves is announced, is no longer noted, and cannot leave twice', async (t) => {
	const { service, rooms, users, subscriptions, systemMessages, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const room = await service.create(ana, { t: 'p', name: 'x', members: ['bob'] });
	const results = await Promise.allSettled([service.leave(bob, room), service.leave(bob, room)]);

	assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
	await assert.rejects(service.leave(bob, room), {
		code: 'error-user-not-in-room',
		reason: 'You are not in this room',
	});
	assert.deepEqual(await systemMessages(room._id), ['ul bob']);
	assert.deepEqual((await users.findById('id-bob'))?.__rooms, []);
	assert.equal((await rooms.findById(room._id))?.usersCount, 1);
	assert.equal(await subscriptions.find('id-bob', room._id), null);
});

test('members are added by those who may, each once, and nobody when a name is wrong', async (t) => {
	const { service, systemMessages, subscriptions, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	await givenUser('cyd');
	const room = await service.create(ana, { t: 'p', name: 'x' });
	await assert.rejects(service.addMembersByName(bob, room, ['cyd']), { code: 'error-not-allowed' });
	await assert.rejects(service.addMembersByName(ana, room, ['cyd', 'zoe']), { code: 'error-invalid-username' });
	assert.equal(await subscriptions.countMembers(room._id), 1);

	assert.deepEqual(await service.addMembers(ana, room, ['id-bob', 'id-cyd', 'id-zoe']), ['id-bob', 'id-cyd']);
	assert.deepEqual(await service.addMembersByName(ana, room, ['BOB']), []);
	assert.deepEqual(await systemMessages(room._id), ['au bob', 'au cyd']);
	const { room: direct } = await service.createDirect(ana, ['bob']);
	await assert.rejects(service.addMembers(ana, direct, ['id-cyd']), { code: 'error-cant-invite-for-direct-room' });
});

test('members are removed by owners, the last owner by nobody', async (t) => {
	const { service, systemMessages, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const admin = await givenUser('root', { roles: ['admin'] });
	const room = await service.create(ana, { t: 'c', name: 'x', members: ['bob'] });
	await assert.rejects(service.removeMember(bob, room, 'id-ana'), { code: 'error-not-allowed' });
	await assert.rejects(service.removeMember(admin, room, 'id-ana'), { code: 'error-you-are-last-owner' });
	await assert.rejects(service.removeMember(ana, room, 'id-root'), { code: 'error-user-not-in-room' });
	await service.removeMember(ana, room, 'id-bob');
	assert.deepEqual(await systemMessages(room._id), ['ru bob']);
});

test('a deleted room takes memberships and messages along, and is what its members are told of', async (t) => {
	const { service, db, users, messages, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const before = new Date(Date.now() - 60_000);
	const room = await service.create(ana, { t: 'c', name: 'x', members: ['bob'] });
	const kept = await service.create(ana, { t: 'p', name: 'kept' });
	await messages.send(bob, { rid: room._id, msg: 'hello' });
	await assert.rejects(service.deleteRoom(bob, room._id), { code: 'error-not-allowed' });
	await service.deleteRoom(ana, room._id);

	for (const name of ['rocketchat_room', 'rocketchat_subscription', 'rocketchat_message']) {
		const key = name === 'rocketchat_room' ? '_id' : 'rid';
		assert.equal(await db.collection(name).countDocuments({ [key]: room._id } as never), 0, name);
	}
	assert.deepEqual((await users.findById('id-bob'))?.__rooms, []);
	const seen = await service.since(bob, before);
	assert.deepEqual([seen.update, seen.remove.map(({ _id }) => _id)], [[], [room._id]]);
	const own = await service.since(ana, before);
	assert.deepEqual(
		own.update.map(({ _id }) => _id),
		[kept._id],
	);
	await assert.rejects(service.deleteRoom(ana, room._id), { code: 'error-invalid-room' });
});

test('a deletion that was cut off is finished by a member who asks again, and by nobody else', async (t) => {
	const { service, rooms, subscriptions, givenUser } = await roomsHarness(t);
	const [ana, bob, cyd] = [await givenUser('ana'), await givenUser('bob'), await givenUser('cyd')];
	const room = await service.create(ana, { t: 'c', name: 'x', members: ['bob'] });
	await rooms.remove(room._id);
	await assert.rejects(service.deleteRoom(cyd, room._id), { code: 'error-invalid-room' });
	assert.equal(await subscriptions.countMembers(room._id), 2);
	await assert.rejects(service.deleteRoom(bob, room._id), { code: 'error-invalid-room' });
	assert.equal(await subscriptions.countMembers(room._id), 0);
});

test('who joins while a room is deleted does not stay behind as a member of nothing', async (t) => {
	const { service, db, subscriptions, givenUser } = await roomsHarness(t);
	const ana = await givenUser('ana');
	const crowd = [];
	for (let index = 0; index < 10; index++) crowd.push(await givenUser(`user${index}`));
	for (let round = 0; round < 5; round++) {
		const room = await service.create(ana, { t: 'c', name: `x${round}` });
		const work = crowd.map((actor) => service.join(actor, room).catch(() => false));
		await Promise.all([...work, service.deleteRoom(ana, room._id)]);
		assert.equal(await subscriptions.countMembers(room._id), 0);
		assert.equal(await db.collection('users').countDocuments({ __rooms: room._id }), 0);
	}
});

test('a new user enters the default rooms, favoured where the room says so', async (t) => {
	const { service, db, subscriptions, systemMessages, givenUser } = await roomsHarness(t);
	const ana = await givenUser('ana');
	await givenUser('bob', { settings: { preferences: { desktopNotifications: 'all', highlights: ['rookery', ''] } } });
	const room = await service.create(ana, { t: 'c', name: 'x' });
	await service.create(ana, { t: 'c', name: 'other' });
	await db.collection('rocketchat_room').updateOne({ name: 'x' }, { $set: { default: true, favorite: true } });
	await Promise.all([service.joinDefaultRooms('id-bob', false), service.joinDefaultRooms('id-bob', false)]);

	const own = await subscriptions.find('id-bob', room._id);
	assert.deepEqual([own?.f, own?.desktopNotifications, own?.desktopPrefOrigin], [true, 'all', 'user']);
	assert.deepEqual(own?.userHighlights, ['rookery']);
	assert.equal((await subscriptions.memberships('id-bob')).length, 1);
	assert.deepEqual(await systemMessages(room._id), ['uj bob']);
});
