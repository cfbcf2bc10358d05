import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import type { EventPart } from '@rookery/protocol/events.ts';
import type { Room, Subscription } from '@rookery/protocol/records.ts';
import { localBus } from '../bus/local.ts';
import { accessFactRepository } from '../repositories/access-facts.ts';
import { permissionRepository } from '../repositories/permissions.ts';
import { fakeSettings } from '../testing/accounts.ts';
import { testDatabase } from '../testing/database.ts';
import { authorizationService } from './authorization.ts';

type Doc = { _id: string; [field: string]: unknown };

async function given(t: TestContext) {
	const db = await testDatabase(t);
	const bus = localBus();
	const permissions = permissionRepository(db);
	const catalogue = Object.entries(permissionCatalogue).map(([_id, roles]) => ({ _id, roles: [...roles] }));
	await permissions.insertMissing(catalogue);
	const time = { now: 1_000_000 };
	const { api, stop } = await authorizationService({
		facts: accessFactRepository(db),
		permissions,
		settings: fakeSettings({}),
		bus,
		clock: { now: () => time.now, monotonic: () => time.now },
	});
	t.after(async () => {
		stop();
		await bus.close();
	});
	const of = (name: string) => db.collection<Doc>(name);
	return {
		api,
		bus,
		of,
		user: (id: string, more: object = {}) =>
			of('users').insertOne({ _id: id, username: id, roles: ['user'], active: true, ...more }),
		room: (id: string, t: string, more: object = {}) => of('rocketchat_room').insertOne({ _id: id, t, ...more }),
		member: (rid: string, uid: string, more: object = {}) =>
			of('rocketchat_subscription').insertOne({ _id: `${rid}-${uid}`, rid, u: { _id: uid }, ...more }),
	};
}

test('who may write: access and a voice', async (t) => {
	const { api, of, bus, user, room, member } = await given(t);
	await user('ann');
	await user('off', { active: false });
	await room('open', 'c');
	await room('gone', 'c', { archived: true });
	await room('quiet', 'c', { ro: true, unmuted: ['bob'] });
	await room('muted', 'c', { muted: ['ann'] });
	await room('closed', 'p');
	await room('pair', 'd');
	await member('pair', 'ann', { blocker: true });
	assert.equal(await api.canWriteRoom('open', 'ann'), true);
	assert.equal(await api.canWriteRoom('open', 'off'), false);
	assert.equal(await api.canWriteRoom('open', 'nobody'), false);
	for (const rid of ['gone', 'quiet', 'muted', 'closed', 'pair', 'missing']) {
		assert.equal(await api.canWriteRoom(rid, 'ann'), false, rid);
	}
	await user('bob');
	assert.equal(await api.canWriteRoom('quiet', 'bob'), true);
	await member('quiet', 'ann', { roles: ['owner'] });
	assert.equal(await api.canWriteRoom('quiet', 'ann'), true, 'an owner has a voice');

	await of('rocketchat_room').updateOne({ _id: 'open' }, { $set: { muted: ['ann'] } });
	const changed = { _id: 'open', t: 'c' } as Room;
	const part: EventPart = {
		kind: 'record',
		record: 'room',
		action: 'updated',
		body: { room: changed, fields: ['muted'] },
	};
	bus.publish({ key: 'room:open', parts: [part] });
	await bus.flush();
	assert.equal(await api.canWriteRoom('open', 'ann'), false, 'obeyed as soon as it is heard');
	const answers = await api.roomRights([
		{ rid: 'open', uid: 'ann', right: 'read' },
		{ rid: 'open', uid: 'ann', right: 'write' },
		{ rid: 'closed', uid: 'ann', right: 'access' },
		{ rid: 'open', uid: null, right: 'write' },
	]);
	assert.deepEqual(answers, [true, false, false, false]);
});

test('a block is obeyed as soon as it is heard', async (t) => {
	const { api, of, bus, user, room, member } = await given(t);
	await user('ann');
	await room('pair', 'd');
	await member('pair', 'ann');
	assert.equal(await api.canWriteRoom('pair', 'ann'), true);
	await of('rocketchat_subscription').updateOne({ _id: 'pair-ann' }, { $set: { blocked: true } });
	const subscription = { _id: 'pair-ann', rid: 'pair', u: { _id: 'ann', username: 'ann' } } as Subscription;
	const body = { subscription, fields: ['blocked'] };
	bus.publish({ key: 'user:ann', parts: [{ kind: 'record', record: 'subscription', action: 'updated', body }] });
	await bus.flush();
	assert.equal(await api.canWriteRoom('pair', 'ann'), false);
});

test('members among some users: not strangers, not invited ones, not people whose account is closed', async (t) => {
	const { api, user, room, member } = await given(t);
	for (const uid of ['ann', 'bob', 'eve', 'ivy']) await user(uid);
	await user('off', { active: false });
	await room('r', 'p');
	for (const uid of ['ann', 'bob', 'off', 'ghost']) await member('r', uid);
	await member('r', 'ivy', { status: 'INVITED' });
	const asked = ['bob', 'eve', 'ann', 'ivy', 'off', 'ghost'];
	assert.deepEqual(await api.membersAmong('r', asked), { t: 'p', uids: ['bob', 'ann'] });
	assert.deepEqual(await api.membersAmong('r', []), { t: 'p', uids: [] });
	assert.equal(await api.membersAmong('missing', ['ann']), null);
	await member('r', 'eve');
	assert.deepEqual(await api.membersAmong('r', ['eve']), { t: 'p', uids: ['eve'] }, 'a refusal is always read');
});

test('whom a member signals: up to 100 others; in a larger room who is online and holds the key, and nobody else', async (t) => {
	const { api, of, user, room } = await given(t);
	await user('ann');
	await user('eve');
	await room('r', 'p');
	const join = (uids: string[], more: object) =>
		of('rocketchat_subscription').insertMany(
			uids.map((uid) => ({ _id: `r-${uid}`, rid: 'r', u: { _id: uid }, ...more })),
		);
	const names = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `u${from + index}`);
	await join(['ann'], {});
	await join(names(0, 99), {});
	assert.equal(await api.peersInRoom('r', 'eve', true), null);
	assert.equal(await api.peersInRoom('missing', 'ann', true), null);
	const few = await api.peersInRoom('r', 'ann', false);
	assert.deepEqual(few?.uids.toSorted(), names(0, 99).toSorted());

	await join(names(99, 400), { E2EKey: 'key' });
	await of('users').insertMany(
		names(99, 400).map((_id, index) => ({ _id, active: index !== 0, status: index < 150 ? 'online' : 'offline' })),
	);
	assert.deepEqual(await api.peersInRoom('r', 'ann', false), { t: 'p', uids: [] });
	const holders = (await api.peersInRoom('r', 'ann', true))?.uids ?? [];
	assert.equal(new Set(holders).size, 100);
	const online = new Set(names(100, 249));
	assert.ok(holders.every((uid) => online.has(uid)));
});

test('the visitor of a conversation is who knows its token; it is nobody’s who has none', async (t) => {
	const { api, of, room } = await given(t);
	await room('chat', 'l', { v: { _id: 'v1', username: 'guest-1', token: 'secret' }, open: true });
	await room('old', 'l', { v: { _id: 'v2', username: 'guest-2' } });
	await room('empty', 'l', { v: { _id: 'v3', username: 'guest-3', token: '' } });
	await room('open', 'c', { v: { _id: 'v1', username: 'guest-1', token: 'secret' } });
	assert.deepEqual(await api.visitorOfRoom('chat', 'secret'), { _id: 'v1', username: 'guest-1' });
	for (const token of ['', 'Secret', 'secret ']) assert.equal(await api.visitorOfRoom('chat', token), null);
	for (const rid of ['old', 'empty', 'open', 'missing']) {
		assert.equal(await api.visitorOfRoom(rid, 'secret'), null, rid);
		assert.equal(await api.visitorOfRoom(rid, ''), null, rid);
	}
	await of('rocketchat_room').updateOne({ _id: 'chat' }, { $set: { 'v.token': 'other' } });
	assert.ok(await api.visitorOfRoom('chat', 'other'), 'a refusal is always read');
});
