import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runningWorkspace, type RunningUser, type RunningWorkspace } from '../testing/running-workspace.ts';
import type { TestSocket } from '../testing/sockets.ts';

/** Streams together with the services they ask and the hub they hear: nothing here stands in for anything. */

type Stored = { _id: string; [field: string]: unknown };

const isEnd = (id: string) => (frame: { msg?: string; id?: string }) => frame.msg === 'nosub' && frame.id === id;
const collection = 'meteor_accounts_loginServiceConfiguration';

async function read(socket: TestSocket, id: string, name: string, event: string): Promise<void> {
	assert.equal(await socket.sub(id, `stream-${name}`, event, false), 'ready');
}

/** Changes stored documents as a script would. */
async function change(it: RunningWorkspace, name: string, _id: string, update: object): Promise<void> {
	const { matchedCount } = await it.db
		.collection<{ _id: string; _updatedAt?: Date }>(name)
		.updateOne({ _id }, { ...update, $currentDate: { _updatedAt: true } });
	assert.equal(matchedCount, 1);
}

async function channel(it: RunningWorkspace, name: string, owner: RunningUser, members: string[] = []) {
	const made = await it.rest('POST', 'channels.create', { name, members }, owner);
	return (made['channel'] as Stored)._id;
}

/** Posts, and waits until a reader has it: everything that happened before has been heard. */
async function postHeard(it: RunningWorkspace, socket: TestSocket, roomId: string, author: RunningUser) {
	const { message } = await it.rest('POST', 'chat.postMessage', { roomId, text: 'hi' }, author);
	const { _id } = message as Stored;
	await socket.event('room-messages', roomId, ([record]) => (record as Stored)._id === _id);
}

test('login services are published as they change: added, changed, without a field, removed; never a secret', async (t) => {
	const it = await runningWorkspace(t);
	const services = it.db.collection<Stored>(collection);
	const socket = await it.connect();
	assert.equal(await socket.sub('s', 'meteor.loginServiceConfiguration'), 'ready');
	const told = () =>
		socket.frames
			.filter((frame) => frame['collection'] === collection)
			.map(({ msg, id, fields }) => (fields === undefined ? [msg, id] : [msg, id, fields]));
	const github = { service: 'github', clientId: 'id', loginStyle: 'popup' };
	await services.insertOne({ _id: 'a', ...github, secret: 'hush' });
	await socket.next(({ msg, id }) => msg === 'added' && id === 'a');
	await services.updateOne({ _id: 'a' }, { $set: { clientId: 'new', secret: 'hush hush' } });
	await socket.next(({ msg, id }) => msg === 'changed' && id === 'a');
	const late = await it.connect();
	assert.equal(await late.sub('s', 'meteor.loginServiceConfiguration'), 'ready');
	await services.updateOne({ _id: 'a' }, { $unset: { loginStyle: 1 } });
	await socket.next(({ msg, id }) => msg === 'removed' && id === 'a');
	await late.next(({ msg, id }) => msg === 'removed' && id === 'a');
	await services.insertOne({ _id: 'b', service: 'dolphin', privateKey: 'hush' });
	await socket.next(({ msg, id }) => msg === 'added' && id === 'b');
	await services.deleteOne({ _id: 'b' });
	await socket.next(({ msg, id }) => msg === 'removed' && id === 'b');
	const without = { service: 'github', clientId: 'new' };
	assert.deepEqual(told(), [
		['added', 'a', github],
		['changed', 'a', { clientId: 'new' }],
		['removed', 'a'],
		['added', 'a', without],
		['added', 'b', { service: 'dolphin' }],
		['removed', 'b'],
	]);
	await socket.unsub('s');
	const from = late.frames.length;
	await services.deleteOne({ _id: 'a' });
	await late.next(({ msg, id }) => msg === 'removed' && id === 'a', from);
	await socket.settled();
	assert.deepEqual(told().at(-1), ['removed', 'a']);
	assert.equal(told().length, 7, 'nothing follows the end of the subscription');
	assert.equal([...socket.texts, ...late.texts].join('').includes('hush'), false);
});

test('what somebody may read ends when the reason ends', async (t) => {
	const it = await runningWorkspace(t);
	const [ana, ben] = [await it.user('ana'), await it.user('ben')];

	await t.test('a channel that becomes private: members stay, others end, its discussions included', async () => {
		const parent = await channel(it, 'parent', ana, []);
		const discussion = `d-${parent}`;
		const room = { t: 'p', name: discussion, fname: 'talk', prid: parent, msgs: 0, usersCount: 1 };
		await it.db.collection<Stored>('rocketchat_room').insertOne({ _id: discussion, ...room, _updatedAt: new Date() });
		await it.db.collection<Stored>('rocketchat_subscription').insertOne({
			_id: `s-${discussion}`,
			rid: discussion,
			t: 'p',
			name: discussion,
			u: { _id: ana.uid, username: 'ana' },
			open: true,
			alert: false,
			unread: 0,
			_updatedAt: new Date(),
		});
		const [member, reader] = [await it.login(ana), await it.login(ben)];
		// The parent is heard by the member alone.
		await read(member, 'parent', 'room-messages', parent);
		for (const socket of [member, reader]) await read(socket, 'talk', 'room-messages', discussion);
		await postHeard(it, reader, discussion, ana);
		await change(it, 'rocketchat_room', parent, { $set: { t: 'p' } });
		await reader.next(isEnd('talk'));
		await postHeard(it, member, discussion, ana);
		await member.settled();
		assert.equal(
			member.frames.some(({ msg }) => msg === 'nosub'),
			false,
		);
		assert.equal(reader.events('room-messages', discussion).length, 1);
	});

	await t.test('a role that is taken away ends what it allowed; the admin keeps it', async () => {
		const kim = await it.user('kim');
		await change(it, 'users', kim.uid, { $set: { roles: ['user', 'admin'] } });
		const [socket, admin] = [await it.login(kim), await it.login(it.admin)];
		for (const one of [socket, admin]) {
			await read(one, 'import', 'importers', 'progress');
			await read(one, 'hooks', 'integrationHistory', 'i1');
			await read(one, 'private', 'notify-logged', 'private-settings-changed');
			await read(one, 'names', 'notify-logged', 'Users:NameChanged');
		}
		await change(it, 'users', kim.uid, { $set: { roles: ['user'] } });
		for (const id of ['import', 'hooks', 'private']) await socket.next(isEnd(id));
		await change(it, 'rocketchat_settings', 'Site_Url', { $set: { value: 'http://elsewhere' } });
		await admin.event('notify-logged', 'private-settings-changed');
		await socket.settled();
		assert.deepEqual(socket.events('notify-logged', 'private-settings-changed'), []);
		assert.equal(socket.frames.filter(({ msg }) => msg === 'nosub').length, 3);
		assert.equal(
			admin.frames.some(({ msg }) => msg === 'nosub'),
			false,
		);
	});

	await t.test('anonymous reading ends with its setting; anonymous sockets keep what is public', async () => {
		await change(it, 'rocketchat_settings', 'Accounts_AllowAnonymousRead', { $set: { value: true } });
		const open = await channel(it, 'square', ana);
		const watcher = await it.login(it.admin);
		await read(watcher, 'm', 'room-messages', open);
		const anonymous = await it.connect();
		let answer: unknown = null;
		while (answer !== 'ready') answer = await anonymous.sub('m', 'stream-room-messages', open, false);
		await read(anonymous, 'deleted', 'notify-room', `${open}/deleteMessage`);
		await read(anonymous, 'settings', 'notify-all', 'public-settings-changed');
		await postHeard(it, anonymous, open, ana);
		await change(it, 'rocketchat_settings', 'Accounts_AllowAnonymousRead', { $set: { value: false } });
		const from = anonymous.frames.findLastIndex(isEnd('m')) + 1;
		for (const id of ['m', 'deleted']) await anonymous.next(isEnd(id), from);
		await postHeard(it, watcher, open, ana);
		await anonymous.settled();
		assert.equal(anonymous.events('room-messages', open).length, 1);
		assert.equal(anonymous.frames.some(isEnd('settings')), false);
	});

	await t.test('a team that becomes private closes its channels for others', async () => {
		const room = await channel(it, 'crew', ana);
		const team = { _id: 'team-1', name: 'crew', type: 0, roomId: room, _updatedAt: new Date() };
		await it.db.collection<Stored>('rocketchat_team').insertOne(team);
		await change(it, 'rocketchat_room', room, { $set: { teamId: 'team-1' } });
		const reader = await it.login(ben);
		await read(reader, 'm', 'room-messages', room);
		await change(it, 'rocketchat_team', 'team-1', { $set: { type: 1 } });
		await reader.next(isEnd('m'));
	});
});

test('what is said on streams reaches whom it is for, under the real rules', async (t) => {
	const it = await runningWorkspace(t);
	const [ana, ben, eve] = [await it.user('ana'), await it.user('ben'), await it.user('eve')];
	const [a, b, e] = [await it.login(ana), await it.login(ben), await it.login(eve)];

	await t.test(
		'typing in a channel: members and readers hear it; a muted member and strangers are not heard',
		async () => {
			const room = await channel(it, 'desk', ana, ['ben']);
			for (const socket of [a, b, e]) await read(socket, 'typing', 'notify-room', `${room}/user-activity`);
			await a.call('stream-notify-room', `${room}/user-activity`, 'ana', ['user-typing'], {}, '');
			for (const socket of [b, e]) {
				assert.deepEqual(await socket.event('notify-room', `${room}/user-activity`), ['ana', ['user-typing']]);
			}
			await change(it, 'rocketchat_room', room, { $set: { muted: ['ben'] } });
			// What comes behind the change has been heard.
			await postHeardByAll(it, [a, b], room, ana);
			await b.call('stream-notify-room', `${room}/user-activity`, 'ben', ['user-typing']);
			await a.call('stream-notify-room', `${room}/user-activity`, 'ana', []);
			await b.event('notify-room', `${room}/user-activity`, ([, list]) => (list as string[]).length === 0);
			await a.settled();
			assert.deepEqual(a.events('notify-room', `${room}/user-activity`), []);
			const closed = (
				(await it.rest('POST', 'groups.create', { name: 'closed', members: ['ben'] }, ana))['group'] as Stored
			)._id;
			await read(b, 'closed', 'notify-room', `${closed}/typing`);
			await e.call('stream-notify-room', `${closed}/typing`, 'eve', true);
			await a.call('stream-notify-room', `${closed}/typing`, 'ana', true);
			await b.event('notify-room', `${closed}/typing`);
			assert.deepEqual(b.events('notify-room', `${closed}/typing`), [['ana', true]]);
		},
	);

	await t.test('signals between two people of a direct room, and to the members of a group', async () => {
		const direct = ((await it.rest('POST', 'im.create', { username: 'ben' }, ana))['room'] as Stored)._id;
		const group = (
			(await it.rest('POST', 'groups.create', { name: 'calls', members: ['ben'] }, ana))['group'] as Stored
		)._id;
		for (const [socket, user] of [
			[b, ben],
			[e, eve],
		] as const) {
			for (const event of ['otr', 'video-conference', 'e2ekeyRequest']) {
				await read(socket, event, 'notify-user', `${user.uid}/${event}`);
			}
		}
		const handshake = { roomId: direct, userId: ana.uid, publicKey: 'k' };
		await a.call('stream-notify-user', `${eve.uid}/otr`, 'handshake', handshake);
		await a.call('stream-notify-user', `${ben.uid}/otr`, 'handshake', handshake);
		assert.deepEqual(await b.event('notify-user', `${ben.uid}/otr`), ['handshake', handshake]);
		const ring = { action: 'call', params: { callId: 'c', uid: ana.uid, rid: group } };
		await a.call('stream-notify-room-users', `${group}/video-conference`, ring);
		assert.deepEqual(await b.event('notify-user', `${ben.uid}/video-conference`), [ring]);
		await e.call('stream-notify-room-users', `${group}/e2ekeyRequest`, group, 'k1');
		await a.call('stream-notify-room-users', `${group}/e2ekeyRequest`, group, 'k1');
		assert.deepEqual(await b.event('notify-user', `${ben.uid}/e2ekeyRequest`), [group, 'k1']);
		await e.settled();
		for (const event of ['otr', 'video-conference', 'e2ekeyRequest']) {
			assert.deepEqual(e.events('notify-user', `${eve.uid}/${event}`), []);
			assert.equal(b.events('notify-user', `${ben.uid}/${event}`).length, 1);
		}
	});

	await t.test('a visitor and his conversation', async () => {
		const v = { _id: 'v1', username: 'guest-1', token: 'token of v1' };
		const room = { t: 'l', fname: 'Guest', v, open: true, msgs: 0, usersCount: 0, _updatedAt: new Date() };
		await it.db.collection<Stored>('rocketchat_room').insertMany([
			{ _id: 'chat', ...room },
			{ _id: 'foreign', ...room, v: { ...v, _id: 'v2', token: 'token of v2' } },
		]);
		const visitor = await it.connect();
		const extra = (token: string, rid = 'chat') => ({ args: [{ token, visitorToken: token, rid }] });
		for (const [name, event] of [
			['room-messages', 'chat'],
			['notify-room', 'chat/user-activity'],
			['livechat-room', 'chat'],
		] as const) {
			assert.equal(await visitor.sub(name, `stream-${name}`, event, extra(v.token)), 'ready');
			const foreign = event.replace('chat', 'foreign');
			const refused = (await visitor.sub(`${name}-f`, `stream-${name}`, foreign, extra(v.token))) as { error: unknown };
			assert.equal(refused.error, 'not-allowed');
		}
		const more = await visitor.sub('queue', 'stream-livechat-room', 'chat', false);
		assert.equal(more, 'ready', 'the token was proved before');
		const other = await it.connect();
		const stranger = (await other.sub('queue', 'stream-livechat-room', 'chat', false)) as { error: unknown };
		assert.equal(stranger.error, 'not-allowed');
		const admin = await it.login(it.admin);
		await read(admin, 'typing', 'notify-room', 'chat/typing');
		await visitor.call('stream-notify-room', 'chat/typing', 'guest-1', true, { token: v.token });
		assert.deepEqual(await admin.event('notify-room', 'chat/typing'), ['guest-1', true]);
		await change(it, 'rocketchat_room', 'chat', { $set: { 'v.token': 'another' } });
		for (const id of ['room-messages', 'notify-room', 'livechat-room', 'queue']) await visitor.next(isEnd(id));
	});
});

async function postHeardByAll(it: RunningWorkspace, sockets: TestSocket[], room: string, author: RunningUser) {
	for (const socket of sockets) await read(socket, `m-${room}`, 'room-messages', room);
	for (const socket of sockets) await postHeard(it, socket, room, author);
}
