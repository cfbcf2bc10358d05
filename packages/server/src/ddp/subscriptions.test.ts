import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventPart } from '@rookery/protocol/events.ts';
import type { Subscription } from '@rookery/protocol/records.ts';
import { until } from '../testing/sockets.ts';
import { allowingAuthorization } from '../testing/authorization.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';

const message = (rid: string, _id: string): EventPart => ({
	kind: 'direct',
	stream: 'room-messages',
	event: rid,
	args: [{ _id, rid, msg: 'hi', ts: new Date(1_696_417_505_309) }],
});

function post(rig: StreamerRig, rid: string, _id: string): void {
	rig.bus.publish({ key: `room:${rid}`, parts: [message(rid, _id)] });
}

function kick(rig: StreamerRig, rid: string, uid: string, t: 'c' | 'p'): void {
	const subscription = { _id: `s-${rid}-${uid}`, rid, t, u: { _id: uid, username: uid } } as Subscription;
	const part: EventPart = {
		kind: 'record',
		record: 'subscription',
		action: 'removed',
		body: { subscription, fields: null },
	};
	rig.bus.publish({ key: `room:${rid}`, parts: [part] });
	rig.bus.publish({ key: `user:${uid}`, parts: [part] });
}

const allow = (rig: StreamerRig, rid: string, ...uids: (string | null)[]) => rig.rights.rooms.set(rid, new Set(uids));
const ids = (events: unknown[][]) => events.map(([record]) => (record as { _id: string })._id);
const notAllowed = { isClientSafe: true, error: 'not-allowed', message: '[not-allowed]', errorType: 'Meteor.Error' };

test('every form of a sub that clients send is understood; event frames are byte for byte as specified', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'GENERAL', 'ana');
	const socket = await rig.login('ana');
	const forms: unknown[] = [
		true,
		false,
		null,
		{},
		{ args: [null] },
		{ args: [false] },
		{ args: ['GENERAL'] },
		{ useCollection: false, args: [{}] },
		{ args: {} },
	];
	for (const [index, options] of forms.entries()) {
		assert.equal(await socket.sub(`f${index}`, 'stream-room-messages', 'GENERAL', options), 'ready');
	}
	assert.equal(await socket.sub('none', 'stream-room-messages', 'GENERAL'), 'ready');
	assert.equal(await socket.sub('c', 'stream-room-messages', 'GENERAL', { useCollection: true, args: [] }), 'ready');
	const added = socket.frames.filter(({ msg, collection }) => msg === 'added' && collection === 'stream-room-messages');
	assert.deepEqual(added, [added[0], added[0]]);
	assert.deepEqual(added[0], {
		msg: 'added',
		collection: 'stream-room-messages',
		id: 'id',
		fields: { eventName: 'GENERAL' },
	});
	post(rig, 'GENERAL', 'm1');
	await socket.event('room-messages', 'GENERAL');
	assert.equal(
		socket.texts.at(-1),
		'{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"GENERAL","args":[{"_id":"m1","rid":"GENERAL","msg":"hi","ts":{"$date":1696417505309}}]}}',
	);
});

test('wrong subs: empty and non-text event names, unknown streams and publications, streams nobody reads', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	const errorOf = async (name: string, ...params: unknown[]) =>
		((await socket.sub(`x${Math.random()}`, name, ...params)) as { error: unknown }).error;
	assert.equal(await errorOf('stream-room-messages', ''), 'invalid-event-name');
	assert.equal(await errorOf('stream-room-messages', { $ne: null }), 400);
	assert.equal(await errorOf('stream-room-messages'), 400);
	assert.equal(await errorOf('stream-nothing', 'x'), 404);
	assert.equal(await errorOf('nothing'), 404);
	assert.equal(await errorOf('stream-notify-room-users', 'GENERAL/webrtc'), 'not-allowed');
	assert.equal(await errorOf('stream-apps-engine', 'x'), 'not-allowed');
	assert.equal(await errorOf('stream-notify-user', 'bob/message'), 'not-allowed');
	assert.equal(await errorOf('stream-notify-logged', 'private-settings-changed'), 'not-allowed');
	assert.equal(await errorOf('stream-room-messages', 'elsewhere'), 'not-allowed');
	for (const name of [
		'meteor.loginServiceConfiguration',
		'meteor_autoupdate_clientVersions',
		'activeUsers',
		'livechat:agents',
	]) {
		assert.equal(await socket.sub(name, name), 'ready');
	}
});

test('a session gets one frame of an event however many of its subs match, and none after the last ended', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'r', 'ana');
	const socket = await rig.login('ana');
	await socket.sub('1', 'stream-room-messages', 'r', false);
	await socket.sub('2', 'stream-room-messages', 'r', false);
	post(rig, 'r', 'm1');
	await socket.event('room-messages', 'r');
	await socket.unsub('1');
	post(rig, 'r', 'm2');
	await socket.event('room-messages', 'r', ([record]) => (record as { _id: string })._id === 'm2');
	await socket.unsub('2');
	post(rig, 'r', 'm3');
	await socket.sub('3', 'stream-room-messages', 'r', false);
	post(rig, 'r', 'm4');
	await socket.event('room-messages', 'r', ([record]) => (record as { _id: string })._id === 'm4');
	assert.deepEqual(ids(socket.events('room-messages', 'r')), ['m1', 'm2', 'm4']);
});

test('the same sub again is ready again and not doubled; the same id with other params replaces', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'one', 'ana');
	allow(rig, 'two', 'ana');
	const socket = await rig.login('ana');
	assert.equal(await socket.sub('s', 'stream-room-messages', 'one', false), 'ready');
	assert.equal(await socket.sub('s', 'stream-room-messages', 'one', false), 'ready');
	assert.equal(rig.ddp.stats().subscriptions, 1);
	assert.equal(await socket.sub('s', 'stream-room-messages', 'two', false), 'ready');
	assert.equal(rig.ddp.stats().subscriptions, 1);
	post(rig, 'one', 'm1');
	post(rig, 'two', 'm2');
	await socket.event('room-messages', 'two');
	assert.deepEqual(socket.events('room-messages', 'one'), []);
});

test('unsub while the sub is still being judged: nosub, never ready, nothing delivered, nothing kept', async (t) => {
	const gate = Promise.withResolvers<void>();
	const asked = Promise.withResolvers<void>();
	const rig = await streamerRig(t, {
		authorization: allowingAuthorization({
			canReadRoom: async () => {
				asked.resolve();
				await gate.promise;
				return true;
			},
		}),
	});
	const socket = await rig.login('ana');
	socket.send({ msg: 'sub', id: 's', name: 'stream-room-messages', params: ['r', false] });
	await asked.promise;
	await socket.unsub('s');
	gate.resolve();
	post(rig, 'r', 'm1');
	assert.equal(await socket.sub('t', 'stream-notify-all', 'x', false), 'ready');
	assert.deepEqual(socket.events('room-messages', 'r'), []);
	assert.equal(socket.frames.filter(({ msg }) => msg === 'ready').length, 1);
	assert.equal(socket.frames.filter(({ msg, id }) => msg === 'nosub' && id === 's').length, 1);
	await socket.unsub('never-heard-of');
});

test('a sub in front of its login waits for it; without one it ends not-allowed, and public ones do not wait', async (t) => {
	const rig = await streamerRig(t, { limits: { loginWaitMs: 1_000 } });
	const socket = await rig.connect();
	await socket.negotiate();
	const waiting = socket.sub('w', 'stream-notify-user', 'ana/message', false);
	assert.equal(await socket.sub('p', 'stream-notify-all', 'public-settings-changed', false), 'ready');
	assert.equal(await socket.sub('m', 'stream-room-messages', '__my_messages__', true), 'ready');
	assert.equal(
		socket.frames.some(({ msg, id }) => msg === 'nosub' && id === 'w'),
		false,
	);
	const helper = await rig.login('ana');
	await socket.call('login', { resume: [...rig.tokens.keys()][0] });
	assert.equal(await waiting, 'ready');
	const lonely = await streamerRig(t);
	const anonymous = await lonely.connect();
	await anonymous.negotiate();
	assert.deepEqual(await anonymous.sub('w', 'stream-notify-user', 'ana/message', false), notAllowed);
	await helper.settled();
});

test('a kick from a closed room leaves before the next message: nosub, and no further frame', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'secret', 'ana', 'bob');
	const [ana, bob] = [await rig.login('ana'), await rig.login('bob')];
	for (const socket of [ana, bob]) {
		await socket.sub('m', 'stream-room-messages', 'secret', false);
		await socket.sub('n', 'stream-notify-room', 'secret/deleteMessage', false);
	}
	post(rig, 'secret', 'before');
	// Authorization has not heard of it yet: it still says yes.
	kick(rig, 'secret', 'bob', 'p');
	post(rig, 'secret', 'after');
	await ana.event('room-messages', 'secret', ([record]) => (record as { _id: string })._id === 'after');
	await bob.settled();
	assert.deepEqual(ids(bob.events('room-messages', 'secret')), ['before']);
	const ended = bob.frames.filter(({ msg }) => msg === 'nosub');
	assert.deepEqual(
		ended.map(({ id, error }) => [id, (error as { error: string }).error]),
		[
			['m', 'not-allowed'],
			['n', 'not-allowed'],
		],
	);
});

test('who leaves a public channel and may still preview it misses nothing; who may not gets nothing', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'open', 'ana', 'bob');
	const [ana, bob] = [await rig.login('ana'), await rig.login('bob')];
	for (const socket of [ana, bob]) await socket.sub('m', 'stream-room-messages', 'open', false);
	allow(rig, 'open', 'ana');
	kick(rig, 'open', 'ana', 'c');
	kick(rig, 'open', 'bob', 'c');
	post(rig, 'open', 'm1');
	post(rig, 'open', 'm2');
	await ana.event('room-messages', 'open', ([record]) => (record as { _id: string })._id === 'm2');
	await bob.next(({ msg, id }) => msg === 'nosub' && id === 'm');
	assert.deepEqual(ids(ana.events('room-messages', 'open')), ['m1', 'm2']);
	assert.deepEqual(bob.events('room-messages', 'open'), []);
});

test('a revoked permission ends subs, also when authorization hears of it after us', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'open', 'ana');
	const socket = await rig.login('ana');
	await socket.sub('m', 'stream-room-messages', 'open', false);
	await socket.sub('a', 'stream-notify-all', 'x', false);
	rig.bus.publish({
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
	await socket.settled();
	allow(rig, 'open');
	await socket.next(({ msg, id }) => msg === 'nosub' && id === 'm');
	post(rig, 'open', 'm1');
	await socket.settled();
	assert.deepEqual(socket.events('room-messages', 'open'), []);
	assert.equal(
		socket.frames.some(({ msg, id }) => msg === 'nosub' && id === 'a'),
		false,
	);
});

test('logging in as somebody else: what the new user may read stays, the rest ends, nothing of the old leaves', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'both', 'ana', 'bob');
	allow(rig, 'only-ana', 'ana');
	const socket = await rig.login('ana');
	await socket.sub('both', 'stream-room-messages', 'both', false);
	await socket.sub('only', 'stream-room-messages', 'only-ana', false);
	await socket.sub('own', 'stream-notify-user', 'ana/message', false);
	await rig.login('bob');
	const token = [...rig.tokens].find(([, { uid }]) => uid === 'bob')?.[0];
	await socket.call('login', { resume: token });
	const ended = socket.frames.filter(({ msg }) => msg === 'nosub').map(({ id }) => id);
	assert.deepEqual(new Set(ended), new Set(['only', 'own']));
	assert.equal(ended.length, 2);
	post(rig, 'only-ana', 'm1');
	post(rig, 'both', 'm2');
	await socket.event('room-messages', 'both');
	assert.deepEqual(socket.events('room-messages', 'only-ana'), []);
	const users = socket.frames.filter(({ collection }) => collection === 'users').map(({ msg, id }) => [msg, id]);
	assert.deepEqual(users, [
		['added', 'ana'],
		['removed', 'ana'],
		['added', 'bob'],
	]);
});

test('an event that was seen, or comes from a hub that was replaced, is not delivered again', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'r', 'ana');
	const socket = await rig.login('ana');
	await socket.sub('m', 'stream-room-messages', 'r', false);
	const at = (epoch: number, pos: string) => ({ epoch, pos: pos.padStart(20, '0'), prev: '' });
	rig.bus.publish({ key: 'room:r', parts: [message('r', 'm1')] }, at(2, '1'));
	rig.bus.publish({ key: 'room:r', parts: [message('r', 'm1')] }, at(2, '1'));
	rig.bus.publish({ key: 'room:r', parts: [message('r', 'old')] }, at(1, '2'));
	rig.bus.publish({ key: 'room:r', parts: [message('r', 'm2')] }, at(2, '2'));
	await socket.event('room-messages', 'r', ([record]) => (record as { _id: string })._id === 'm2');
	assert.deepEqual(ids(socket.events('room-messages', 'r')), ['m1', 'm2']);
});

test('typing: told in both ways to the others, never to the connection it came from, only under the own name', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'r', 'ana', 'bob');
	const [ana, twin, bob, eve] = [
		await rig.login('ana'),
		await rig.login('ana'),
		await rig.login('bob'),
		await rig.login('eve'),
	];
	for (const socket of [ana, twin, bob]) {
		await socket.sub('a', 'stream-notify-room', 'r/user-activity', false);
		await socket.sub('t', 'stream-notify-room', 'r/typing', false);
	}
	assert.equal(
		await ana.call('stream-notify-room', 'r/user-activity', 'ana', ['user-typing'], { tmid: 'th', x: 1 }, ''),
		undefined,
	);
	assert.deepEqual(await bob.event('notify-room', 'r/user-activity'), ['ana', ['user-typing'], { tmid: 'th' }]);
	assert.deepEqual(await bob.event('notify-room', 'r/typing'), ['ana', true]);
	assert.deepEqual(await twin.event('notify-room', 'r/typing'), ['ana', true]);
	await ana.call('stream-notify-room', 'r/user-activity', 'bob', ['user-typing'], {});
	await ana.call('stream-notify-room', 'r/user-activity', 'ana', ['user-dancing'], {});
	await ana.call('stream-notify-room', 'r/deleteMessage', { _id: 'x' });
	await ana.call('stream-notify-user', 'bob/force_logout');
	await eve.call('stream-notify-room', 'r/typing', 'eve', true);
	await bob.call('stream-notify-room', 'r/typing', 'bob', false);
	assert.deepEqual(await ana.event('notify-room', 'r/typing'), ['bob', false]);
	assert.deepEqual(await ana.event('notify-room', 'r/user-activity'), ['bob', []]);
	assert.equal(bob.events('notify-room', 'r/typing').length, 1);
	assert.equal(ana.events('notify-room', 'r/typing').length, 1);
});

test('user-presence: first sub is the main one, later ones change the set, frames have the exact nesting', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	assert.equal(await socket.sub('a1', 'stream-user-presence', '', { added: ['u1', 'u2'] }), 'ready');
	assert.equal(
		await socket.sub('a2', 'stream-user-presence', '', { added: ['u3', 'u4'], removed: ['u1', 'u4'] }),
		null,
	);
	await socket.sub('s', 'stream-notify-logged', 'user-status', false);
	const change = (uid: string) =>
		rig.bus.publish({
			key: 'all:presence',
			parts: [
				{
					kind: 'record',
					record: 'presence',
					action: 'updated',
					body: { uid, username: `n-${uid}`, name: 'N', roles: ['user'], status: 'away', statusText: 'lunch' },
				},
			],
		});
	for (const uid of ['u1', 'u4', 'u3']) change(uid);
	await socket.event('user-presence', 'u3');
	assert.deepEqual(
		socket.frames.filter(({ collection }) => collection === 'stream-user-presence'),
		[
			{
				msg: 'changed',
				collection: 'stream-user-presence',
				id: 'u3',
				fields: { uid: 'u3', eventName: 'u3', args: [['n-u3', 2, 'lunch']] },
			},
		],
	);
	assert.deepEqual(socket.events('notify-logged', 'user-status')[0], [['u1', 'n-u1', 2, 'lunch', 'N', ['user']]]);
	await socket.unsub('a1');
	change('u3');
	await socket.event('notify-logged', 'user-status', ([status]) => (status as string[])[0] === 'u3');
	assert.equal(await socket.sub('a3', 'stream-user-presence', '', {}), 'ready', 'the next one becomes the main sub');
	const anonymous = await rig.connect();
	await anonymous.negotiate();
	assert.deepEqual(await anonymous.sub('p', 'stream-user-presence', '', { added: ['u1'] }), notAllowed);
});

test('1,000 subs are taken at once, one more is refused, and the bus keys go with the socket', async (t) => {
	const rig = await streamerRig(t);
	const before = rig.ddp.stats().keys;
	const socket = await rig.login('ana');
	for (let count = 0; count < 1_000; count++) {
		allow(rig, `r${count}`, 'ana');
		socket.send({ msg: 'sub', id: `s${count}`, name: 'stream-room-messages', params: [`r${count}`, false] });
	}
	for (let count = 0; count < 1_000; count++)
		await socket.next((frame) => (frame['subs'] as string[] | undefined)?.[0] === `s${count}`, count);
	assert.equal(((await socket.sub('over', 'stream-notify-all', 'x')) as { error: string }).error, 'too-many-requests');
	assert.equal(rig.ddp.stats().keys, before + 1_001);
	socket.close();
	await socket.closed;
	const probe = await rig.connect();
	await probe.negotiate();
	// It might have come back.
	assert.deepEqual([rig.ddp.stats().detached, rig.ddp.stats().sockets], [1, 1]);
	rig.clock.advance(61_000);
	await until(() => rig.ddp.stats().detached === 0);
	assert.deepEqual([rig.ddp.stats().subscriptions, rig.ddp.stats().keys], [0, before]);
});

test('private settings: all of them to who may see all, selected ones to who manages them, nothing to others', async (t) => {
	const rig = await streamerRig(t);
	const grant = (permission: string, ...uids: string[]) => rig.rights.permissions.set(permission, new Set(uids));
	grant('view-privileged-setting', 'ana');
	grant('manage-selected-settings', 'bob');
	grant('change-setting-B', 'bob');
	const [ana, bob, eve] = [await rig.login('ana'), await rig.login('bob'), await rig.login('eve')];
	for (const socket of [ana, bob])
		assert.equal(await socket.sub('s', 'stream-notify-logged', 'private-settings-changed'), 'ready');
	assert.deepEqual(await eve.sub('s', 'stream-notify-logged', 'private-settings-changed'), notAllowed);
	for (const _id of ['A', 'B']) {
		rig.bus.publish({
			key: 'all:settings',
			parts: [
				{
					kind: 'direct',
					stream: 'notify-logged',
					event: 'private-settings-changed',
					args: ['updated', { _id, value: 1 }],
				},
			],
		});
	}
	await bob.event('notify-logged', 'private-settings-changed');
	await ana.event(
		'notify-logged',
		'private-settings-changed',
		([, setting]) => (setting as { _id: string })._id === 'B',
	);
	const ids = (socket: typeof ana) =>
		socket.events('notify-logged', 'private-settings-changed').map(([, setting]) => (setting as { _id: string })._id);
	assert.deepEqual([ids(ana), ids(bob), ids(eve)], [['A', 'B'], ['B'], []]);
});
