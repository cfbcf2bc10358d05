import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workspaceHarness } from '../testing/workspace.ts';
import { apiInfo, info } from './info.ts';

const minimumClientVersions = { desktop: '3.9.6', mobile: '4.39.0' };

test('everybody learns the version that clients compare, and no signed list', async (t) => {
	const { get, user } = await workspaceHarness(t);
	for (const route of [apiInfo, info]) {
		for (const uid of [undefined, 'nobody', user('ann')]) {
			const { status, body } = await get(route, {}, uid);
			assert.deepEqual([status, body], [200, { version: '8.6', minimumClientVersions, success: true }]);
		}
	}
	assert.equal(apiInfo.path, '/api/info');
	assert.deepEqual([apiInfo.rate, info.rate], ['none', 'none']);
});

test('whoever may see statistics or the server learns what it runs on', async (t) => {
	const { get, user } = await workspaceHarness(t);
	for (const permission of ['view-statistics', 'get-server-info']) {
		const { body } = await get(apiInfo, {}, user(permission, [permission]));
		assert.equal(body['version'], '8.6.0');
		const { version, build } = body['info'] as { version: string; build: { nodeVersion: string } };
		assert.deepEqual([version, build.nodeVersion], ['8.6.0', process.version]);
		assert.equal('supportedVersions' in body, false);
	}
});
