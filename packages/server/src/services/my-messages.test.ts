import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { EventPart } from '@rookery/protocol/events.ts';
import type { Room, Subscription } from '@rookery/protocol/records.ts';
import type { RoomFacts, StreamerReads } from '../repositories/streamer-reads.ts';
import type { TestSocket } from '../testing/sockets.ts';
import { allowingAuthorization } from '../testing/authorization.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';

/** What authorization was asked, and how it answers: everything is allowed unless a test says otherwise. */
type Desk = { asked: { rid: string; uids: string[] }[]; answer: (rid: string, uids: string[]) => Promise<string[]> };

type Given = { rig: StreamerRig; desk: Desk; rooms: Map<string, RoomFacts>; members: { uid: string; rid: string }[] };

async function given(t: TestContext): Promise<Given> {
	const desk: Desk = { asked: [], answer: async (_rid, uids) => uids };
	const rooms = new Map<string, RoomFacts>([['open', { usersCount: 2, _id: 'open', t: 'c', name: 'open' }]]);
	const members: Given['members'] = [];
	const authorization = allowingAuthorization({
		usersWithAccess: async (rid, uids) => {
			desk.asked.push({ rid, uids });
			return desk.answer(rid, uids);
		},
	});
	const reads: StreamerReads = {
		memberships: async (uids) => members.filter(({ uid }) => uids.includes(uid)),
		records: async () => [],
		roomFacts: async (rids) => [...rooms.values()].filter(({ _id }) => rids.includes(_id)),
		room: async () => null,
		userFacts: async () => [],
	};
	return { rig: await streamerRig(t, { authorization, reads }), desk, rooms, members };
}

async function listening({ rig }: Given, uid: string): Promise<TestSocket> {
	const socket = await rig.login(uid);
	assert.equal(await socket.sub('mine', 'stream-room-messages', '__my_messages__', true), 'ready');
	return socket;
}

function post({ rig }: Given, rid: string, _id: string, pos?: string): void {
	const part: EventPart = { kind: 'direct', stream: 'room-messages', event: rid, args: [{ _id, rid, msg: 'hi' }] };
	const position = pos === undefined ? undefined : { epoch: 1, pos: pos.padStart(20, '0'), prev: '' };
	rig.bus.publish({ key: `room:${rid}`, parts: [part] }, position);
}

function tellRoom({ rig }: Given, room: Partial<Room> & { _id: string }, fields: string[]): void {
	const whole = { msgs: 0, usersCount: 0, t: 'c', _updatedAt: new Date(), ...room } as Room;
	const part: EventPart = { kind: 'record', record: 'room', action: 'updated', body: { room: whole, fields } };
	rig.bus.publish({ key: `room:${room._id}`, parts: [part] });
}

function tellMembership({ rig }: Given, action: 'inserted' | 'removed', rid: string, uid: string): void {
	const subscription = { _id: `${rid}-${uid}`, rid, t: 'p', u: { _id: uid, username: uid } } as Subscription;
	const part: EventPart = { kind: 'record', record: 'subscription', action, body: { subscription, fields: null } };
	rig.bus.publish({ key: `user:${uid}`, parts: [part] });
}

const told = (socket: TestSocket, id: string) =>
	socket.event('room-messages', '__my_messages__', ([message]) => (message as { _id: string })._id === id);
const heard = (socket: TestSocket) =>
	socket.events('room-messages', '__my_messages__').map(([message]) => (message as { _id: string })._id);
const list = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`);

test('messages wait for the answer in their order; one question is asked for all subscribers', async (t) => {
	const it = await given(t);
	it.members.push({ uid: 'ben', rid: 'open' });
	const [ana, ben, eve] = [await listening(it, 'ana'), await listening(it, 'ben'), await listening(it, 'eve')];
	const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
	it.desk.answer = async (_rid, uids) => {
		asked.resolve();
		await gate.promise;
		return uids.filter((uid) => uid !== 'eve');
	};
	const ids = list(60);
	for (const id of ids.slice(0, 30)) post(it, 'open', id);
	await asked.promise;
	for (const id of ids.slice(30, 59)) post(it, 'open', id);
	await it.rig.bus.flush();
	assert.deepEqual([heard(ana), heard(ben)], [[], []]);
	gate.resolve();
	await Promise.all([told(ana, 'm58'), told(ben, 'm58')]);
	post(it, 'open', 'm59');
	const [, about] = await told(ana, 'm59');
	assert.deepEqual(about, { roomParticipant: false, roomType: 'c', roomName: 'open' });
	assert.deepEqual((await told(ben, 'm59'))[1], { roomParticipant: true, roomType: 'c', roomName: 'open' });
	await eve.settled();
	assert.deepEqual([heard(ana), heard(ben), heard(eve)], [ids, ids, []]);
	assert.deepEqual(it.desk.asked, [{ rid: 'open', uids: ['ana', 'ben', 'eve'] }]);
});

test('an answer is used for half a second at most, and not beyond a change of rights', async (t) => {
	const it = await given(t);
	const ana = await listening(it, 'ana');
	const next = async (id: string) => {
		post(it, 'open', id);
		await told(ana, id);
		return it.desk.asked.length;
	};
	assert.deepEqual([await next('a'), await next('b')], [1, 1]);
	it.rig.clock.advance(501);
	assert.deepEqual([await next('c'), await next('d')], [2, 2]);
	tellRoom(it, { _id: 'open', name: 'renamed' }, ['name']);
	assert.equal(await next('e'), 2);
	assert.deepEqual((await told(ana, 'e'))[1], { roomParticipant: false, roomType: 'c', roomName: 'renamed' });
	tellRoom(it, { _id: 'open', name: 'renamed', teamId: 'team' }, ['teamId']);
	assert.equal(await next('f'), 3);
	it.rig.bus.publish({
		key: 'all:permissions',
		parts: [
			{
				kind: 'record',
				record: 'permission',
				action: 'updated',
				body: { permission: { _id: 'view-c-room', roles: [], _updatedAt: new Date() } },
			},
		],
	});
	it.desk.answer = async () => [];
	post(it, 'open', 'not for her');
	await it.rig.bus.flush();
	await ana.settled();
	assert.deepEqual(heard(ana), ['a', 'b', 'c', 'd', 'e', 'f']);
});

test('a channel that becomes private while it is being asked: the answer from before is worth nothing', async (t) => {
	const it = await given(t);
	const ana = await listening(it, 'ana');
	const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
	it.desk.answer = async (_rid, uids) => {
		asked.resolve();
		await gate.promise;
		return uids;
	};
	post(it, 'open', 'm1');
	await asked.promise;
	tellRoom(it, { _id: 'open', t: 'p' }, ['t']);
	post(it, 'open', 'm2');
	await it.rig.bus.flush();
	gate.resolve();
	it.rooms.set('other', { usersCount: 2, _id: 'other', t: 'c' });
	post(it, 'other', 'm3');
	await told(ana, 'm3');
	assert.deepEqual(heard(ana), ['m3']);
});

test('closed rooms: only members are asked about; a kick counts before the next message', async (t) => {
	const it = await given(t);
	it.rooms.set('closed', { usersCount: 2, _id: 'closed', t: 'p', name: 'closed' });
	it.rooms.set('talk', { usersCount: 2, _id: 'talk', t: 'd' });
	it.rooms.set('discussion', { usersCount: 2, _id: 'discussion', t: 'p', name: 'discussion', prid: 'open' });
	it.members.push({ uid: 'ana', rid: 'closed' });
	const [ana, bot] = [await listening(it, 'ana'), await listening(it, 'bot')];
	for (const rid of ['closed', 'talk', 'nowhere', 'discussion']) post(it, rid, `in ${rid}`);
	await Promise.all([told(ana, 'in discussion'), told(bot, 'in discussion')]);
	await told(ana, 'in closed');
	tellMembership(it, 'removed', 'closed', 'ana');
	post(it, 'closed', 'without her');
	post(it, 'discussion', 'the end');
	await told(ana, 'the end');
	await bot.settled();
	assert.deepEqual(heard(ana).sort(), ['in closed', 'in discussion', 'the end']);
	assert.deepEqual(
		heard(bot).filter((id) => id !== 'the end'),
		['in discussion'],
	);
	const closed = it.desk.asked.filter(({ rid }) => rid === 'closed' || rid === 'talk' || rid === 'nowhere');
	assert.deepEqual(closed, [{ rid: 'closed', uids: ['ana'] }]);
});

test('the same event by two ways, or told twice by two hubs, is one frame', async (t) => {
	const it = await given(t);
	it.members.push({ uid: 'ana', rid: 'open' });
	const ana = await listening(it, 'ana');
	assert.equal(await ana.sub('room', 'stream-room-messages', 'open', false), 'ready');
	for (const [id, pos] of [
		['m1', '1'],
		['m2', '2'],
		['m1', '1'],
		['m2', '2'],
		['m3', '3'],
	] as const)
		post(it, 'open', id, pos);
	await told(ana, 'm3');
	await ana.event('room-messages', 'open', ([message]) => (message as { _id: string })._id === 'm3');
	assert.deepEqual(heard(ana), ['m1', 'm2', 'm3']);
	assert.equal(ana.events('room-messages', 'open').length, 3);
});

test('all rooms are heard only while somebody who is logged in wants them', async (t) => {
	const it = await given(t);
	const { rig } = it;
	const before = rig.ddp.stats().keys;
	const anonymous = await rig.connect();
	await anonymous.negotiate();
	assert.equal(await anonymous.sub('m', 'stream-room-messages', '__my_messages__', true), 'ready');
	assert.equal(rig.ddp.stats().keys, before);
	const [ana, twin] = [await listening(it, 'ana'), await listening(it, 'ana')];
	post(it, 'open', 'm1');
	await Promise.all([told(ana, 'm1'), told(twin, 'm1')]);
	await ana.unsub('mine');
	post(it, 'open', 'm2');
	await told(twin, 'm2');
	await twin.unsub('mine');
	post(it, 'open', 'm3');
	await it.rig.bus.flush();
	for (const socket of [ana, twin, anonymous]) await socket.settled();
	assert.deepEqual([heard(ana), heard(twin), heard(anonymous)], [['m1'], ['m1', 'm2'], []]);
	// What stays is the user's own key.
	assert.equal(rig.ddp.stats().keys, before + 1);
});

test('when it cannot be told who may read, or too much waits for it, the sockets concerned close with 1012', async (t) => {
	const it = await given(t);
	const [ana, other] = [await listening(it, 'ana'), await it.rig.login('other')];
	it.desk.answer = () => Promise.reject(new ClientError('error-service-unavailable', 'Nobody answers'));
	post(it, 'open', 'm1');
	assert.equal((await ana.closed).code, 1012);
	const ben = await listening(it, 'ben');
	it.desk.answer = () => new Promise(() => undefined);
	for (const id of list(20_001)) post(it, 'open', id);
	assert.equal((await ben.closed).code, 1012);
	await other.settled();
	const eve = await listening(it, 'eve');
	it.rooms.set('next', { usersCount: 2, _id: 'next', t: 'c' });
	it.desk.answer = async (_rid, uids) => uids;
	post(it, 'next', 'm2');
	await told(eve, 'm2');
});
