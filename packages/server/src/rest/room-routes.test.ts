import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { directRoomId } from '@rookery/protocol/ids.ts';
import { roomRequests } from '../testing/room-requests.ts';
import * as channels from './channels.ts';
import * as groups from './groups.ts';
import * as im from './im.ts';
import * as rooms from './rooms.ts';
import type { Route } from './route.ts';

const routes = [channels, groups, im, rooms].flatMap((module) => Object.values(module as object).flat() as Route[]);

function requests(t: TestContext, values: Record<string, unknown> = {}) {
	return roomRequests(t, { routes, methods: [] }, values);
}

type Item = { _id: string; [key: string]: unknown };

test('a channel lives through its routes: create, info, join, members, leave, delete', async (t) => {
	const { get, post, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const made = await post(ana, 'channels.create', {
		name: 'garden',
		readOnly: false,
		extraData: { topic: 'plants', x: 1 },
	});
	assert.equal(made.status, 200);
	const channel = made.body['channel'] as Item;
	assert.deepEqual(
		[channel['name'], channel['t'], channel['topic'], channel['usersCount'], channel['msgs']],
		['garden', 'c', 'plants', 1, 0],
	);
	assert.match(String(channel['ts']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

	const joined = await post(bob, 'channels.join', { roomName: 'garden' });
	assert.equal((joined.body['channel'] as Item)['usersCount'], 2);
	assert.equal((await post(bob, 'channels.join', { roomId: channel._id })).status, 200);
	const info = await get(bob, 'channels.info', { roomName: 'garden' });
	assert.equal((info.body['channel'] as Item)._id, channel._id);
	const members = await get(bob, 'channels.members', { roomId: channel._id, sort: '{"username":-1}' });
	assert.deepEqual(
		(members.body['members'] as Item[]).map(({ username }) => username),
		['bob', 'ana'],
	);
	assert.deepEqual([members.body['count'], members.body['offset'], members.body['total']], [2, 0, 2]);
	const roles = await get(bob, 'channels.roles', { roomId: channel._id });
	assert.deepEqual(
		(roles.body['roles'] as Item[]).map(({ u, roles }) => [u, roles]),
		[[{ _id: 'id-ana', username: 'ana', name: 'ANA' }, ['owner']]],
	);

	assert.equal((await post(bob, 'channels.leave', { roomId: channel._id })).status, 200);
	const last = await post(ana, 'channels.leave', { roomId: channel._id });
	assert.deepEqual([last.status, last.body['errorType']], [400, 'error-you-are-last-owner']);
	const refused = await post(bob, 'channels.delete', { roomId: channel._id });
	assert.deepEqual(refused.body, {
		success: false,
		error: 'Not allowed [error-not-allowed]',
		errorType: 'error-not-allowed',
		details: { method: 'eraseRoom' },
	});
	assert.deepEqual((await post(ana, 'channels.delete', { roomId: channel._id })).body, { success: true });
	const gone = await get(ana, 'channels.info', { roomId: channel._id });
	assert.equal(
		gone.body['error'],
		'The required "roomId" or "roomName" param provided does not match any channel [error-room-not-found]',
	);
});

test('refusals of creating have the texts clients know', async (t) => {
	const { post, db, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	const guest = await givenUser('gus', { roles: ['guest'] });
	const errorOf = async (path: string, body: object) => (await post(ana, path, body)).body['error'];

	assert.equal(await errorOf('channels.create', {}), 'Param "name" is required');
	assert.equal(await errorOf('groups.create', { name: { $ne: null } }), 'Body param "name" is required');
	assert.equal(
		await errorOf('channels.create', { name: 'x', members: 'bob' }),
		'Param "members" must be an array if provided',
	);
	assert.equal(
		await errorOf('channels.create', { name: 'x', members: [{ $ne: 1 }] }),
		'Param "members" must be an array if provided',
	);
	assert.equal(
		await errorOf('groups.create', { name: 'x', customFields: 3 }),
		'Body param "customFields" must be an object if provided',
	);
	assert.equal(
		await errorOf('groups.create', { name: 'x', customFields: { a: { $gt: 1 } } }),
		'Body param "customFields" must be an object if provided',
	);
	assert.equal(
		await errorOf('groups.create', { name: 'x', extraData: 'y' }),
		'Body param "extraData" must be an object if provided',
	);
	assert.equal(
		await errorOf('channels.create', { name: 'a b' }),
		'a b is not a valid room name. [error-invalid-room-name]',
	);
	assert.deepEqual(await post(guest, 'channels.create', { name: 'x' }), {
		status: 403,
		body: { success: false, error: 'unauthorized' },
	});
	assert.equal(await db.collection('rocketchat_room').countDocuments(), 0);
	await post(ana, 'groups.create', { name: 'x' });
	assert.equal(
		await errorOf('channels.create', { name: 'x' }),
		"A channel with name 'x' exists [error-duplicate-channel-name]",
	);
});

test('a private group looks like none to who is not in it', async (t) => {
	const { get, post, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const made = await post(ana, 'groups.create', { name: 'cave', members: [] });
	const { _id } = made.body['group'] as Item;
	const unknown = 'The required "roomId" or "roomName" param provided does not match any group [error-room-not-found]';

	for (const path of ['groups.info', 'groups.history', 'groups.messages', 'groups.members', 'groups.roles']) {
		assert.equal((await get(bob, path, { roomId: _id })).body['error'], unknown, path);
	}
	for (const path of ['groups.leave', 'groups.delete']) {
		assert.equal((await post(bob, path, { roomId: _id })).body['error'], unknown, path);
	}
	assert.deepEqual((await get(bob, 'rooms.info', { roomName: 'cave' })).body, {
		success: false,
		error: 'not-allowed',
		errorType: 'Not Allowed',
	});
	assert.equal(
		(await post(bob, 'groups.invite', { roomId: _id, userId: 'id-bob' })).body['errorType'],
		'error-not-allowed',
	);
	assert.deepEqual((await get(bob, 'groups.list')).body, { success: true, groups: [], count: 0, offset: 0, total: 0 });

	assert.equal((await post(ana, 'groups.invite', { roomName: 'cave', usernames: ['bob', 'nobody'] })).status, 200);
	assert.equal(((await get(bob, 'groups.info', { roomId: _id })).body['group'] as Item)['usersCount'], 2);
	const nobody = await post(ana, 'groups.invite', { roomId: _id, username: 'nobody' });
	assert.equal(nobody.body['error'], 'Cannot invite if no valid users are provided [error-empty-invite-list]');
	const left = await post(bob, 'groups.leave', { roomId: _id });
	assert.equal((left.body['group'] as Item)['usersCount'], 2);
	assert.equal((await get(bob, 'groups.info', { roomId: _id })).status, 400);
});

test('inviting and kicking name their people, and swap the fields the original swaps', async (t) => {
	const { post, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	await givenUser('bob');
	await post(ana, 'channels.create', { name: 'x' });
	const error = async (path: string, body: object) => (await post(ana, path, { roomName: 'x', ...body })).body['error'];

	assert.equal(
		await error('channels.invite', {}),
		'Please provide "userId" or "username" or "userIds" or "usernames" as param [error-users-params-not-provided]',
	);
	assert.deepEqual((await post(ana, 'channels.invite', { roomName: 'x', userId: 'zoe' })).body, {
		success: false,
		error: 'invalid-user-invite-list',
		errorType: 'Cannot invite if no users are provided',
	});
	assert.equal(
		await error('channels.kick', {}),
		'The required "userId" or "username" param was not provided [error-user-param-not-provided]',
	);
	assert.equal(
		await error('channels.kick', { username: 'zoe' }),
		'The required "userId" or "username" param provided does not match any users [error-invalid-user]',
	);
	assert.equal(await error('channels.kick', { user: 'BOB' }), 'User is not in this room [error-user-not-in-room]');
	const invited = await post(ana, 'channels.invite', { roomName: 'x', userIds: ['id-bob'], username: 'bob' });
	assert.equal((invited.body['channel'] as Item)['usersCount'], 2);
	const kicked = await post(ana, 'channels.kick', { roomName: 'x', username: 'bob' });
	assert.equal((kicked.body['channel'] as Item)['usersCount'], 1);
});

test('lists are paged, sorted, filtered, and show each his own', async (t) => {
	const { get, post, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	for (const name of ['alpha', 'beta', 'gamma']) await post(ana, 'channels.create', { name });
	await post(bob, 'channels.join', { roomName: 'beta' });
	const names = async (query: object, path = 'channels.list') => {
		const { body } = await get(bob, path, query);
		return (body['channels'] as Item[] | undefined)?.map(({ name }) => name) ?? body['errorType'];
	};

	assert.deepEqual(await names({}), ['alpha', 'beta', 'gamma']);
	assert.deepEqual(await names({ sort: '{"name":-1}', offset: '1', count: '1' }), ['beta']);
	assert.deepEqual(await names({ query: '{"name":{"$regex":"MM","$options":"i"}}' }), ['gamma']);
	assert.deepEqual(await names({ query: '{"$or":[{"name":{"$regex":"et"}},{"fname":{"$regex":"et"}}]}' }), ['beta']);
	assert.deepEqual(await names({ query: '{"name":"alpha"}' }), ['alpha']);
	assert.deepEqual(await names({ query: '{"name":{"$regex":"^a"}}' }), ['alpha']);
	assert.deepEqual(await names({ query: '{"name":{"$regex":"a|b"}}' }), []);
	assert.deepEqual(await names({ query: '{"name":{"$regex":"a"},"fname":{"$regex":"bet"}}' }), ['beta']);
	assert.deepEqual(await names({ query: '{"name":{"$ne":"alpha"},"u.username":"ana"}' }), ['beta', 'gamma']);
	const ids = await get(bob, 'channels.list', { fields: '{"_id":1}', count: '2' });
	const two = (ids.body['channels'] as Item[]).map(({ _id }) => _id);
	assert.deepEqual(await names({ query: JSON.stringify({ _id: { $in: [...two, 'x'] } }) }), ['alpha', 'beta']);
	assert.deepEqual(await names({}, 'channels.list.joined'), ['beta']);
	for (const query of [
		'{"joinCode":"x"}',
		'{"name":{"$gt":"x"}}',
		'{"name":{"$regex":"a\\u0000"}}',
		'[]',
		'x',
		'{"$where":"1"}',
	]) {
		assert.equal(await names({ query }), 'error-invalid-query', query);
	}
	for (const sort of ['{"muted":1,"unmuted":1}', '{"name":2}', '{"joinCode":1}', '{"name":{"$gt":1}}', '"x"']) {
		assert.equal(await names({ sort }), 'error-invalid-sort', sort);
	}
	assert.equal(await names({ count: '-1' }), 'invalid-params');
	const page = await get(bob, 'channels.list', { count: '1', fields: '{"name":1}' });
	assert.deepEqual(Object.keys((page.body['channels'] as Item[])[0] ?? {}).sort(), ['_id', 'name']);
	assert.deepEqual([page.body['count'], page.body['offset'], page.body['total']], [1, 0, 3]);
});

test('direct rooms: the same answer under both names, found by room id, username and user id', async (t) => {
	const { get, post, subscriptions, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const cyd = await givenUser('cyd');
	const rid = directRoomId('id-ana', 'id-bob');
	const made = await post(ana, 'im.create', { username: 'bob' });
	const room = made.body['room'] as Item;
	assert.deepEqual([room._id, room['rid'], room['t'], room['usernames']], [rid, rid, 'd', ['ana', 'bob']]);
	assert.equal(((await post(bob, 'dm.create', { username: 'ANA' })).body['room'] as Item)._id, rid);
	const group = (await post(ana, 'im.create', { usernames: 'bob,cyd' })).body['room'] as Item;
	assert.deepEqual(group['uids'], ['id-ana', 'id-bob', 'id-cyd']);

	for (const body of [{}, { username: 'a', usernames: 'b' }, { username: { $ne: null } }, { username: '' }]) {
		assert.equal((await post(ana, 'im.create', body)).body['errorType'], 'invalid-params', JSON.stringify(body));
	}
	for (const query of [{ roomId: rid }, { username: 'bob' }, { username: 'id-bob' }, { roomId: 'bob' }]) {
		for (const path of ['im.members', 'dm.messages', 'im.history']) {
			assert.equal((await get(ana, path, query)).status, 200, `${path} ${JSON.stringify(query)}`);
		}
	}
	assert.equal((await get(ana, 'im.members', {})).body['errorType'], 'error-room-param-not-provided');
	assert.equal((await get(ana, 'im.members', { username: 'zoe' })).body['error'], '[invalid-channel]');
	assert.deepEqual(await get(cyd, 'im.history', { roomId: rid }), {
		status: 403,
		body: { success: false, error: 'unauthorized' },
	});
	const list = await get(ana, 'im.list');
	assert.deepEqual(new Set((list.body['ims'] as Item[]).map(({ _id }) => _id)), new Set([rid, group._id]));

	assert.equal((await post(ana, 'im.close', { roomId: rid })).status, 200);
	assert.equal((await subscriptions.find('id-ana', rid))?.open, false);
	assert.equal(
		(await post(ana, 'im.close', { roomId: rid })).body['error'],
		'The direct message room, is already closed to the sender',
	);
	assert.equal((await post(ana, 'im.open', { roomId: rid })).status, 200);
	assert.equal((await subscriptions.find('id-ana', rid))?.open, true);
});

test('too many people in a direct room is a bare text', async (t) => {
	const { post, givenUser } = await requests(t, { DirectMesssage_maxUsers: 2 });
	const ana = await givenUser('ana');
	await givenUser('bob');
	await givenUser('cyd');
	assert.deepEqual((await post(ana, 'im.create', { usernames: 'bob,cyd' })).body, {
		success: false,
		error: 'error-direct-message-max-user-exceeded',
	});
});

test('history and lists of messages go through the rights of the room', async (t) => {
	const { get, post, messages, values, givenUser } = await requests(t);
	const [ana, guest] = [await givenUser('ana'), await givenUser('gus', { roles: ['guest'] })];
	const made = await post(ana, 'channels.create', { name: 'x' });
	const { _id: rid } = made.body['channel'] as Item;
	const first = await messages.send(ana, { rid, msg: 'one' });
	await messages.send(ana, { rid, msg: 'two @ana' });
	const texts = async (path: string, query: object) => {
		const { body } = await get(ana, path, { roomId: rid, ...query });
		return (body['messages'] as Item[] | undefined)?.map(({ msg }) => msg) ?? body['errorType'];
	};

	assert.deepEqual(await texts('channels.history', {}), ['two @ana', 'one']);
	assert.deepEqual(await texts('channels.history', { latest: first.ts.toISOString(), inclusive: 'true' }), ['one']);
	for (const latest of ['yesterday', 'version 1']) {
		assert.equal(await texts('channels.history', { latest }), 'error-invalid-date');
	}
	const unread = await get(ana, 'channels.history', { roomId: rid, unreads: 'true' });
	assert.deepEqual([unread.body['unreadNotLoaded'], unread.body['firstUnread']], [0, undefined]);
	values['API_Upper_Count_Limit'] = 1;
	assert.deepEqual(await texts('channels.history', { count: '2' }), ['two @ana']);
	delete values['API_Upper_Count_Limit'];
	values['API_Allow_Infinite_Count'] = false;
	assert.deepEqual(await texts('channels.history', { count: '0' }), ['two @ana', 'one']);
	assert.deepEqual(await texts('channels.messages', { count: '1' }), ['two @ana']);
	assert.deepEqual(await texts('channels.messages', { query: '{"mentions._id":{"$in":["id-ana"]}}' }), ['two @ana']);
	assert.deepEqual(await texts('channels.messages', { mentionIds: 'id-ana,id-bob' }), ['two @ana']);
	assert.deepEqual(await texts('channels.messages', { starredIds: '["id-ana"]' }), []);
	assert.equal(await texts('channels.messages', { query: '{"u._id":{"$ne":"x"}}' }), 'error-invalid-query');
	assert.deepEqual(await texts('channels.messages', { query: '{"pinned":false}' }), ['two @ana', 'one']);
	assert.deepEqual(await texts('channels.messages', { query: `{"_id":{"$in":["${first._id}"]}}` }), ['one']);
	for (const path of ['channels.history', 'channels.messages', 'channels.members']) {
		assert.equal((await get(guest, path, { roomId: rid })).status, 403, path);
	}
	assert.equal((await get(guest, 'channels.list')).status, 200);
	assert.deepEqual((await get(guest, 'channels.list')).body['channels'], []);
});

test('a character that no pattern may hold finds nothing in lists of members', async (t) => {
	const { get, post, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	await post(ana, 'channels.create', { name: 'x' });
	const { status, body } = await get(ana, 'channels.members', { roomName: 'x', filter: 'an\0' });
	assert.deepEqual([status, body['total']], [200, 0]);
});

test('rooms.get tells what is there, what changed, and what is gone for this user alone', async (t) => {
	const { get, post, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const before = new Date(Date.now() - 60_000).toISOString();
	const made = async (name: string, members: string[]) =>
		((await post(ana, 'groups.create', { name, members })).body['group'] as Item)._id;
	const [kept, left, foreign] = [await made('kept', ['bob']), await made('left', ['bob']), await made('foreign', [])];
	await post(bob, 'rooms.leave', { rid: left });
	await post(ana, 'groups.delete', { roomId: foreign });

	const all = await get(bob, 'rooms.get');
	assert.deepEqual(
		(all.body['update'] as Item[]).map(({ _id }) => _id),
		[kept],
	);
	assert.deepEqual(all.body['remove'], []);
	const since = await get(bob, 'rooms.get', { updatedSince: before });
	assert.deepEqual(
		(since.body['update'] as Item[]).map(({ _id }) => _id),
		[kept],
	);
	assert.deepEqual(
		(since.body['remove'] as Item[]).map(({ _id }) => _id),
		[left],
	);
	const later = await get(bob, 'rooms.get', { updatedSince: new Date(Date.now() + 60_000).toISOString() });
	assert.deepEqual([later.body['update'], later.body['remove']], [[], []]);
	assert.equal(
		(await get(bob, 'rooms.get', { updatedSince: 'x' })).body['errorType'],
		'error-updatedSince-param-invalid',
	);
});

test('who is online in a room is told to those who may see it', async (t) => {
	const { get, post, db, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const made = await post(ana, 'groups.create', { name: 'cave' });
	const { _id } = made.body['group'] as Item;
	await post(ana, 'channels.create', { name: 'x', members: ['bob'] });
	await db.collection('users').updateOne({ username: 'ana' }, { $set: { status: 'busy' } });

	assert.deepEqual((await get(ana, 'groups.online', { _id })).body['online'], [{ _id: 'id-ana', username: 'ana' }]);
	assert.deepEqual((await get(bob, 'channels.online', { query: '{"name":"x"}' })).body['online'], [
		{ _id: 'id-ana', username: 'ana' },
	]);
	assert.equal((await get(bob, 'groups.online', { _id })).body['error'], 'Not Allowed [error-not-allowed]');
	assert.equal((await get(bob, 'channels.online')).body['error'], 'Invalid query');
	assert.equal((await get(bob, 'channels.online', { _id })).body['error'], 'Channel does not exists');
	assert.equal((await get(bob, 'groups.online', { query: '{"name":"x"}' })).body['error'], 'Group does not exists');
});

test('who is in a room is told to its members alone', async (t) => {
	const { get, post, givenUser } = await requests(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	await post(ana, 'channels.create', { name: 'x' });
	const ask = (actor: typeof ana, query: object) => get(actor, 'rooms.isMember', { roomName: 'x', ...query });
	assert.deepEqual((await ask(ana, { username: 'bob' })).body, { success: true, isMember: false });
	assert.deepEqual((await ask(ana, { userId: 'id-ana' })).body, { success: true, isMember: true });
	assert.equal((await ask(bob, { username: 'ana' })).status, 403);
	const unknown = await ask(ana, { username: 'nobody' });
	assert.deepEqual([unknown.status, unknown.body['error']], [400, 'error-user-not-found']);
	assert.equal((await ask(ana, {})).body['errorType'], 'error-user-param-not-provided');
});

test('no answer carries a join code or our own counters', async (t) => {
	const { get, post, db, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	await post(ana, 'channels.create', { name: 'x' });
	await db
		.collection('rocketchat_room')
		.updateOne({ name: 'x' }, { $set: { joinCode: 'sesame', joinCodeRequired: true, 'rk.n': 4, importIds: ['i'] } });
	const answers = [
		await get(ana, 'channels.info', { roomName: 'x' }),
		await get(ana, 'rooms.info', { roomName: 'x', fields: '{"joinCode":1,"rk":1,"name":1}' }),
		await get(ana, 'channels.list', { fields: '{"joinCode":1}' }),
		await get(ana, 'channels.list.joined'),
		await get(ana, 'rooms.get'),
		await post(ana, 'channels.join', { roomName: 'x' }),
	];
	for (const { status, body } of answers) {
		assert.equal(status, 200);
		assert.doesNotMatch(JSON.stringify(body), /sesame|"rk"|importIds/);
	}
	const info = answers[0]?.body['channel'] as Item;
	assert.equal(info['joinCodeRequired'], true);
});

test('an operator object in any parameter is refused with 400 and changes nothing', async (t) => {
	const { post, get, db, givenUser } = await requests(t);
	const ana = await givenUser('ana');
	await post(ana, 'channels.create', { name: 'x' });
	const state = async () => JSON.stringify(await db.collection('rocketchat_room').find().toArray());
	const before = await state();
	const operator = { $ne: null };
	let checked = 0;
	const keys = ['roomId', 'roomName', 'rid', 'joinCode', 'userId', 'username', 'user', 'userIds', 'usernames'];
	for (const route of routes) {
		for (const key of [
			...keys,
			'name',
			'members',
			'customFields',
			'extraData',
			'readOnly',
			'favorite',
			'excludeSelf',
		]) {
			const isPost = route.http.includes('POST');
			if (!Object.hasOwn(shapeOf(isPost ? route.body : route.query), key)) continue;
			const params = { roomName: 'x', [key]: operator };
			const answer = isPost ? await post(ana, route.path, params) : await get(ana, route.path, params);
			checked += 1;
			assert.equal(answer.status, 400, `${route.path} ${key}: ${JSON.stringify(answer.body)}`);
		}
	}
	assert.ok(checked > 60, `${checked} parameters were tried`);
	assert.equal(await state(), before);
});

function shapeOf(schema: Route['query']): object {
	return (schema as { shape?: object } | null)?.shape ?? {};
}

test('every route needs a login', async (t) => {
	const { get, post } = await requests(t);
	for (const route of routes) {
		const answer = route.http.includes('GET') ? await get(null, route.path) : await post(null, route.path);
		assert.equal(answer.status, 401, route.path);
	}
});
