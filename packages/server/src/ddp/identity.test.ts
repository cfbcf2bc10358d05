import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountsApi } from '../services/contracts.ts';
import { actorOf, streamerRig } from '../testing/streamer.ts';

test('login: added users, then result, then updated; a second login of the same user adds nothing', async (t) => {
	const rig = await streamerRig(t);
	rig.tokens.set('tok', actorOf('ana', 'tok'));
	const socket = await rig.connect();
	await socket.negotiate();
	const from = socket.frames.length;
	const result = (await socket.call('login', { resume: 'tok' })) as Record<string, unknown>;
	assert.deepEqual(
		socket.frames.slice(from).map(({ msg }) => msg),
		['added', 'result', 'updated'],
	);
	assert.deepEqual(socket.frames[from], {
		msg: 'added',
		collection: 'users',
		id: 'ana',
		fields: { username: 'ana', emails: [{ address: 'ana@example.com', verified: true }], name: 'Name of ana' },
	});
	assert.deepEqual([result['id'], result['token'], result['type']], ['ana', 'tok', 'resume']);
	assert.equal(typeof (result['tokenExpires'] as { $date: number }).$date, 'number');
	await socket.call('login', { resume: 'tok' });
	assert.equal(socket.frames.filter(({ msg }) => msg === 'added').length, 1);
	assert.equal(rig.reports.filter(([what]) => what === 'connected').length, 1);
});

test('a wrong token leaves the previous identity untouched', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	await assert.rejects(
		socket.call('login', { resume: 'wrong' }),
		(error: Error & { wire: { error: number } }) => error.wire.error === 403,
	);
	await socket.call('who');
	assert.equal(rig.calls.at(-1)?.actor?.uid, 'ana');
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

test('the announcement of its own logout does not close the socket that called it, but others of the token', async (t) => {
	const rig = await streamerRig(t);
	const actor = actorOf('ana', 'tok');
	rig.tokens.set('tok', actor);
	const [one, other] = [await rig.connect(), await rig.connect()];
	for (const socket of [one, other]) {
		await socket.negotiate();
		await socket.call('login', { resume: 'tok' });
	}
	await one.call('logout');
	rig.bus.publish({
		key: 'user:ana',
		parts: [
			{
				kind: 'record',
				record: 'logout',
				action: 'removed',
				body: { uid: 'ana', hashedTokens: [actor.hashedToken], reason: 'logout' },
			},
		],
	});
	assert.deepEqual(await other.closed, { code: 4403, reason: 'LOGGED_OUT' });
	await one.settled();
});

test('revocation: force_logout to the affected sockets only, then nosub, then 4403', async (t) => {
	const rig = await streamerRig(t);
	const [kept, ended] = [await rig.login('ana'), await rig.login('ana')];
	await ended.sub('u', 'stream-notify-user', 'ana/force_logout', false);
	const hashes = [...rig.tokens.values()].map(({ hashedToken }) => hashedToken);
	rig.bus.publish({
		key: 'user:ana',
		parts: [
			{
				kind: 'record',
				record: 'logout',
				action: 'removed',
				body: { uid: 'ana', hashedTokens: hashes.slice(1), reason: 'others' },
			},
		],
	});
	assert.deepEqual(await ended.closed, { code: 4403, reason: 'LOGGED_OUT' });
	assert.deepEqual(ended.events('notify-user', 'ana/force_logout'), [[]]);
	assert.deepEqual(ended.events('force_logout', 'ana/force_logout'), [[]]);
	const last = ended.frames.at(-1);
	assert.deepEqual([last?.msg, last?.id], ['nosub', 'u']);
	await kept.call('who');
	assert.equal(rig.calls.at(-1)?.actor?.uid, 'ana');
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

test('getNewToken moves the connection to the new token; removeOtherTokens then keeps it', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('ana');
	const made = (await socket.call('getNewToken')) as { token: string };
	assert.ok(rig.tokens.has(made.token));
	await socket.call('removeOtherTokens');
	assert.deepEqual([...rig.tokens.keys()], [made.token]);
	const anonymous = await rig.connect();
	await anonymous.negotiate();
	await assert.rejects(anonymous.call('getNewToken'), (error: Error & { wire: { reason: string } }) => {
		return error.wire.reason === 'You are not logged in.';
	});
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
