import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Permission, Setting } from '@rookery/protocol/records.ts';
import { workspaceHarness } from '../testing/workspace.ts';
import { permissionsGet } from './permissions.ts';
import { publicSettingsGet } from './settings.ts';

type Sync<T> = { update: T[]; remove: unknown[] };

test('public-settings/get without a date is a list; a number, a text and null are no dates', async (t) => {
	const { ddp, settings } = await workspaceHarness(t);
	for (const params of [[], [null], [0], ['2020-01-01'], [{}]]) {
		const list = (await ddp(publicSettingsGet, ...params)) as Setting[];
		assert.equal(list.length, settings.listPublic().length);
		const name = list.find(({ _id }) => _id === 'Site_Name');
		assert.deepEqual(
			{ ...name, _updatedAt: undefined },
			{
				_id: 'Site_Name',
				value: 'Rookery',
				type: 'string',
				enterprise: false,
				requiredOnWizard: false,
				_updatedAt: undefined,
			},
		);
		assert.ok(name?._updatedAt instanceof Date);
	}
});

test('public-settings/get with a date, the epoch too, says what changed', async (t) => {
	const { ddp, settings } = await workspaceHarness(t);
	const all = (await ddp(publicSettingsGet, new Date(0))) as Sync<Setting>;
	assert.equal(all.update.length, settings.listPublic().length);
	assert.deepEqual(all.remove, []);
	const none = (await ddp(publicSettingsGet, new Date(Date.now() + 60_000))) as Sync<Setting>;
	assert.deepEqual(none, { update: [], remove: [] });
});

test('permissions/get lists without a date and syncs with one', async (t) => {
	const { ddp } = await workspaceHarness(t);
	const list = (await ddp(permissionsGet, null)) as Permission[];
	assert.ok(list.length > 900);
	assert.deepEqual(list.find(({ _id }) => _id === 'assign-roles')?.roles, ['admin']);
	const all = (await ddp(permissionsGet, new Date(0))) as Sync<Permission>;
	assert.equal(all.update.length, list.length);
	const none = (await ddp(permissionsGet, new Date(Date.now() + 60_000))) as Sync<Permission>;
	assert.deepEqual(none, { update: [], remove: [] });
});
