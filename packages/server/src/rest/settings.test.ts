import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workspaceHarness } from '../testing/workspace.ts';
import { serviceConfigurations, settingsOauth, settingsPublic } from './settings.ts';

type Listed = { _id: string; value?: unknown; [field: string]: unknown };

const listOf = (body: Record<string, unknown>): Listed[] => body['settings'] as Listed[];
const idsOf = (body: Record<string, unknown>): string[] => listOf(body).map(({ _id }) => _id);

test('settings.public pages through all public settings in the order of their ids', async (t) => {
	const { get, settings } = await workspaceHarness(t);
	const all = settings.listPublic().map(({ _id }) => _id);
	assert.ok(all.length > 500);

	const first = await get(settingsPublic);
	assert.equal(first.status, 200);
	assert.deepEqual(
		[first.body['success'], first.body['count'], first.body['offset'], first.body['total']],
		[true, 50, 0, all.length],
	);
	assert.deepEqual(idsOf(first.body), all.slice(0, 50));
	const second = await get(settingsPublic, { offset: '50', count: '1000' });
	assert.deepEqual(idsOf(second.body), all.slice(50, 150));
	assert.deepEqual(idsOf((await get(settingsPublic, { count: '0' })).body), all);
	const last = await get(settingsPublic, { count: '2', sort: '{"_id":-1}' });
	assert.deepEqual(idsOf(last.body), all.toReversed().slice(0, 2));
});

test('settings.public gives the settings asked for by id, in both forms, and by no form a private one', async (t) => {
	const { get } = await workspaceHarness(t);
	const ids = ['Site_Name', 'uniqueID', 'SMTP_Password', 'VoIP_Management_Server_Password', 'No_Such'];

	const listed = await get(settingsPublic, { _id: ids.join(',') });
	assert.deepEqual(idsOf(listed.body), ['Site_Name', 'uniqueID']);
	const queried = await get(settingsPublic, { query: JSON.stringify({ _id: { $in: ids } }) });
	assert.deepEqual(queried.body, listed.body);
	const one = await get(settingsPublic, { query: '{"_id":"Site_Name"}' });
	assert.deepEqual(one.body['settings'], [{ _id: 'Site_Name', value: 'Rookery', enterprise: false }]);
});

test('settings.public adds the fields asked for and ignores unknown ones', async (t) => {
	const { get } = await workspaceHarness(t);
	const { body } = await get(settingsPublic, { _id: 'Site_Name', fields: '{"type":1,"joinCode":1}' });
	assert.deepEqual(body['settings'], [{ _id: 'Site_Name', value: 'Rookery', enterprise: false, type: 'string' }]);
});

test('what an installed client reads has the type it expects', async (t) => {
	const { get } = await workspaceHarness(t);
	const ids = [
		'Hide_System_Messages',
		'Assets_favicon_512',
		'API_Use_REST_For_DDP_Calls',
		'Presence_broadcast_disabled',
	];
	const { body } = await get(settingsPublic, { _id: ids.join(',') });
	const values = Object.fromEntries(listOf(body).map(({ _id, value }) => [_id, value]));
	assert.deepEqual(values, {
		Hide_System_Messages: [],
		Assets_favicon_512: { defaultUrl: 'images/logo/android-chrome-512x512.png' },
		API_Use_REST_For_DDP_Calls: true,
		Presence_broadcast_disabled: false,
	});
});

test('filters of settings.public: equality, patterns as text, and, or; whatever else is refused', async (t) => {
	const { get } = await workspaceHarness(t);
	const count = async (query: object): Promise<unknown> => {
		return (await get(settingsPublic, { query: JSON.stringify(query), count: '1' })).body['total'];
	};
	assert.equal(await count({ _id: { $regex: '^Site_' } }), 2);
	assert.equal(await count({ _id: { $regex: 'site_name', $options: 'i' } }), 1);
	assert.equal(await count({ _id: { $regex: 'Site.Name' } }), 0);
	assert.equal(await count({ $or: [{ _id: 'Site_Name' }, { _id: 'Site_Url' }], type: 'string' }), 2);
	assert.equal(await count({ group: 'Discussion', value: { $ne: false } }), 1);
	assert.equal(await count({ group: 'Discussion', section: { $exists: true } }), 0);

	for (const query of ['{"$where":"1"}', '{"_id":{"$gt":""}}', '[]', 'x', '{"_id":{"$regex":{"$ne":1}}}', '{"rk":1}']) {
		const { status, body } = await get(settingsPublic, { query });
		assert.deepEqual([status, body['success'], body['errorType']], [400, false, 'error-invalid-query'], query);
	}
	for (const [name, value] of [
		['sort', '{"_id":"x"}'],
		['sort', 'x'],
		['fields', '{"_id":{"$ne":1}}'],
		['count', 'x'],
		['offset', '-1'],
	]) {
		const { status, body } = await get(settingsPublic, { [name ?? '']: value ?? '' });
		assert.deepEqual([status, body['success']], [400, false], `${name}=${value}`);
	}
});

test('a setting of enterprise kind answers its licence-less value', async (t) => {
	const { get } = await workspaceHarness(t);
	const { body } = await get(settingsPublic, { _id: 'Canned_Responses_Enable' });
	assert.deepEqual(body['settings'], [
		{ _id: 'Canned_Responses_Enable', value: false, enterprise: true, invalidValue: false, modules: [] },
	]);
});

test('login services: built-in ones with what a button needs, custom ones whole, none with its secret', async (t) => {
	const { db, get } = await workspaceHarness(t);
	await db.collection<Listed>('meteor_accounts_loginServiceConfiguration').insertMany([
		{ _id: '1', service: 'facebook', appId: 'app', secret: 'hush', buttonColor: '#325c99', loginStyle: 'popup' },
		{ _id: '2', service: 'mine', clientId: 'c', secret: 'hush', custom: true, serverURL: 'https://id.example' },
	]);

	const oauth = await get(settingsOauth);
	assert.deepEqual(oauth.body, {
		services: [
			{
				_id: '1',
				name: 'facebook',
				clientId: 'app',
				buttonLabelText: '',
				buttonColor: '#325c99',
				buttonLabelColor: '',
				custom: false,
			},
			{ _id: '2', service: 'mine', clientId: 'c', custom: true, serverURL: 'https://id.example' },
		],
		success: true,
	});
	const { body } = await get(serviceConfigurations);
	assert.deepEqual(body['configurations'], [
		{ _id: '1', service: 'facebook', appId: 'app', buttonColor: '#325c99', loginStyle: 'popup' },
		{ _id: '2', service: 'mine', clientId: 'c', custom: true, serverURL: 'https://id.example' },
	]);
});
