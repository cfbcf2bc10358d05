import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Collection, Db } from 'mongodb';
import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import type { EventPart, EventKey } from '@rookery/protocol/events.ts';
import type { Permission, Room, Subscription, User } from '@rookery/protocol/records.ts';
import { localBus, type LocalBus } from '../bus/local.ts';
import { accessFactRepository } from '../repositories/access-facts.ts';
import { commandCounters } from '../repositories/command-counters.ts';
import { connectDatabase } from '../repositories/database.ts';
import { permissionRepository } from '../repositories/permissions.ts';
import { testMongoUrl, uniqueName } from '../testing/database.ts';
import { authorizationService } from './authorization.ts';
import type { SettingsReader } from './settings.ts';

type Doc = { _id: string; [field: string]: unknown };

/** Settings a test can switch. */
function switchboard(flags: Record<string, boolean>): SettingsReader {
	return {
		get: (id) => flags[id],
		flag: (id, fallback = false) => flags[id] ?? fallback,
		number: (_id, fallback) => fallback,
		text: (_id, fallback = '') => fallback,
	};
}

async function given(t: TestContext) {
	const counters = commandCounters();
	const { db, close } = await connectDatabase(testMongoUrl(uniqueName()), {
		appName: 'test',
		onCommand: counters.listener,
	});
	const bus = localBus();
	const flags: Record<string, boolean> = {};
	const time = { now: 1_000_000 };
	const permissions = permissionRepository(db);
	await permissions.insertMissing(
		Object.entries(permissionCatalogue).map(([_id, roles]) => ({ _id, roles: [...roles] })),
	);
	const { api, stop } = await authorizationService({
		facts: accessFactRepository(db),
		permissions,
		settings: switchboard(flags),
		bus,
		clock: { now: () => time.now, monotonic: () => time.now },
	});
	t.after(async () => {
		stop();
		await bus.close();
		await db.dropDatabase();
		await close();
	});
	return { db, bus, api, flags, time, counters, ...builders(db, bus) };
}

function builders(db: Db, bus: LocalBus) {
	const of = (name: string): Collection<Doc> => db.collection<Doc>(name);
	const announce = async (key: EventKey, part: EventPart): Promise<void> => {
		bus.publish({ key, parts: [part] });
		await bus.flush();
	};
	return {
		of,
		announce,
		user: (id: string, roles = ['user'], more: object = {}) =>
			of('users').insertOne({ _id: id, username: id, roles, active: true, ...more }),
		room: (id: string, t: string, more: object = {}) => of('rocketchat_room').insertOne({ _id: id, t, ...more }),
		member: (rid: string, uid: string, more: object = {}) =>
			of('rocketchat_subscription').insertOne({ _id: `${rid}-${uid}`, rid, u: { _id: uid }, ...more }),
		setRoles: async (permission: string, roles: string[]): Promise<Permission> => {
			const permissions = db.collection<Permission>('rocketchat_permissions');
			const update = { $set: { roles }, $currentDate: { _updatedAt: true } } as const;
			const stored = await permissions.findOneAndUpdate({ _id: permission }, update, { returnDocument: 'after' });
			assert.ok(stored !== null);
			return stored;
		},
	};
}

test('a permission comes from workspace roles, and inside a room from the roles there as well', async (t) => {
	const { api, user, room, member } = await given(t);
	await user('ann');
	await user('boss', ['admin']);
	await user('off', ['admin'], { active: false });
	await room('r', 'p');
	await member('r', 'ann', { roles: ['owner'] });

	assert.equal(await api.has('boss', 'edit-room'), true);
	assert.equal(await api.has('ann', 'edit-room'), false);
	assert.equal(await api.has('ann', 'edit-room', 'r'), true);
	assert.equal(await api.has('ann', 'edit-room', 'other'), false);
	assert.equal(await api.has('off', 'edit-room'), false);
	assert.equal(await api.has('nobody', 'create-c'), false);
	assert.equal(await api.has('', 'create-c'), false);
	assert.equal(await api.has('boss', 'no-such-permission'), false);
	assert.equal(await api.hasAny('ann', ['create-user', 'create-c']), true);
	assert.equal(await api.hasAll('ann', ['create-user', 'create-c']), false);
	assert.equal(await api.hasAll('ann', ['create-p', 'create-c']), true);
	assert.equal(await api.hasAll('ann', []), false);
});

test('a guest holds nothing but what guests may, whatever else he is', async (t) => {
	const { api, user } = await given(t);
	await user('gast', ['guest', 'admin']);
	assert.equal(await api.has('gast', 'view-d-room'), true);
	assert.equal(await api.has('gast', 'create-c'), false);
});

test('nobody in particular has the rights of the anonymous role, where reading without login is allowed', async (t) => {
	const { api, flags } = await given(t);
	assert.equal(await api.has(null, 'view-c-room'), false);
	flags['Accounts_AllowAnonymousRead'] = true;
	assert.equal(await api.has(null, 'view-c-room'), true);
	assert.equal(await api.has(null, 'create-c'), false);
});

test('the room access rule', async (t) => {
	const { api, user, room, member, of, flags } = await given(t);
	await user('ann');
	await user('bot', ['bot']);
	await user('gast', ['guest']);
	await user('none', ['custom']);
	await user('agent', ['livechat-agent']);
	await room('c', 'c');
	await room('p', 'p');
	await room('d', 'd');
	await room('discussion-in-c', 'p', { prid: 'c' });
	await room('discussion-in-p', 'c', { prid: 'p', teamId: 'private' });
	await room('live', 'l', { open: true, servedBy: { _id: 'agent' } });
	await room('public-team', 'c', { teamId: 'public' });
	await room('private-team', 'c', { teamId: 'private' });
	await room('lost-team', 'c', { teamId: 'missing' });
	await room('attributed', 'p', { abacAttributes: [{ key: 'a', values: ['b'] }] });
	await of('rocketchat_team').insertMany([
		{ _id: 'public', type: 0 },
		{ _id: 'private', type: 1 },
	]);
	await of('rocketchat_team_member').insertOne({ _id: 'm', teamId: 'private', userId: 'bot' });
	await member('p', 'ann');
	await member('d', 'gast');
	await member('p', 'none');
	await member('d', 'ann', { status: 'INVITED' });
	await member('attributed', 'ann');

	const expected: [room: string, user: string | null, answer: boolean][] = [
		['c', 'ann', true],
		['c', 'gast', false],
		['c', 'none', false],
		['c', null, false],
		['p', 'ann', true],
		['p', 'bot', false],
		['p', 'none', false],
		['d', 'gast', true],
		['d', 'ann', false],
		['discussion-in-c', 'bot', true],
		['discussion-in-c', 'gast', false],
		['discussion-in-p', 'ann', true],
		['live', 'agent', true],
		['live', 'ann', false],
		['public-team', 'ann', true],
		['private-team', 'ann', false],
		['private-team', 'bot', true],
		['lost-team', 'ann', false],
		['attributed', 'ann', true],
		['no-such-room', 'ann', false],
	];
	for (const [rid, uid, answer] of expected) {
		assert.equal(await api.canAccessRoom(rid, uid), answer, `${rid} ${uid}`);
	}
	flags['Accounts_AllowAnonymousRead'] = true;
	flags['ABAC_Enabled'] = true;
	assert.equal(await api.canAccessRoom('c', null), true);
	assert.equal(await api.canAccessRoom('discussion-in-c', null), true);
	assert.equal(await api.canAccessRoom('p', null), false);
	assert.equal(await api.canAccessRoom('attributed', 'ann'), false);
});

test('who may preview channels may read them, but not those of a private team', async (t) => {
	const { api, user, room, of, setRoles } = await given(t);
	await user('ann');
	await room('c', 'c');
	await room('p', 'p');
	await room('private-team', 'c', { teamId: 'private' });
	await of('rocketchat_team').insertOne({ _id: 'private', type: 1 });
	await setRoles('view-c-room', ['admin']);

	assert.equal(await api.canAccessRoom('c', 'ann'), false);
	assert.equal(await api.canReadRoom('c', 'ann'), true);
	assert.equal(await api.canReadRoom('p', 'ann'), false);
	assert.equal(await api.canReadRoom('private-team', 'ann'), false);
	assert.equal(await api.canReadRoom('c', null), false);
});

test('many rooms are answered in their order by few commands', async (t) => {
	const { api, user, of, counters } = await given(t);
	await user('ann');
	const rids = Array.from({ length: 300 }, (_, index) => `r${index}`);
	await of('rocketchat_room').insertMany(rids.map((rid) => ({ _id: rid, t: 'p' })));
	const joined = rids.filter((_, index) => index % 3 === 0);
	await of('rocketchat_subscription').insertMany(joined.map((rid) => ({ _id: rid, rid, u: { _id: 'ann' } })));
	const before = counters.read().commands;

	const readable = await api.readableRooms([...rids, 'missing'], 'ann');

	assert.deepEqual(readable, joined);
	assert.ok(counters.read().commands - before <= 4, `${counters.read().commands - before} commands`);
});

test('parallel questions share one command; repeated ones within a second need none', async (t) => {
	const { api, user, room, member, counters, time } = await given(t);
	await user('ann');
	await room('r', 'p');
	await member('r', 'ann');
	const ask = async (): Promise<number> => {
		const before = counters.read().commands;
		const answers = await Promise.all([
			api.canAccessRoom('r', 'ann'),
			api.canReadRoom('r', 'ann'),
			api.has('ann', 'create-c'),
			api.has('ann', 'mention-all', 'r'),
		]);
		assert.deepEqual(answers, [true, true, true, true]);
		return counters.read().commands - before;
	};

	assert.equal(await ask(), 1);
	// The first read began before the changes of its keys were heard: it was not kept.
	assert.equal(await ask(), 1);
	assert.equal(await ask(), 0);
	time.now += 1_001;
	assert.equal(await ask(), 1);
	assert.equal(await ask(), 0);
});

test('a right is there at once for who just got it: a refusal is always read', async (t) => {
	const { api, user, room, member, setRoles } = await given(t);
	await user('ann');
	await room('r', 'p');
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), false);
	await member('r', 'ann');
	assert.equal(await api.canAccessRoom('r', 'ann'), true);

	for (let round = 0; round < 3; round++) assert.equal(await api.has('ann', 'create-user'), false);
	await setRoles('create-user', ['user']);
	assert.equal(await api.has('ann', 'create-user'), true);
});

test('a lost right is gone with its event', async (t) => {
	const { api, user, room, member, of, announce, setRoles } = await given(t);
	await user('ann');
	await room('r', 'p');
	await member('r', 'ann');
	const warm = async (): Promise<void> => {
		for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);
	};
	const subscription = { _id: 'r-ann', rid: 'r', u: { _id: 'ann' } } as Subscription;
	await warm();
	await of('rocketchat_subscription').deleteOne({ _id: 'r-ann' });
	const left = { subscription, fields: null };
	await announce('user:ann', { kind: 'record', record: 'subscription', action: 'removed', body: left });
	assert.equal(await api.canAccessRoom('r', 'ann'), false);

	await member('r', 'ann');
	await warm();
	await of('users').updateOne({ _id: 'ann' }, { $set: { active: false } });
	const user_ = { _id: 'ann', roles: ['user'], active: false } as User;
	await announce('user:ann', {
		kind: 'record',
		record: 'user',
		action: 'updated',
		body: { user: user_, diff: {}, unset: {} },
	});
	assert.equal(await api.canAccessRoom('r', 'ann'), false);

	await of('users').updateOne({ _id: 'ann' }, { $set: { active: true } });
	await warm();
	const permission = await setRoles('view-p-room', ['admin']);
	await announce('all:permissions', { kind: 'record', record: 'permission', action: 'updated', body: { permission } });
	assert.equal(await api.canAccessRoom('r', 'ann'), false);
});

test('a channel that became private is closed with its event; a new message in it changes nothing', async (t) => {
	const { api, user, room, of, announce, counters } = await given(t);
	await user('ann');
	await room('r', 'c');
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);
	const before = counters.read().commands;
	const changed = (fields: string[]) => ({ room: { _id: 'r', t: 'p' } as Room, fields });
	await announce('room:r', { kind: 'record', record: 'room', action: 'updated', body: changed(['lm', 'msgs']) });
	assert.equal(await api.canAccessRoom('r', 'ann'), true);
	assert.equal(counters.read().commands, before);

	await of('rocketchat_room').updateOne({ _id: 'r' }, { $set: { t: 'p' } });
	await announce('room:r', { kind: 'record', record: 'room', action: 'updated', body: changed(['t']) });
	assert.equal(await api.canAccessRoom('r', 'ann'), false);
});

test('a lost right is gone within a second when its event never comes', async (t) => {
	const { api, user, room, member, of, setRoles, time } = await given(t);
	await user('ann');
	await room('r', 'p');
	await member('r', 'ann');
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);

	await of('rocketchat_subscription').deleteOne({ _id: 'r-ann' });
	time.now += 1_001;
	assert.equal(await api.canAccessRoom('r', 'ann'), false);

	for (let round = 0; round < 3; round++) assert.equal(await api.has('ann', 'create-c'), true);
	await setRoles('create-c', ['admin']);
	time.now += 1_001;
	assert.equal(await api.has('ann', 'create-c'), false);
});

test('without the bus, and after a gap of it, nothing is answered from memory', async (t) => {
	const { api, user, room, member, of, bus } = await given(t);
	await user('ann');
	await room('r', 'p');
	await member('r', 'ann');
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);

	bus.disconnect();
	await of('rocketchat_subscription').deleteOne({ _id: 'r-ann' });
	assert.equal(await api.canAccessRoom('r', 'ann'), false);

	await member('r', 'ann');
	bus.reconnect();
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);
	await of('rocketchat_subscription').deleteOne({ _id: 'r-ann' });
	bus.disconnect();
	bus.reconnect();
	assert.equal(await api.canAccessRoom('r', 'ann'), false);
});

test('when the hub has missed changes, nothing is answered from memory', async (t) => {
	const { api, user, room, member, of, announce } = await given(t);
	await user('ann');
	await room('r', 'p');
	await member('r', 'ann');
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);

	await of('rocketchat_subscription').deleteOne({ _id: 'r-ann' });
	const body = { epoch: 2, reason: 'history lost' };
	await announce('all:hub', { kind: 'record', record: 'resync', action: 'updated', body });

	assert.equal(await api.canAccessRoom('r', 'ann'), false);
});

test('an event that was lost is noticed by the next one of its key', async (t) => {
	const { api, user, room, member, of, bus } = await given(t);
	await user('ann');
	await room('r', 'p');
	await member('r', 'ann');
	const publish = async (pos: string, prev: string): Promise<void> => {
		const parts: EventPart[] = [{ kind: 'direct', stream: 'notify-user', event: 'ann/x', args: [] }];
		bus.publish({ key: 'user:ann', parts }, { epoch: 1, pos, prev });
		await bus.flush();
	};
	await api.canAccessRoom('r', 'ann');
	await publish('01', '');
	for (let round = 0; round < 3; round++) assert.equal(await api.canAccessRoom('r', 'ann'), true);

	await of('rocketchat_subscription').deleteOne({ _id: 'r-ann' });
	await publish('03', '02');

	assert.equal(await api.canAccessRoom('r', 'ann'), false);
});
