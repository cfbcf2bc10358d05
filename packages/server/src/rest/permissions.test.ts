import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import { trashRepository } from '../repositories/trash.ts';
import { workspaceHarness } from '../testing/workspace.ts';
import { permissionsListAll } from './permissions.ts';
import { rolesList } from './roles.ts';

type Listed = { _id: string; roles: string[]; _updatedAt: string };

test('permissions.listAll answers all permissions in a stable order', async (t) => {
	const { get, user } = await workspaceHarness(t);
	const { status, body } = await get(permissionsListAll, {}, user('ann'));
	assert.equal(status, 200);
	const update = body['update'] as Listed[];
	assert.deepEqual(
		update.map(({ _id }) => _id),
		update.map(({ _id }) => _id).toSorted(),
	);
	for (const [id, roles] of Object.entries(permissionCatalogue)) {
		assert.deepEqual(update.find(({ _id }) => _id === id)?.roles, roles, id);
	}
	assert.ok(update.every(({ _updatedAt }) => !Number.isNaN(Date.parse(_updatedAt))));
	assert.deepEqual(body['remove'], []);
});

test('permissions.listAll since a date answers what changed and what was removed', async (t) => {
	const { db, get, user } = await workspaceHarness(t);
	const later = new Date(Date.now() + 60_000).toISOString();
	await trashRepository(db).moveToTrash('rocketchat_permissions', ['view-history']);

	assert.deepEqual((await get(permissionsListAll, { updatedSince: later }, user('ann'))).body, {
		update: [],
		remove: [],
		success: true,
	});
	const { body } = await get(permissionsListAll, { updatedSince: new Date(0).toISOString() }, user('ann'));
	assert.deepEqual(
		(body['remove'] as Listed[]).map(({ _id }) => _id),
		['view-history'],
	);
	assert.ok((body['update'] as Listed[]).length > 900);
	const wrong = await get(permissionsListAll, { updatedSince: 'yesterday' }, user('ann'));
	assert.deepEqual(
		[wrong.status, wrong.body],
		[
			400,
			{
				success: false,
				error: 'The "updatedSince" query parameter must be a valid date. [error-roomId-param-invalid]',
				errorType: 'error-roomId-param-invalid',
			},
		],
	);
});

test('roles.list answers every role without its date', async (t) => {
	const { get, user } = await workspaceHarness(t);
	const { body } = await get(rolesList, {}, user('ann'));
	const roles = body['roles'] as { _id: string }[];
	assert.equal(roles.length, 15);
	assert.deepEqual(
		roles.find(({ _id }) => _id === 'admin'),
		{
			_id: 'admin',
			name: 'admin',
			scope: 'Users',
			description: 'Admin',
			protected: true,
			mandatory2fa: false,
		},
	);
});

test('permissions and roles are for users who are logged in', async (t) => {
	const { get } = await workspaceHarness(t);
	for (const route of [permissionsListAll, rolesList]) {
		assert.equal((await get(route)).status, 401);
		assert.equal((await get(route, {}, 'nobody')).status, 401);
	}
});
