import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runningWorkspace, type RunningUser } from '../testing/running-workspace.ts';
import type { TestSocket } from '../testing/sockets.ts';

/** The streamer together with the services it asks and the hub it hears: nothing here stands in for anything. */

type Wire = Error & { wire: { error: unknown; reason?: string } };
type Login = { id: string; token: string; tokenExpires: { $date: number }; type: string };
type Stored = { _id: string; t?: string; roles?: string[]; active?: boolean; name?: string; _updatedAt?: Date };

const loggedOut = { code: 4403, reason: 'LOGGED_OUT' };
const message = ([record]: unknown[]) => record as { _id: string; msg: string };

function byPassword(socket: TestSocket, { username, password }: RunningUser): Promise<unknown> {
	return socket.call('login', { user: { username }, password });
}

/** Whether the connection still acts as this user. */
async function isUser(socket: TestSocket, { uid }: RunningUser): Promise<boolean> {
	const answer = await socket.sub(`probe${Math.random()}`, 'stream-notify-user', `${uid}/message`, false);
	return answer === 'ready';
}

test('who somebody is', async (t) => {
	const it = await runningWorkspace(t);
	const ana = await it.user('ana');

	await t.test('a password: added users, then result, then updated; its token logs in once more', async () => {
		const socket = await it.connect();
		const from = socket.frames.length;
		const { id, token, tokenExpires, type } = (await byPassword(socket, ana)) as Login;
		assert.deepEqual(
			socket.frames.slice(from).map(({ msg }) => msg),
			['added', 'result', 'updated'],
		);
		const emails = [{ address: 'ana@example.com', verified: false }];
		const fields = { username: 'ana', emails, name: 'Name of ana' };
		assert.deepEqual(socket.frames[from], { msg: 'added', collection: 'users', id: ana.uid, fields });
		assert.deepEqual([id, type], [ana.uid, 'password']);
		assert.ok(tokenExpires.$date > Date.now());
		const again = (await socket.call('login', { resume: token })) as Login;
		assert.deepEqual([again.id, again.token, again.type], [ana.uid, token, 'resume']);
		assert.equal(socket.frames.filter(({ msg }) => msg === 'added').length, 1);
		await assert.rejects(byPassword(socket, { ...ana, password: 'wrong' }), (error: Wire) => error.wire.error === 403);
		await assert.rejects(socket.call('login', { resume: 'wrong' }), (error: Wire) => error.wire.error === 403);
		assert.ok(await isUser(socket, ana), 'a wrong login changes nothing');
	});

	await t.test(
		'logout: the socket stays, anonymous; others of the same token close, those of other tokens stay',
		async () => {
			const session = await it.session(ana);
			const [one, twin, other] = [await it.login(session), await it.login(session), await it.login(ana)];
			assert.equal(await one.sub('u', 'stream-notify-user', `${ana.uid}/message`, false), 'ready');
			await one.call('logout');
			assert.ok(one.frames.some(({ msg, id }) => msg === 'nosub' && id === 'u'));
			assert.ok(one.frames.some(({ msg, id }) => msg === 'removed' && id === ana.uid));
			assert.deepEqual(await twin.closed, loggedOut);
			assert.equal(await isUser(one, ana), false);
			assert.ok(await isUser(other, ana));
			await assert.rejects(it.rest('GET', 'me', undefined, session), /401/);
			await assert.rejects(one.call('login', { resume: session.token }), (error: Wire) => error.wire.error === 403);
		},
	);

	await t.test(
		'getNewToken moves the connection; removeOtherTokens keeps it and tells the others why they end',
		async () => {
			const [one, other] = [await it.login(await it.session(ana)), await it.login(await it.session(ana))];
			await other.sub('u', 'stream-notify-user', `${ana.uid}/force_logout`, false);
			const { token } = (await one.call('getNewToken')) as Login;
			await one.call('removeOtherTokens');
			assert.deepEqual(await other.closed, loggedOut);
			assert.deepEqual(other.events('notify-user', `${ana.uid}/force_logout`), [[]]);
			assert.deepEqual(other.events('force_logout', `${ana.uid}/force_logout`), [[]]);
			assert.ok(await isUser(one, ana));
			const back = await it.connect();
			assert.equal(((await back.call('login', { resume: token })) as Login).id, ana.uid);
			const anonymous = await it.connect();
			await assert.rejects(
				anonymous.call('getNewToken'),
				(error: Wire) => error.wire.reason === 'You are not logged in.',
			);
		},
	);

	await t.test('a logout by REST and a deactivation end the sockets; nobody else’s', async () => {
		const [ben, eve] = [await it.user('ben'), await it.user('eve')];
		const second = await it.session(ben);
		const [first, other, stays] = [await it.login(ben), await it.login(second), await it.login(eve)];
		await it.rest('POST', 'logout', {}, second);
		assert.deepEqual(await other.closed, loggedOut);
		await first.settled();
		await it.db.collection<Stored>('users').updateOne({ _id: ben.uid }, { $set: { active: false } });
		assert.deepEqual(await first.closed, loggedOut);
		assert.ok(await isUser(stays, eve));
	});

	await t.test('a new name: userData to himself, and the users publication follows', async () => {
		const zoe = await it.user('zoe');
		const socket = await it.login(zoe);
		await socket.sub('d', 'stream-notify-user', `${zoe.uid}/userData`, false);
		await it.db.collection<Stored>('users').updateOne({ _id: zoe.uid }, { $set: { name: 'Zoe Z' } });
		const isName = (args: unknown[]) => 'name' in ((args as { diff: object }[])[0]?.diff ?? {});
		const [data] = (await socket.event('notify-user', `${zoe.uid}/userData`, isName)) as { diff: { name: string } }[];
		assert.equal(data?.diff.name, 'Zoe Z');
		const changed = await socket.next(({ msg, id }) => msg === 'changed' && id === zoe.uid);
		assert.deepEqual(changed['fields'], { name: 'Zoe Z' });
	});
});

test('login services: added for each, without a secret, then ready; removed with the sub; without a login', async (t) => {
	const it = await runningWorkspace(t);
	const collection = 'meteor_accounts_loginServiceConfiguration';
	const socket = await it.connect();
	assert.equal(await socket.sub('none', 'meteor.loginServiceConfiguration'), 'ready');
	assert.equal(
		socket.frames.some(({ msg }) => msg === 'added'),
		false,
	);
	await socket.unsub('none');
	await it.db.collection<{ _id: string; service: string; [field: string]: unknown }>(collection).insertMany([
		{ _id: 'b', service: 'github', clientId: 'id', secret: 'hush', loginStyle: 'popup' },
		{ _id: 'a', service: 'dolphin', clientId: 'key', custom: true, serverURL: 'https://sea', clientSecret: 'hush' },
	]);
	const from = socket.frames.length;
	assert.equal(await socket.sub('s', 'meteor.loginServiceConfiguration'), 'ready');
	assert.deepEqual(socket.frames.slice(from), [
		{
			msg: 'added',
			collection,
			id: 'a',
			fields: { service: 'dolphin', clientId: 'key', custom: true, serverURL: 'https://sea' },
		},
		{ msg: 'added', collection, id: 'b', fields: { service: 'github', clientId: 'id', loginStyle: 'popup' } },
		{ msg: 'ready', subs: ['s'] },
	]);
	assert.ok(!socket.texts.join('').includes('hush'));
	await socket.unsub('s');
	const removed = socket.frames.filter(({ msg }) => msg === 'removed');
	assert.deepEqual(
		removed.map(({ id }) => id),
		['a', 'b'],
	);
});

test('what somebody may read', async (t) => {
	const it = await runningWorkspace(t);
	const [ana, ben] = [await it.user('ana'), await it.user('ben')];
	const create = async (kind: 'channels' | 'groups', name: string): Promise<string> => {
		const made = await it.rest('POST', `${kind}.create`, { name, members: ['ben'] }, ana);
		return (made[kind === 'channels' ? 'channel' : 'group'] as Stored)._id;
	};
	const post = async (rid: string, text: string, author = ana): Promise<string> => {
		const { message } = await it.rest('POST', 'chat.postMessage', { roomId: rid, text }, author);
		return (message as Stored)._id;
	};
	const told = (socket: TestSocket, rid: string, id: string) =>
		socket.event('room-messages', rid, (args) => message(args)._id === id);

	await t.test('a kick from a private group is a nosub in front of the next message', async () => {
		const rid = await create('groups', 'closed');
		const [member, kicked, eve] = [await it.login(ana), await it.login(ben), await it.login(await it.user('eve'))];
		for (const socket of [member, kicked]) {
			assert.equal(await socket.sub('m', 'stream-room-messages', rid, false), 'ready');
			assert.equal(await socket.sub('n', 'stream-notify-room', `${rid}/deleteMessage`, false), 'ready');
		}
		assert.equal(((await eve.sub('m', 'stream-room-messages', rid, false)) as Wire['wire']).error, 'not-allowed');
		await told(kicked, rid, await post(rid, 'before'));
		await it.rest('POST', 'groups.kick', { roomId: rid, userId: ben.uid }, ana);
		await told(member, rid, await post(rid, 'after'));
		await kicked.settled();
		const ended = kicked.frames.filter(({ msg }) => msg === 'nosub').map(({ id }) => id);
		assert.deepEqual(ended, ['m', 'n']);
		assert.equal(
			kicked.events('room-messages', rid).some((args) => message(args).msg === 'after'),
			false,
		);
	});

	await t.test('a permission that goes ends what depends on it, and a sub is refused until it is back', async () => {
		const rid = await create('channels', 'open');
		const [reader, admin] = [await it.login(await it.user('kim')), await it.login(it.admin)];
		for (const socket of [reader, admin]) {
			assert.equal(await socket.sub('m', 'stream-room-messages', rid, false), 'ready');
			assert.equal(await socket.sub('p', 'stream-notify-all', 'public-settings-changed', false), 'ready');
		}
		await told(reader, rid, await post(rid, 'for all'));
		const rolesOf = async (roles: string[]) => {
			const permissions = it.db.collection<Stored>('rocketchat_permissions');
			const ids = { _id: { $in: ['view-c-room', 'preview-c-room'] } };
			await permissions.updateMany(ids, { $set: { roles }, $currentDate: { _updatedAt: true } });
		};
		await rolesOf(['admin']);
		await reader.next(({ msg, id }) => msg === 'nosub' && id === 'm');
		await told(admin, rid, await post(rid, 'for the admin', it.admin));
		await reader.settled();
		assert.equal(reader.events('room-messages', rid).length, 1);
		assert.equal(((await reader.sub('m', 'stream-room-messages', rid, false)) as Wire['wire']).error, 'not-allowed');
		await rolesOf(['admin', 'user']);
		while ((await reader.sub('m', 'stream-room-messages', rid, false)) !== 'ready') await reader.settled();
		await told(reader, rid, await post(rid, 'for all again'));
	});

	await t.test('a channel that becomes private ends for those who are not in it', async () => {
		const rid = await create('channels', 'closing');
		const [reader, member] = [await it.login(await it.user('lea')), await it.login(ben)];
		for (const socket of [reader, member])
			assert.equal(await socket.sub('m', 'stream-room-messages', rid, false), 'ready');
		await it.db
			.collection<Stored>('rocketchat_room')
			.updateOne({ _id: rid }, { $set: { t: 'p' }, $currentDate: { _updatedAt: true } });
		await reader.next(({ msg, id }) => msg === 'nosub' && id === 'm');
		await told(member, rid, await post(rid, 'among us'));
		assert.equal(
			member.frames.some(({ msg }) => msg === 'nosub'),
			false,
		);
		await reader.settled();
		assert.deepEqual(reader.events('room-messages', rid), []);
	});
});
