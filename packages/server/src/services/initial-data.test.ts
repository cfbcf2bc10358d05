import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Db } from 'mongodb';
import { settingCatalogue } from '@rookery/protocol/catalogue/settings.ts';
import { commandCounters } from '../repositories/command-counters.ts';
import { connectDatabase } from '../repositories/database.ts';
import { initialUserRepository } from '../repositories/initial-users.ts';
import { permissionRepository } from '../repositories/permissions.ts';
import { roleRepository } from '../repositories/roles.ts';
import { roomRepository } from '../repositories/rooms.ts';
import { settingRepository } from '../repositories/settings.ts';
import { userRepository } from '../repositories/users.ts';
import { testDatabase, testMongoUrl, uniqueName } from '../testing/database.ts';
import { storeInitialData } from './initial-data.ts';

type Changes = { environment?: Record<string, string>; createAdmin?: () => Promise<void> };

function start(db: Db, { environment = {}, createAdmin }: Changes = {}): Promise<string[]> {
	return storeInitialData({
		settings: settingRepository(db),
		roles: roleRepository(db),
		permissions: permissionRepository(db),
		users: userRepository(db),
		initialUsers: initialUserRepository(db),
		rooms: roomRepository(db),
		environment,
		rootUrl: 'http://chat.example',
		createAdmin: createAdmin ?? (() => Promise.resolve()),
	});
}

type Named = { _id: string; [field: string]: unknown };

const find = (db: Db, collection: string, id: string): Promise<Named | null> =>
	db.collection<Named>(collection).findOne({ _id: id });

async function everything(db: Db): Promise<Record<string, Named[]>> {
	const names = ['rocketchat_settings', 'rocketchat_roles', 'rocketchat_permissions', 'users', 'rocketchat_room'];
	const lists = names.map(async (name) => {
		return [
			name,
			await db
				.collection<Named>(name)
				.find({}, { sort: { _id: 1 } })
				.toArray(),
		] as const;
	});
	return Object.fromEntries(await Promise.all(lists));
}

async function countedDatabase(t: TestContext) {
	const counters = commandCounters();
	const url = testMongoUrl(uniqueName());
	const { db, close } = await connectDatabase(url, { appName: 'test', onCommand: counters.listener });
	t.after(async () => {
		await db.dropDatabase();
		await close();
	});
	return { db, counters };
}

test('a first start stores all of it in few commands; a second one reads, and writes nothing', async (t) => {
	const { db, counters } = await countedDatabase(t);
	const startedAt = performance.now();

	assert.deepEqual(await start(db), []);

	t.diagnostic(`first start: ${Math.round(performance.now() - startedAt)} ms`);
	const first = counters.read();
	assert.ok(first.commands <= 22, `first start: ${first.commands} commands`);
	const groups = new Set(settingCatalogue.map(({ group }) => group).filter((group) => group !== ''));
	assert.equal(await db.collection('rocketchat_settings').countDocuments(), settingCatalogue.length + groups.size);
	assert.equal(await db.collection('rocketchat_roles').countDocuments(), 15);
	const before = await everything(db);
	const startedAgainAt = performance.now();
	const middle = counters.read();

	assert.deepEqual(await start(db), []);

	t.diagnostic(`second start: ${Math.round(performance.now() - startedAgainAt)} ms`);
	const second = counters.read();
	assert.equal(second.documentsWritten - middle.documentsWritten, 0);
	assert.ok(second.commands - middle.commands <= 9, `second start: ${second.commands - middle.commands} commands`);
	assert.deepEqual(await everything(db), before);
});

test('a new workspace has the bot, the channel GENERAL, an id, its address and the permissions of its settings', async (t) => {
	const db = await testDatabase(t);
	await start(db);

	const bot = await find(db, 'users', 'rocket.cat');
	assert.deepEqual([bot?.['username'], bot?.['roles'], bot?.['active']], ['rocket.cat', ['bot'], true]);
	const general = await find(db, 'rocketchat_room', 'GENERAL');
	assert.deepEqual([general?.['name'], general?.['default'], general?.['msgs']], ['general', true, 0]);
	assert.match(String((await find(db, 'rocketchat_settings', 'uniqueID'))?.['value']), /^[2-9A-Za-z]{17}$/);
	assert.equal((await find(db, 'rocketchat_settings', 'Site_Url'))?.['value'], 'http://chat.example');
	const permission = await find(db, 'rocketchat_permissions', 'change-setting-Site_Name');
	assert.deepEqual(
		{ ...permission, _updatedAt: undefined, sorter: undefined },
		{
			_id: 'change-setting-Site_Name',
			level: 'settings',
			settingId: 'Site_Name',
			group: 'General',
			groupPermissionId: 'change-setting-General',
			sorter: undefined,
			roles: [],
			_updatedAt: undefined,
		},
	);
	assert.equal(await find(db, 'rocketchat_permissions', 'change-setting-css'), null);
	assert.equal((await find(db, 'rocketchat_settings', 'Show_Setup_Wizard'))?.['value'], 'pending');
});

test('GENERAL that was deleted does not come back', async (t) => {
	const db = await testDatabase(t);
	await start(db);
	await db.collection<Named>('rocketchat_room').deleteOne({ _id: 'GENERAL' });

	await start(db);

	assert.equal(await find(db, 'rocketchat_room', 'GENERAL'), null);
});

test('on a database that Rocket.Chat filled no value, no role of a permission and no user changes', async (t) => {
	const db = await testDatabase(t);
	const old = new Date('2022-06-01T00:00:00Z');
	const settings: Named[] = [
		{ _id: 'uniqueID', type: 'string', value: 'theirs', packageValue: 'theirs', public: true, _updatedAt: old },
		{ _id: 'Site_Name', type: 'string', value: 'Our chat', packageValue: 'Rocket.Chat', public: true, _updatedAt: old },
		{ _id: 'Message_MaxAllowedSize', type: 'int', value: 9000, packageValue: 5000, public: true, _updatedAt: old },
		{ _id: 'Initial_Channel_Created', type: 'boolean', value: true, _updatedAt: old },
		{ _id: 'Show_Setup_Wizard', type: 'select', value: 'completed', public: true, _updatedAt: old },
		{ _id: 'LDAP_Base', type: 'string', value: 'dc=example', group: 'LDAP', _updatedAt: old },
	];
	const permissions: Named[] = [
		{ _id: 'create-c', roles: ['admin'], _updatedAt: old },
		{ _id: 'change-setting-LDAP_Base', level: 'settings', settingId: 'LDAP_Base', roles: ['x'], _updatedAt: old },
	];
	const roles: Named[] = [
		{ _id: 'admin', name: 'admin', scope: 'Users', description: 'Boss', protected: true, _updatedAt: old },
		{ _id: 'custom', name: 'custom', scope: 'Users', description: '', protected: false, _updatedAt: old },
	];
	const users: Named[] = [
		{
			_id: 'rocket.cat',
			username: 'rocket.cat',
			name: 'Cat',
			type: 'bot',
			roles: ['bot'],
			createdAt: old,
			_updatedAt: old,
		},
		{ _id: 'u1', username: 'ann', type: 'user', roles: ['user', 'admin'], createdAt: old, _updatedAt: old },
	];
	await db.collection<Named>('rocketchat_settings').insertMany(settings);
	await db.collection<Named>('rocketchat_permissions').insertMany(permissions);
	await db.collection<Named>('rocketchat_roles').insertMany(roles);
	await db.collection<Named>('users').insertMany(users);

	await start(db, { createAdmin: () => Promise.reject(new Error('there is an administrator')) });

	for (const setting of settings) {
		assert.deepEqual((await find(db, 'rocketchat_settings', setting._id))?.['value'], setting['value'], setting._id);
	}
	for (const permission of permissions) {
		assert.deepEqual(await find(db, 'rocketchat_permissions', permission._id), permission);
	}
	for (const role of roles) assert.deepEqual(await find(db, 'rocketchat_roles', role._id), role);
	assert.deepEqual((await everything(db))['users'], users);
	assert.equal(await find(db, 'rocketchat_room', 'GENERAL'), null);
	assert.ok((await find(db, 'rocketchat_permissions', 'view-c-room')) !== null);
});

test('the administrator of the environment is created once, and the wizard goes on', async (t) => {
	const db = await testDatabase(t);
	let created = 0;
	const createAdmin = async (): Promise<void> => {
		created += 1;
		await userRepository(db).insert({ _id: 'boss', type: 'user', roles: ['admin'], active: true, services: {} });
	};

	await start(db, { createAdmin });
	await start(db, { createAdmin });

	assert.equal(created, 1);
	assert.equal((await find(db, 'rocketchat_settings', 'Show_Setup_Wizard'))?.['value'], 'in_progress');
});

test('users without an administrator get the oldest person, never a bot', async (t) => {
	const db = await testDatabase(t);
	const user = (id: string, type: string, createdAt: string): Named => {
		return { _id: id, username: id, type, roles: [type], active: true, createdAt: new Date(createdAt) };
	};
	await db
		.collection<Named>('users')
		.insertMany([
			user('bot', 'bot', '2020-01-01'),
			user('young', 'user', '2022-01-01'),
			user('old', 'user', '2021-01-01'),
		]);

	await start(db);

	assert.deepEqual((await find(db, 'users', 'old'))?.['roles'], ['user', 'admin']);
	assert.deepEqual((await find(db, 'users', 'young'))?.['roles'], ['user']);
});

test('permissions of settings that no longer exist go into the trash', async (t) => {
	const db = await testDatabase(t);
	const gone: Named = { _id: 'change-setting-Gone', level: 'settings', settingId: 'Gone', roles: [] };
	await db.collection<Named>('rocketchat_permissions').insertOne(gone);

	await start(db);

	assert.equal(await find(db, 'rocketchat_permissions', 'change-setting-Gone'), null);
	assert.equal((await find(db, 'rocketchat__trash', 'change-setting-Gone'))?.['__collection__'], 'permissions');
});

test('several first starts at once end in the same data as one', async (t) => {
	const db = await testDatabase(t);
	await Promise.all([start(db), start(db), start(db)]);

	const { rocketchat_settings: settings = [], rocketchat_room: rooms = [] } = await everything(db);
	assert.equal(rooms.length, 1);
	assert.equal(settings.filter(({ _id }) => _id === 'uniqueID').length, 1);
	const before = await everything(db);
	await start(db);
	assert.deepEqual(await everything(db), before);
});
