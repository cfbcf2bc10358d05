import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Db } from 'mongodb';
import type { EventPart } from '@rookery/protocol/events.ts';
import type { Room, Subscription } from '@rookery/protocol/records.ts';
import { streamerReads } from '../repositories/streamer-reads.ts';
import { testDatabase } from '../testing/database.ts';
import type { TestSocket } from '../testing/sockets.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';

type Given = { rig: StreamerRig; db: Db };

async function given(t: TestContext, settings: Record<string, unknown> = {}): Promise<Given> {
	const db = await testDatabase(t);
	const rig = await streamerRig(t, { reads: streamerReads(db), settings });
	return { rig, db };
}

function roomOf(_id: string, fields: Partial<Room> = {}): Room {
	const date = new Date(1_700_000_000_000);
	return { _id, t: 'c', name: `name-${_id}`, msgs: 0, usersCount: 2, ts: date, lm: date, _updatedAt: date, ...fields };
}

function memberOf(rid: string, uid: string, fields: Partial<Subscription> = {}): Subscription {
	return {
		_id: `s-${rid}-${uid}`,
		rid,
		u: { _id: uid, username: uid },
		t: 'c',
		name: `name-${rid}`,
		open: true,
		alert: false,
		unread: 0,
		userMentions: 0,
		groupMentions: 0,
		ts: new Date(1_700_000_000_000),
		_updatedAt: new Date(1_700_000_000_000),
		...fields,
	};
}

async function store({ db }: Given, rooms: Room[], members: Subscription[]): Promise<void> {
	await db.collection<Room>('rocketchat_room').insertMany(rooms);
	await db.collection<Subscription>('rocketchat_subscription').insertMany(members);
	const uids = [...new Set(members.map(({ u }) => u._id))];
	await db
		.collection<{ _id: string; status: string; statusConnection: string }>('users')
		.insertMany(uids.map((_id) => ({ _id, status: 'online', statusConnection: 'online' })));
}

async function listen(rig: StreamerRig, uid: string): Promise<TestSocket> {
	const socket = await rig.login(uid);
	for (const event of ['rooms-changed', 'subscriptions-changed', 'notification']) {
		assert.equal(await socket.sub(event, 'stream-notify-user', `${uid}/${event}`, false), 'ready');
	}
	return socket;
}

/** What the hub says of a post: message, post and room in one envelope. */
function post({ rig }: Given, room: Room, author: string, msg: string, mentions: string[] = []): void {
	const _id = `m${room.rk?.s ?? 0}`;
	const u = { _id: author, username: author, name: `Name of ${author}` };
	const lastMessage = { _id, rid: room._id, msg, u, ts: new Date(), _updatedAt: new Date() };
	const rk = { ...room.rk, i: [...(room.rk?.i ?? []), _id] };
	const parts: EventPart[] = [
		{ kind: 'direct', stream: 'room-messages', event: room._id, args: [lastMessage] },
		{
			kind: 'record',
			record: 'post',
			action: 'inserted',
			body: { _id, rid: room._id, msg, u, mentions, all: false, here: false },
		},
		{
			kind: 'record',
			record: 'room',
			action: 'updated',
			body: { room: { ...room, lastMessage, rk }, fields: ['msgs', 'lm', 'lastMessage', 'rk', '_updatedAt'] },
		},
	];
	rig.bus.publish({ key: `room:${room._id}`, parts });
}

function tellSubscription(
	{ rig }: Given,
	action: 'inserted' | 'updated' | 'removed',
	subscription: Subscription,
	fields: string[] | null,
): void {
	const part: EventPart = { kind: 'record', record: 'subscription', action, body: { subscription, fields } };
	rig.bus.publish({ key: `user:${subscription.u._id}`, parts: [part] });
	if (action !== 'updated') rig.bus.publish({ key: `room:${subscription.rid}`, parts: [part] });
}

const second = ([, record]: unknown[]) => record as Record<string, unknown>;

test('a post: members get the room and their counters, its author only the room; nothing internal is sent', async (t) => {
	const it = await given(t);
	await store(
		it,
		[roomOf('r', { rk: { s: 4, n: 4, u: 4, g: 0 } })],
		[
			memberOf('r', 'ana', { rk: { s: 4, n: 4, u: 4, g: 0 } }),
			memberOf('r', 'bob', { rk: { s: 3, n: 3, u: 3, g: 0 } }),
		],
	);
	const [ana, bob] = [await listen(it.rig, 'ana'), await listen(it.rig, 'bob')];
	const lm = new Date(1_700_000_500_000);
	post(it, roomOf('r', { msgs: 5, lm, joinCode: 'secret', rk: { s: 5, n: 5, u: 5, g: 0 } }), 'ana', 'hello');
	const [action, room] = await bob.event('notify-user', 'bob/rooms-changed');
	assert.equal(action, 'updated');
	assert.deepEqual([(room as Room).msgs, (room as Room).lastMessage?.msg, (room as Room).name], [5, 'hello', 'name-r']);
	const changed = await bob.event('notify-user', 'bob/subscriptions-changed');
	assert.deepEqual(changed, [
		'updated',
		{
			_id: 's-r-bob',
			t: 'c',
			ts: { $date: 1_700_000_000_000 },
			name: 'name-r',
			rid: 'r',
			u: { _id: 'bob', username: 'bob' },
			open: true,
			alert: true,
			unread: 2,
			userMentions: 0,
			groupMentions: 0,
			_updatedAt: { $date: lm.getTime() },
		},
	]);
	await ana.event('notify-user', 'ana/rooms-changed');
	post(it, roomOf('r', { msgs: 6, lm, rk: { s: 6, n: 6, u: 6, g: 0 } }), 'bob', 'hello back');
	const own = await ana.event('notify-user', 'ana/subscriptions-changed');
	assert.deepEqual([second(own)['unread'], second(own)['alert']], [1, true], 'her own post never counted');
	assert.equal(ana.events('notify-user', 'ana/subscriptions-changed').length, 1);
	const all = [...ana.texts, ...bob.texts].join('\n');
	assert.ok(!all.includes('"rk"') && !all.includes('joinCode') && !all.includes('secret'));
});

test('all sockets of a user get the same frames', async (t) => {
	const it = await given(t);
	await store(it, [roomOf('r')], [memberOf('r', 'ana'), memberOf('r', 'bob')]);
	const [one, two] = [await listen(it.rig, 'ana'), await listen(it.rig, 'ana')];
	post(it, roomOf('r', { msgs: 1, rk: { s: 1, n: 1, u: 1, g: 0 } }), 'bob', 'x');
	for (const socket of [one, two]) {
		assert.equal(second(await socket.event('notify-user', 'ana/subscriptions-changed'))['unread'], 1);
	}
	assert.deepEqual(
		one.texts.filter((text) => text.includes('changed')),
		two.texts.filter((text) => text.includes('changed')),
	);
});

test('many posts at once: who has the room open is told of each, the others of the first and, in time, of the newest', async (t) => {
	const it = await given(t);
	await store(it, [roomOf('r')], [memberOf('r', 'ana'), memberOf('r', 'bob')]);
	it.rig.rights.rooms.set('r', new Set(['ana']));
	const [ana, bob] = [await listen(it.rig, 'ana'), await listen(it.rig, 'bob')];
	assert.equal(await ana.sub('open', 'stream-room-messages', 'r', false), 'ready');
	for (let n = 1; n <= 5; n++) post(it, roomOf('r', { msgs: n, rk: { s: n, n, u: n, g: 0 } }), 'eve', `${n}`);
	await ana.event('notify-user', 'ana/subscriptions-changed', (args) => second(args)['unread'] === 5);
	await bob.event('notify-user', 'bob/subscriptions-changed', (args) => second(args)['unread'] === 5);
	await bob.event('notify-user', 'bob/rooms-changed', (args) => second(args)['msgs'] === 5);
	assert.equal(ana.events('notify-user', 'ana/rooms-changed').length, 5);
	const numbers = bob.events('notify-user', 'bob/rooms-changed').map((args) => second(args)['msgs']);
	assert.deepEqual(numbers, [1, 5]);
});

test('a change that no published field shows makes no frame; reading makes one', async (t) => {
	const it = await given(t);
	await store(it, [roomOf('r', { rk: { s: 2, n: 2, u: 2, g: 0 } })], [memberOf('r', 'ana')]);
	const ana = await listen(it.rig, 'ana');
	tellSubscription(it, 'updated', memberOf('r', 'ana', { rk: { x: [{ s: 2, n: 1, u: 1, g: 0 }] } }), ['rk']);
	tellSubscription(it, 'updated', memberOf('r', 'ana', { ls: new Date(), rk: { s: 2, n: 2, u: 2, g: 0, x: [] } }), [
		'rk',
		'ls',
	]);
	const [, record] = await ana.event('notify-user', 'ana/subscriptions-changed');
	assert.deepEqual([(record as Subscription).unread, (record as Subscription).alert], [0, false]);
	assert.equal(ana.events('notify-user', 'ana/subscriptions-changed').length, 1);
});

test('joining: both records come, and posts of the room from then on; leaving: removed, and nothing more', async (t) => {
	const it = await given(t);
	await store(it, [roomOf('r', { rk: { s: 7, n: 7, u: 7, g: 0 }, joinCode: 'secret' })], [memberOf('r', 'bob')]);
	const ana = await listen(it.rig, 'ana');
	const joined = memberOf('r', 'ana', { rk: { s: 7, n: 7, u: 7, g: 0 } });
	await it.db.collection<Subscription>('rocketchat_subscription').insertOne(joined);
	tellSubscription(it, 'inserted', joined, null);
	const [subscriptionAction, subscription] = await ana.event('notify-user', 'ana/subscriptions-changed');
	assert.deepEqual([subscriptionAction, (subscription as Subscription).unread], ['inserted', 0]);
	const [roomAction, room] = await ana.event('notify-user', 'ana/rooms-changed');
	assert.deepEqual([roomAction, (room as Room)._id, (room as Room).joinCode], ['inserted', 'r', undefined]);
	post(it, roomOf('r', { rk: { s: 8, n: 8, u: 8, g: 0 } }), 'bob', 'welcome');
	await ana.event('notify-user', 'ana/subscriptions-changed', (args) => second(args)['unread'] === 1);
	tellSubscription(it, 'removed', joined, null);
	post(it, roomOf('r', { rk: { s: 9, n: 9, u: 9, g: 0 } }), 'bob', 'she is gone');
	const removed = await ana.event('notify-user', 'ana/subscriptions-changed', ([action]) => action === 'removed');
	assert.deepEqual(removed[1], { _id: 's-r-ana', u: { _id: 'ana', username: 'ana' }, rid: 'r', t: 'c' });
	await ana.settled();
	const rooms = ana.events('notify-user', 'ana/rooms-changed').map(([action]) => action);
	assert.deepEqual(rooms, ['inserted', 'updated']);
	assert.ok(!ana.texts.join('').includes('she is gone'));
	assert.ok(!ana.texts.join('').includes('secret'));
});

test('a deleted room is told to those who were in it', async (t) => {
	const it = await given(t);
	await store(it, [roomOf('r')], [memberOf('r', 'ana')]);
	const ana = await listen(it.rig, 'ana');
	it.rig.bus.publish({
		key: 'room:r',
		parts: [{ kind: 'record', record: 'room', action: 'removed', body: { room: roomOf('r'), fields: null } }],
	});
	assert.deepEqual(await ana.event('notify-user', 'ana/rooms-changed'), ['removed', { _id: 'r' }]);
});

test('__my_messages__: messages of the rooms one is in, in order, with the room beside them; of no others', async (t) => {
	const it = await given(t);
	await store(
		it,
		[roomOf('r'), roomOf('other'), roomOf('unseen')],
		[memberOf('r', 'ana'), memberOf('unseen', 'ana'), memberOf('other', 'bob')],
	);
	it.rig.rights.rooms.set('r', new Set(['ana']));
	const ana = await it.rig.login('ana');
	assert.equal(await ana.sub('mine', 'stream-room-messages', '__my_messages__', true), 'ready');
	const bot = await it.rig.connect();
	await bot.negotiate();
	assert.equal(await bot.sub('early', 'stream-room-messages', '__my_messages__', true), 'ready');
	for (const rid of ['other', 'unseen', 'r']) post(it, roomOf(rid, { rk: { s: 1 } }), 'bob', `in ${rid}`);
	post(it, roomOf('r', { rk: { s: 2 } }), 'bob', 'again');
	await ana.event('room-messages', '__my_messages__', ([message]) => (message as { msg: string }).msg === 'again');
	const events = ana.events('room-messages', '__my_messages__');
	assert.deepEqual(
		events.map(([message]) => (message as { msg: string }).msg),
		['in r', 'again'],
	);
	assert.deepEqual(events[0]?.[1], { roomParticipant: true, roomType: 'c', roomName: 'name-r' });
	assert.equal(bot.events('room-messages', '__my_messages__').length, 0);
	await bot.call('login', { resume: [...it.rig.tokens.keys()][0] });
	post(it, roomOf('r', { rk: { s: 3 } }), 'bob', 'for both');
	await bot.event('room-messages', '__my_messages__', ([message]) => (message as { msg: string }).msg === 'for both');
	assert.equal(bot.frames.filter(({ msg }) => msg === 'ready').length, 1);
});

test('a notification goes to those it concerns and not to its author', async (t) => {
	const it = await given(t, { Accounts_Default_User_Preferences_desktopNotifications: 'mentions' });
	await store(
		it,
		[roomOf('r')],
		[memberOf('r', 'ana'), memberOf('r', 'bob'), memberOf('r', 'eve', { desktopNotifications: 'nothing' })],
	);
	const sockets = new Map<string, TestSocket>();
	for (const uid of ['ana', 'bob', 'eve']) sockets.set(uid, await listen(it.rig, uid));
	post(it, roomOf('r', { rk: { s: 1 } }), 'ana', '@bob @eve look', ['bob', 'eve', 'ana']);
	assert.deepEqual(await sockets.get('bob')?.event('notify-user', 'bob/notification'), [
		{
			title: '#name-r',
			text: 'ana: @bob @eve look',
			duration: 0,
			payload: {
				_id: 'm1',
				rid: 'r',
				sender: { _id: 'ana', username: 'ana', name: 'Name of ana' },
				type: 'c',
				name: 'name-r',
				message: { msg: '@bob @eve look' },
			},
		},
	]);
	post(it, roomOf('r', { rk: { s: 2, n: 1 } }), 'bob', 'plain talk');
	await sockets
		.get('ana')
		?.event(
			'notify-user',
			'ana/rooms-changed',
			(args) => (second(args)['lastMessage'] as { msg: string }).msg === 'plain talk',
		);
	assert.equal(sockets.get('ana')?.events('notify-user', 'ana/notification').length, 0);
	assert.equal(sockets.get('eve')?.events('notify-user', 'eve/notification').length, 0);
});

test('memberships that change while they are being read are not lost', async (t) => {
	const db = await testDatabase(t);
	const reads = streamerReads(db);
	const reading = Promise.withResolvers<void>();
	const gate = Promise.withResolvers<void>();
	const rig = await streamerRig(t, {
		reads: {
			...reads,
			memberships: async (uids) => {
				const found = await reads.memberships(uids);
				reading.resolve();
				await gate.promise;
				return found;
			},
		},
	});
	const it = { rig, db };
	await store(it, [roomOf('left'), roomOf('new')], [memberOf('left', 'ana')]);
	const ana = await rig.login('ana');
	const ready = ana.sub('r', 'stream-notify-user', 'ana/rooms-changed', false);
	await reading.promise;
	tellSubscription(it, 'removed', memberOf('left', 'ana'), null);
	tellSubscription(it, 'inserted', memberOf('new', 'ana'), null);
	await ana.settled();
	gate.resolve();
	assert.equal(await ready, 'ready');
	post(it, roomOf('left', { rk: { s: 1 } }), 'bob', 'x');
	post(it, roomOf('new', { rk: { s: 1 } }), 'bob', 'y');
	await ana.event('notify-user', 'ana/rooms-changed');
	assert.deepEqual(
		ana.events('notify-user', 'ana/rooms-changed').map((args) => second(args)['_id']),
		['new'],
	);
});
