import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '@rookery/protocol/records.ts';
import { usersHarness } from '../testing/users.ts';
import { usersCreate, usersCreateToken, usersInfo, usersList, usersRegister } from './users.ts';
import { usersGetPresence, usersGetStatus, usersPresence, usersSetStatus } from './users-presence.ts';
import { usersLogout, usersLogoutOtherClients } from './users-sessions.ts';

const bob = { username: 'bob', name: 'Bob', email: 'bob@example.org', pass: 'secret' };

test('users.register registers, and refuses what is taken, operators and those who are logged in', async (t) => {
	const { rest, given, db } = await usersHarness(t);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const { status, body } = await rest(usersRegister, { body: { ...bob, secretURL: null, unknown: { $ne: 1 } } });
	assert.equal(status, 200);
	const user = body['user'] as Record<string, unknown>;
	assert.deepEqual(
		{ ...user, _id: null },
		{ _id: null, username: 'bob', name: 'Bob', type: 'user', status: 'offline', active: true, utcOffset: 0 },
	);
	const error = async (fields: object) => (await rest(usersRegister, { body: { ...bob, ...fields } })).body;
	assert.deepEqual(await error({ email: 'x@example.org', username: 'BOB' }), {
		success: false,
		error: 'Username is already in use',
	});
	assert.deepEqual(await error({ username: 'cyd' }), {
		success: false,
		error: 'Email already exists. [403]',
		errorType: 403,
	});
	const operator = { $ne: null };
	for (const field of ['username', 'email', 'pass', 'name', 'secretURL', 'reason', 'customFields']) {
		const wrong = field === 'customFields' ? [operator] : operator;
		const refusal = await rest(usersRegister, { body: { ...bob, username: 'cyd', email: 'c@x.org', [field]: wrong } });
		assert.deepEqual([refusal.status, refusal.body['errorType']], [400, 'invalid-params'], field);
	}
	const again = await rest(usersRegister, { body: { ...bob, username: 'dan', email: 'd@x.org' }, as: ana });
	assert.deepEqual(again.body, { success: false, error: 'Logged in users can not register again.' });
	assert.equal(await db.collection('users').countDocuments(), 2);
});

test('users.create needs its permissions and answers the user', async (t) => {
	const { rest, given, db, accounts, joined } = await usersHarness(t);
	const root = await given({ username: 'root', email: 'root@example.org' }, ['create-user']);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const body = { username: 'bob', name: 'Bob', email: 'bob@example.org', password: 'secret', verified: true };
	const create = (fields: object, as = root) => rest(usersCreate, { body: { ...body, ...fields }, as });

	assert.deepEqual((await create({}, ana)).body, {
		success: false,
		error: 'Adding user is not allowed [error-action-not-allowed]',
		errorType: 'error-action-not-allowed',
		details: { method: 'insertOrUpdateUser', action: 'Adding_user' },
	});
	const cases: [object, string][] = [
		[{ name: ' ' }, 'The field Name is required [error-the-field-is-required]'],
		[{ username: '' }, 'The field Username is required [error-the-field-is-required]'],
		[{ password: '' }, 'The field Password is required [error-the-field-is-required]'],
		[{ password: undefined }, "must have required property 'password' [invalid-params]"],
		[{ username: { $ne: 1 } }, 'must be string [invalid-params]'],
		[{ roles: ['nothing'] }, 'The field Roles consist invalid role id [error-action-not-allowed]'],
		[{ roles: ['user', 'admin'] }, 'Assigning admin is not allowed [error-action-not-allowed]'],
		[{ roles: [{ $ne: 1 }] }, 'must be string [invalid-params]'],
		[{ username: 'Ana' }, 'Ana is already in use :( [error-field-unavailable]'],
		[{ username: 'a b' }, 'a b is not a valid username [error-input-is-not-a-valid-field]'],
		[{ email: 'ANA@example.org' }, 'ANA@example.org is already in use :( [error-field-unavailable]'],
		[{ bio: 'x'.repeat(261) }, 'must NOT have more than 260 characters [invalid-params]'],
		[{ setRandomPassword: true }, 'SMTP is not configured [error-email-send-failed]'],
	];
	for (const [fields, error] of cases) {
		const refusal = await create(fields);
		assert.deepEqual([refusal.status, refusal.body['error']], [400, error]);
	}
	assert.equal(await db.collection('users').countDocuments(), 2);
	const before = joined.length;
	const { status, body: answer } = await create({ roles: ['bot'], joinDefaultChannels: false, nickname: 'b' });
	const user = answer['user'] as Record<string, unknown>;
	assert.deepEqual(
		[status, user['username'], user['roles'], user['emails'], user['nickname'], 'services' in user],
		[200, 'bob', ['bot'], [{ address: 'bob@example.org', verified: true }], 'b', false],
	);
	assert.equal(joined.length, before);
	const connection = { id: 'c', clientAddress: '10.0.0.1', userAgent: '', transport: 'rest' as const };
	assert.equal((await accounts.login({ user: { username: 'bob' }, password: 'secret' }, connection)).id, user['_id']);
});

test('users.info shows others little, holders of the permission more, oneself all, and secrets to nobody', async (t) => {
	const Accounts_CustomFields = '{"team":{"public":true},"desk":{}}';
	const { rest, given, subscriptions } = await usersHarness(t, { Accounts_CustomFields });
	const customFields = { team: 'red', desk: '7' };
	const ana = await given({ username: 'ana', email: 'ana@example.org', customFields });
	const bob = await given({ username: 'bob', email: 'bob@example.org', bio: 'hi', customFields });
	const chief = await given({ username: 'chief', email: 'chief@example.org' }, [
		'view-full-other-user-info',
		'view-other-user-channels',
	]);
	subscriptions.set(bob.userId, [
		{ rid: 'r2', name: 'x', t: 'p', unread: 1 },
		{ rid: 'r1', name: 'b', t: 'c', unread: 0, roles: ['owner'] },
		{ rid: 'r3', name: 'a', t: 'c', unread: 0 },
	]);
	const info = async (query: Record<string, string>, as = ana) => (await rest(usersInfo, { query, as })).body;

	const seen = (await info({ username: 'BOB' }))['user'];
	assert.deepEqual(seen, {
		_id: bob.userId,
		username: 'bob',
		bio: 'hi',
		status: 'offline',
		type: 'user',
		active: true,
		utcOffset: 0,
		customFields: { team: 'red' },
		canViewAllInfo: false,
	});
	for (const as of [chief, bob]) {
		const full = (await info({ userId: bob.userId }, as))['user'] as Record<string, unknown>;
		assert.deepEqual(
			[full['emails'], full['roles'], full['customFields'], full['canViewAllInfo']],
			[[{ address: 'bob@example.org', verified: false }], ['user'], customFields, true],
		);
		const services = { password: { exists: true }, totp: { enabled: false }, email2fa: { enabled: false } };
		assert.deepEqual(full['services'], as === bob ? services : undefined);
		for (const secret of ['e2e', 'rk', '__rooms']) assert.equal(secret in full, false, secret);
	}
	const rooms = [
		{ rid: 'r3', name: 'a', t: 'c', unread: 0 },
		{ rid: 'r1', name: 'b', t: 'c', unread: 0, roles: ['owner'] },
		{ rid: 'r2', name: 'x', t: 'p', unread: 1 },
	];
	for (const asked of [{ includeUserRooms: 'true' }, { fields: '{"userRooms":1}' }] as Record<string, string>[]) {
		const query = { username: 'bob', ...asked };
		assert.deepEqual(((await info(query, chief))['user'] as Record<string, unknown>)['rooms'], rooms);
		assert.equal('rooms' in ((await info(query))['user'] as object), false);
	}
	assert.deepEqual(await info({ username: 'nobody' }), { success: false, error: 'User not found.' });
	assert.deepEqual(await info({ email: 'bob@example.org' }), { success: false, error: 'User not found.' });
	assert.equal(((await info({ email: 'BOB@example.org' }, chief))['user'] as User)._id, bob.userId);
	assert.equal((await info({}))['errorType'], 'invalid-params');
});

test('users.list pages, sorts and filters by what the caller may see', async (t) => {
	const { rest, given, db } = await usersHarness(t, { API_Upper_Count_Limit: 3 });
	const ana = await given({ username: 'ana', name: 'zoe', email: 'ana@example.org' }, ['view-d-room']);
	const chief = await given({ username: 'Chief', name: 'Al', email: 'chief@example.org' }, [
		'view-d-room',
		'view-full-other-user-info',
	]);
	const nobody = await given({ username: 'bob', name: 'bob.', email: 'bob@example.org' });
	await given({ username: 'dan', name: 'Bob+', email: 'dan@example.org' });
	await db.collection<User>('users').updateMany({ username: { $in: ['ana', 'dan'] } }, { $set: { status: 'online' } });

	const list = (query: Record<string, string>, as = ana) => rest(usersList, { query, as });
	const names = async (query: Record<string, string>, as = ana) => {
		const { body } = await list(query, as);
		return (body['users'] as User[] | undefined)?.map(({ username }) => username) ?? body;
	};
	assert.deepEqual((await list({}, nobody)).body, { success: false, error: 'unauthorized' });
	assert.equal((await list({}, nobody)).status, 403);

	const { body: page } = await list({ count: '100', offset: '1' });
	assert.deepEqual([page['count'], page['offset'], page['total']], [3, 1, 4]);
	assert.deepEqual(Object.keys((page['users'] as object[])[0] ?? {}).sort(), [
		'_id',
		'active',
		'name',
		'nameInsensitive',
		'status',
		'type',
		'username',
	]);
	const { body: full } = await list({ count: '1' }, chief);
	assert.deepEqual((full['users'] as User[])[0]?.emails, [{ address: 'ana@example.org', verified: false }]);

	const all = ['ana', 'bob', 'Chief', 'dan'];
	const cases: [Record<string, string>, string[]][] = [
		[{}, all],
		[{ query: '{}' }, all],
		[{ sort: '{"name":1}' }, ['Chief', 'dan', 'bob', 'ana']],
		[{ sort: '{"username":-1}' }, ['dan', 'Chief', 'bob', 'ana']],
		[{ query: '{"status":{"$ne":"offline"}}' }, ['ana', 'dan']],
		[{ query: '{"username":"bob"}' }, ['bob']],
		[{ query: '{"username":{"$in":["bob","dan"]}}' }, ['bob', 'dan']],
		[{ query: '{"name":{"$regex":"bob"}}' }, ['bob']],
		[{ query: '{"name":{"$regex":"bob","$options":"i"}}' }, ['bob', 'dan']],
		[{ query: '{"name":{"$regex":"b.*"}}' }, []],
		[{ query: '{"name":{"$regex":"^b"}}' }, ['bob']],
		[{ query: '{"name":{"$regex":"b.$"}}' }, ['bob']],
		[{ query: '{"$or":[{"username":"ana"},{"name":"Al"}]}' }, ['ana', 'Chief']],
		[{ query: '{"$and":[{"status":"online"},{"username":{"$ne":"ana"}}]}' }, ['dan']],
		[{ query: '{"avatarETag":{"$exists":true}}' }, []],
	];
	for (const [query, expected] of cases) {
		const paged = [
			...((await names({ ...query, count: '3' })) as string[]),
			...((await names({ ...query, offset: '3' })) as string[]),
		];
		assert.deepEqual(paged, expected, JSON.stringify(query));
	}
	assert.deepEqual(await names({ query: '{"emails.address":"dan@example.org"}' }, chief), ['dan']);
	assert.deepEqual(await names({ email: 'DAN@example.org' }, chief), ['dan']);

	const invalid: [Record<string, string>, string][] = [
		[{ query: '{"emails.address":"dan@example.org"}' }, 'error-invalid-query'],
		[{ email: 'dan@example.org' }, 'error-invalid-query'],
		[{ query: '{"services.password.bcrypt":{"$regex":"^"}}' }, 'error-invalid-query'],
		[{ query: '{"$where":"sleep(1000)"}' }, 'error-invalid-query'],
		[{ query: '{"username":{"$gt":""}}' }, 'error-invalid-query'],
		[{ query: '{"username":{"$regex":{"$ne":1}}}' }, 'error-invalid-query'],
		[{ query: '{"username":{"$regex":"\\u0000"}}' }, 'error-invalid-query'],
		[{ query: '{"username":{}}' }, 'error-invalid-query'],
		[{ query: '{"__proto__":{"username":"x"}}' }, 'error-invalid-query'],
		[{ query: '{"$or":[{"$or":[{"$or":[{"username":"x"}]}]}]}' }, 'error-invalid-query'],
		[{ query: 'x' }, 'error-invalid-query'],
		[{ sort: '{"emails":1}' }, 'error-invalid-sort'],
		[{ sort: '{"services":1}' }, 'error-invalid-sort'],
		[{ sort: '{"username":{"$meta":"x"}}' }, 'error-invalid-sort'],
		[{ count: '-1' }, 'invalid-params'],
		[{ offset: 'x' }, 'invalid-params'],
	];
	for (const [query, code] of invalid) {
		const { status, body } = await list(query);
		assert.deepEqual([status, body['errorType']], [400, code], JSON.stringify(query));
	}
});

test('users.createToken works only where the operator switched it on', async (t) => {
	const { rest, given, tokenCreation, accounts } = await usersHarness(t);
	const bot = await given({ username: 'bot', email: 'bot@example.org' }, ['user-generate-access-token']);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const create = (body: object, as = bot) => rest(usersCreateToken, { body, as });
	const refusal = {
		success: false,
		error: 'Not authorized [error-not-authorized]',
		errorType: 'error-not-authorized',
		details: { method: 'createToken' },
	};
	assert.deepEqual((await create({ username: 'ana' })).body, refusal);

	tokenCreation.enabled = true;
	const { data } = (await create({ user: 'ANA' })).body as { data: { userId: string; authToken: string } };
	assert.equal((await accounts.authenticate(ana.userId, data.authToken))?.uid, ana.userId);
	assert.deepEqual((await create({ username: 'bot' }, ana)).body, refusal);
	assert.equal((await create({ userId: ana.userId }, ana)).status, 200);

	tokenCreation.secret = 'operator';
	assert.deepEqual((await create({ username: 'ana' })).body, refusal);
	assert.deepEqual((await create({ username: 'ana', secret: 'x' })).body, refusal);
	assert.equal((await create({ username: 'ana', secret: 'operator' })).status, 200);
	assert.equal((await create({ userId: { $ne: null }, secret: 'operator' })).body['errorType'], 'invalid-params');
	assert.equal((await create({ secret: 'operator' })).body['errorType'], 'error-user-param-not-provided');
	assert.equal((await create({ username: 'nobody', secret: 'operator' })).body['errorType'], 'error-invalid-user');
});

test('sessions of a user end by users.logout and users.logoutOtherClients', async (t) => {
	const { rest, given, accounts } = await usersHarness(t);
	const chief = await given({ username: 'chief', email: 'chief@example.org' }, ['logout-other-user']);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const second = await accounts.createToken(ana.userId);
	const kept = await rest(usersLogoutOtherClients, { as: ana });
	assert.equal(kept.body['token'], ana.authToken);
	assert.ok(Date.parse(String(kept.body['tokenExpires'])) > Date.now());
	assert.equal(await accounts.authenticate(second.userId, second.authToken), null);

	const refused = await rest(usersLogout, { as: ana, body: { userId: chief.userId } });
	assert.deepEqual([refused.status, refused.body], [403, { success: false, error: 'unauthorized' }]);
	const unknown = await rest(usersLogout, { as: chief, body: { userId: 'nobody' } });
	assert.equal(unknown.body['errorType'], 'error-invalid-user-id');
	const done = await rest(usersLogout, { as: chief, body: { userId: ana.userId } });
	assert.equal(done.body['message'], `User ${ana.userId} has been logged out!`);
	assert.equal(await accounts.authenticate(ana.userId, ana.authToken), null);
});

test('presence is told of those named, changed or present', async (t) => {
	const { rest, given, db, settingValues, statusCalls, grants } = await usersHarness(t);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const bob = await given({ username: 'bob', email: 'bob@example.org' });
	const cyd = await given({ username: 'cyd', email: 'cyd@example.org' });
	await db.collection<User>('users').updateMany({ username: { $in: ['ana', 'bob'] } }, { $set: { status: 'away' } });
	const presence = async (query: Record<string, string | string[]>) => {
		const { body } = await rest(usersPresence, { query, as: ana });
		const names = (body['users'] as User[]).map(({ username }) => username ?? '');
		return [names.sort((a, b) => a.localeCompare(b)), body['full']];
	};
	assert.deepEqual(await presence({ ids: `${bob.userId},${cyd.userId},x` }), [['bob'], false]);
	assert.deepEqual(await presence({ ids: [bob.userId, ana.userId] }), [['ana', 'bob'], false]);
	assert.deepEqual(await presence({}), [['ana', 'bob'], true]);
	assert.deepEqual(await presence({ from: new Date(Date.now() - 60_000).toISOString() }), [['bob', 'cyd'], false]);
	assert.deepEqual(await presence({ from: new Date(Date.now() - 3_600_000).toISOString() }), [['ana', 'bob'], true]);
	settingValues['Presence_broadcast_disabled'] = true;
	assert.deepEqual(await presence({}), [[], false]);

	assert.deepEqual((await rest(usersGetStatus, { as: ana })).body, {
		_id: ana.userId,
		status: 'away',
		connectionStatus: 'offline',
		success: true,
	});
	assert.deepEqual((await rest(usersGetPresence, { as: ana, query: { username: 'cyd' } })).body, {
		presence: 'offline',
		success: true,
	});

	const set = async (body: object) => (await rest(usersSetStatus, { as: ana, body })).body;
	assert.deepEqual(await set({ status: 'busy', message: 'x' }), { success: true });
	assert.equal((await set({ status: 'gone' }))['errorType'], 'error-invalid-status');
	assert.deepEqual(await set({}), {
		success: false,
		error: 'Match error: Failed Match.OneOf, Match.Maybe or Match.Optional validation',
	});
	assert.deepEqual(await set({ status: 'busy', userId: bob.userId }), { success: false, error: 'unauthorized' });
	grants.set(ana.userId, ['edit-other-user-info']);
	assert.deepEqual(await set({ message: 'y', userId: bob.userId }), { success: true });
	assert.deepEqual(statusCalls, [
		[ana.userId, 'busy', 'x'],
		[bob.userId, null, 'y'],
	]);
});
