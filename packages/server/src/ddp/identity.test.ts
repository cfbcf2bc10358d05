import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountsApi } from '../services/contracts.ts';
import { actorOf, streamerRig } from '../testing/streamer.ts';

test('a second login of the same user on a connection is nothing new to presence', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	await socket.call('login', { resume: [...rig.tokens.keys()][0] });
	assert.equal(rig.reports.filter(([what]) => what === 'connected').length, 1);
});

test('methods and subs behind a login wait for it and run as the user', async (t) => {
	const rig = await streamerRig(t);
	rig.tokens.set('tok', actorOf('ana', 'tok'));
	const socket = await rig.connect();
	await socket.negotiate();
	socket.send({ msg: 'method', id: '1', method: 'login', params: [{ resume: 'tok' }] });
	socket.send({ msg: 'method', id: '2', method: 'who', params: [] });
	socket.send({ msg: 'sub', id: 's', name: 'stream-notify-user', params: ['ana/message', false] });
	await socket.next(({ msg }) => msg === 'ready');
	assert.equal(rig.calls[0]?.actor?.uid, 'ana');
	const loginAt = socket.frames.findIndex(({ id, msg }) => msg === 'result' && id === '1');
	const readyAt = socket.frames.findIndex(({ msg }) => msg === 'ready');
	assert.ok(loginAt < readyAt);
});

test('logout: the socket stays, anonymous; subs that need a user end, others stay; presence is told at once', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	assert.equal(await socket.sub('u', 'stream-notify-user', 'ana/message', false), 'ready');
	assert.equal(await socket.sub('a', 'stream-notify-all', 'public-settings-changed', false), 'ready');
	const from = socket.frames.length;
	assert.equal(await socket.call('logout'), undefined);
	assert.deepEqual(socket.frames[from], { msg: 'removed', collection: 'users', id: 'ana' });
	const ended = socket.frames.filter(({ msg, id }) => msg === 'nosub' && id === 'u');
	assert.deepEqual(
		ended.map(({ error }) => (error as { error: string }).error),
		['not-allowed'],
	);
	assert.equal(socket.frames.filter(({ msg, id }) => msg === 'nosub' && id === 'a').length, 0);
	assert.equal(rig.tokens.size, 0);
	assert.deepEqual(rig.reports.at(-1)?.[2], true);
	await socket.call('who');
	assert.equal(rig.calls.at(-1)?.actor, null);
	rig.bus.publish({
		key: 'all:public',
		parts: [{ kind: 'direct', stream: 'notify-all', event: 'public-settings-changed', args: ['updated'] }],
	});
	assert.deepEqual(await socket.event('notify-all', 'public-settings-changed'), ['updated']);
});

test('a token that was revoked while its login was under way does not stay', async (t) => {
	const actor = actorOf('bob', 'gone');
	const accounts: Partial<AccountsApi> = {
		login: async () => ({ id: 'bob', token: 'gone', tokenExpires: new Date(), type: 'resume', actor }),
		authenticate: async () => null,
	};
	const rig = await streamerRig(t, { accounts: accounts as AccountsApi });
	const socket = await rig.connect();
	await socket.negotiate();
	await socket.call('login', { resume: 'gone' });
	assert.deepEqual(await socket.closed, { code: 4403, reason: 'LOGGED_OUT' });
});

test('a deactivated user is logged out everywhere; a login that runs out ends on the open socket', async (t) => {
	const rig = await streamerRig(t);
	const ana = await rig.login('ana');
	const user = {
		_id: 'ana',
		username: 'ana',
		roles: ['user'],
		active: false,
		type: 'user' as const,
		createdAt: new Date(),
		_updatedAt: new Date(),
	};
	rig.bus.publish({
		key: 'user:ana',
		parts: [{ kind: 'record', record: 'user', action: 'updated', body: { user, diff: { active: false }, unset: {} } }],
	});
	assert.equal((await ana.closed).code, 4403);
	const bob = await rig.login('bob');
	rig.clock.advance(86_400_001);
	assert.equal((await bob.closed).code, 4403);
});

test('a user record that changed: userData to himself, and the users publication follows its three fields', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	await socket.sub('d', 'stream-notify-user', 'ana/userData', false);
	const user = {
		_id: 'ana',
		username: 'anna',
		name: 'Name of ana',
		emails: [{ address: 'ana@example.com', verified: true }],
		roles: ['user'],
		active: true,
		type: 'user' as const,
		createdAt: new Date(),
		_updatedAt: new Date(),
	};
	rig.bus.publish({
		key: 'user:ana',
		parts: [
			{ kind: 'record', record: 'user', action: 'updated', body: { user, diff: { username: 'anna' }, unset: {} } },
		],
	});
	assert.deepEqual(await socket.event('notify-user', 'ana/userData'), [
		{ type: 'updated', id: 'ana', diff: { username: 'anna' }, unset: {} },
	]);
	assert.deepEqual(await socket.next(({ msg, id }) => msg === 'changed' && id === 'ana'), {
		msg: 'changed',
		collection: 'users',
		id: 'ana',
		fields: { username: 'anna' },
	});
	await socket.call('who');
	assert.equal(rig.calls.at(-1)?.actor?.username, 'anna');
});

test('presence methods: status of the connection and of the user, with whatever clients append', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	for (const params of [[''], ['ana'], [], [{ twoFactorCode: '1', twoFactorMethod: 'totp' }]]) {
		assert.equal(await socket.call('UserPresence:away', ...params), undefined);
	}
	assert.equal(rig.reports.filter(([what, , status]) => what === 'status' && status === 'away').length, 4);
	await socket.call('setUserStatus', 'busy', 'at lunch', '');
	assert.deepEqual(rig.reports.at(-1), ['setStatus', 'ana', 'busy', 'at lunch']);
	await socket.call('UserPresence:setDefaultStatus', 'ana', 'away');
	assert.deepEqual(rig.reports.at(-1), ['setStatus', 'ana', 'away', null]);
	await assert.rejects(socket.call('UserPresence:setDefaultStatus', 'bob', 'away'));
	await assert.rejects(socket.call('UserPresence:setDefaultStatus', { $ne: null }));
});

test('one person cannot hold more sockets than allowed: the surplus closes 1013', async (t) => {
	const rig = await streamerRig(t, { limits: { maxSocketsPerUser: 1 } });
	await rig.login('ana');
	rig.tokens.set('second', actorOf('ana', 'second'));
	const surplus = await rig.connect();
	await surplus.negotiate();
	surplus.send({ msg: 'method', id: '1', method: 'login', params: [{ resume: 'second' }] });
	assert.equal((await surplus.closed).code, 1013);
});
