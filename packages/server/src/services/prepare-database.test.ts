import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { readConfig } from '../platform/config.ts';
import { systemClock } from '../platform/clock.ts';
import { connectDatabase } from '../repositories/database.ts';
import { initialUserRepository } from '../repositories/initial-users.ts';
import { fakeLog } from '../testing/accounts.ts';
import { testMongoUrl, uniqueName } from '../testing/database.ts';
import { joinInitialUser } from './initial-user.ts';
import { prepareDatabase } from './prepare-database.ts';

type Stored = { _id: string; rk?: { joinsLater?: true } } & Record<string, unknown>;

/** A database of its own that is prepared as often as the test asks, each time with another environment. */
async function withDatabase(t: TestContext) {
	const database = await connectDatabase(testMongoUrl(uniqueName()), { appName: 'test' });
	t.after(async () => {
		await database.db.dropDatabase();
		await database.close();
	});
	const { log, lines } = fakeLog();
	const problems = () => lines.filter(({ level }) => level === 'warn' || level === 'error').length;
	const prepare = (environment: Record<string, string>) => {
		const config = readConfig(environment);
		return prepareDatabase({ database, config, rootUrl: 'http://a.example', clock: systemClock, log, passwordCost: 4 });
	};
	const users = database.db.collection<Stored>('users');
	return { db: database.db, prepare, problems, users };
}

test('names and addresses of ADMIN_* that nobody may have are left out, the administrator is made', async (t) => {
	const { prepare, problems, users } = await withDatabase(t);
	const { newAdminId } = await prepare({
		ADMIN_PASS: 'secret12',
		ADMIN_USERNAME: 'no name!',
		ADMIN_EMAIL: 'no-address',
	});
	const admin = await users.findOne({ roles: 'admin' });
	assert.deepEqual([admin?._id, admin?.['username'], admin?.['emails']], [newAdminId, 'admin', undefined]);
	assert.equal(problems(), 2);
	assert.equal((await prepare({ ADMIN_PASS: 'secret12', ADMIN_USERNAME: 'other' })).newAdminId, null);
	assert.equal(await users.countDocuments({ roles: 'admin' }), 1);
});

test('of several first starts at once one makes the administrator, and none complains', async (t) => {
	const { prepare, problems, users } = await withDatabase(t);
	const environment = { ADMIN_PASS: 'secret12', ADMIN_EMAIL: 'a@b.example' };
	const starts = await Promise.all([1, 2, 3].map(() => prepare(environment)));
	assert.equal(starts.filter(({ newAdminId }) => newAdminId !== null).length, 1);
	assert.equal(new Set(starts.map(({ workspaceId }) => workspaceId)).size, 1);
	assert.equal(await users.countDocuments(), 2);
	assert.equal(problems(), 0);
});

test('INITIAL_USER is inserted once as it is given and joins the default rooms once', async (t) => {
	const { db, prepare, problems, users } = await withDatabase(t);
	const given = {
		_id: 'robot',
		username: 'Robot',
		emails: [{ address: 'R@b.example', verified: true }],
		type: 'bot',
		roles: ['bot'],
		createdAt: '2020-01-01T00:00:00.000Z',
		rk: { username: 'stolen' },
		services: { resume: { loginTokens: [{ hashedToken: 'hash', when: '2026-01-01T00:00:00.000Z' }] } },
	};
	const environment = { ADMIN_PASS: 'secret12', INITIAL_USER: JSON.stringify(given) };
	await prepare(environment);
	const stored = await users.findOne({ _id: 'robot' });
	const { services, createdAt, _updatedAt, rk, ...fields }: Record<string, unknown> = stored ?? {};
	assert.deepEqual(fields, {
		_id: 'robot',
		username: 'Robot',
		emails: given.emails,
		type: 'bot',
		roles: ['bot'],
		active: true,
		status: 'offline',
		statusDefault: 'online',
		statusConnection: 'offline',
		utcOffset: 0,
		avatarOrigin: 'none',
		__rooms: [],
	});
	const when = new Date('2026-01-01T00:00:00.000Z');
	assert.deepEqual(services, { resume: { loginTokens: [{ hashedToken: 'hash', when }] } });
	assert.ok(createdAt instanceof Date && _updatedAt instanceof Date);
	assert.deepEqual(rk, { username: 'robot', emails: ['r@b.example'], joinsLater: true });

	const joined: string[] = [];
	const joinDefaultRooms = (uid: string) => {
		joined.push(uid);
		return Promise.resolve();
	};
	const deps = { initialUsers: initialUserRepository(db), joinDefaultRooms };
	for (let start = 0; start < 2; start++) await joinInitialUser(deps, given);
	await joinInitialUser(deps, null);
	assert.deepEqual(joined, ['robot']);

	await users.updateOne({ _id: 'robot' }, { $set: { name: 'Changed' } });
	await prepare(environment);
	assert.equal((await users.findOne({ _id: 'robot' }))?.['name'], 'Changed');
	assert.equal(problems(), 0);
});

test('an INITIAL_USER that cannot be one is said and left out', async (t) => {
	const { prepare, problems, users } = await withDatabase(t);
	const bad = [{ username: 5 }, { emails: ['x'] }, { roles: 'admin' }, { services: 'x' }, { username: 'ROCKET.cat' }];
	for (const [index, fields] of bad.entries()) {
		await prepare({ ADMIN_PASS: 'secret12', INITIAL_USER: JSON.stringify({ _id: `u${index}`, ...fields }) });
		assert.equal(problems(), index + 1, JSON.stringify(fields));
	}
	assert.equal(await users.countDocuments(), 2);
});
