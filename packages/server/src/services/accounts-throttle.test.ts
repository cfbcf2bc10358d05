import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { accountsHarness, connectionFrom } from '../testing/accounts.ts';
import { accountsService } from './accounts.ts';

const refused = { code: 403, reason: 'User not found' };
const blockedUser = { code: 'error-login-blocked-for-user', reason: 'Login has been temporarily blocked For User' };
const blockedIp = { code: 'error-login-blocked-for-ip', reason: 'Login has been temporarily blocked For IP' };

async function withAna(t: TestContext, values: Record<string, unknown> = {}) {
	const h = await accountsHarness(t, values);
	await h.accounts.createUser({ username: 'ana', email: 'ana@example.org', password: 'secret', roles: ['user'] });
	const replica = accountsService({ ...h.deps, passwordCost: 4 });
	const login = (password: string, ip = '10.0.0.1', user: object = { username: 'ana' }, accounts = h.accounts) =>
		accounts.login({ user, password }, connectionFrom(ip));
	/** As if so much time had passed since the failures. */
	const age = async (ms: number) => {
		await h.db.collection('rocketchat_server_events').updateMany({}, [
			{
				$set: {
					ts: { $subtract: ['$ts', ms] },
					'rk.userUntil': { $cond: ['$rk.userUntil', { $subtract: ['$rk.userUntil', ms] }, '$$REMOVE'] },
					'rk.ipUntil': { $cond: ['$rk.ipUntil', { $subtract: ['$rk.ipUntil', ms] }, '$$REMOVE'] },
				},
			},
		]);
	};
	return { ...h, login, replica, age };
}

test('after 10 failures a user is blocked at that address, in every replica, right password or not', async (t) => {
	const { login, replica } = await withAna(t);
	const names = [{ username: 'ana' }, { username: 'ANA' }, { email: 'ana@example.org' }];
	for (let n = 0; n < 10; n++) await assert.rejects(login('wrong', '10.0.0.1', names[n % 3]), refused);
	await assert.rejects(login('secret'), blockedUser);
	await assert.rejects(login('wrong'), blockedUser);
	await assert.rejects(login('secret', '10.0.0.1', { email: 'ana@example.org' }, replica), blockedUser);
	assert.equal((await login('secret', '10.0.0.2')).actor.username, 'ana');
});

test('an unknown name is blocked like a known one', async (t) => {
	const { login } = await withAna(t);
	for (let n = 0; n < 10; n++) await assert.rejects(login('x', '10.0.0.1', { username: 'nobody' }), refused);
	await assert.rejects(login('x', '10.0.0.1', { username: 'nobody' }), blockedUser);
	await login('secret');
});

test('a success and the end of a block begin the count anew', async (t) => {
	const { login, age } = await withAna(t);
	for (let n = 0; n < 9; n++) await assert.rejects(login('wrong'), refused);
	await login('secret');
	for (let n = 0; n < 10; n++) await assert.rejects(login('wrong'), refused);
	await assert.rejects(login('secret'), blockedUser);
	await age(5 * 60_000 + 1_000);
	for (let n = 0; n < 9; n++) await assert.rejects(login('wrong'), refused);
	await login('secret');
});

test('an address is blocked by failures of any users; listed addresses never', async (t) => {
	const { login, settingValues } = await withAna(t, {
		Block_Multiple_Failed_Logins_Attempts_Until_Block_By_Ip: 4,
		Block_Multiple_Failed_Logins_Ip_Whitelist: '10.0.0.8, 10.0.0.9',
	});
	const fail = (ip: string) => (n: number) => assert.rejects(login('x', ip, { username: `user${n}` }), refused);
	for (const n of [1, 2, 3, 4]) await fail('10.0.0.1')(n);
	await assert.rejects(login('secret'), blockedIp);
	await login('secret', '10.0.0.2');
	for (const n of [1, 2, 3, 4, 5]) await fail('10.0.0.9')(n);
	await login('secret', '10.0.0.9');
	settingValues['Block_Multiple_Failed_Logins_Enabled'] = false;
	await login('secret');
});

test('a resume is never blocked', async (t) => {
	const { login, accounts } = await withAna(t, { API_Enable_Rate_Limiter: true });
	const { token } = await login('secret');
	for (let n = 0; n < 9; n++) await assert.rejects(login('wrong'), refused);
	for (let n = 0; n < 30; n++) await accounts.login({ resume: token }, connectionFrom('10.0.0.1'));
});

test('an account may be tried ten times a minute over all addresses and replicas', async (t) => {
	const { login, replica } = await withAna(t, { API_Enable_Rate_Limiter: true });
	for (let n = 0; n < 10; n++)
		await login('secret', `10.0.1.${n}`, { username: 'ana' }, n % 2 === 0 ? replica : undefined);
	await assert.rejects(login('secret', '10.0.2.1'), (error: { code: string; details: { timeToReset: number } }) => {
		assert.equal(error.code, 'too-many-requests');
		assert.ok(error.details.timeToReset > 0 && error.details.timeToReset <= 60_000);
		return true;
	});
	await assert.rejects(login('x', '10.0.2.1', { username: 'nobody' }), refused);
});

test('an address may try sixty times a minute over all accounts', async (t) => {
	const { login, db } = await withAna(t, {
		API_Enable_Rate_Limiter: true,
		Block_Multiple_Failed_Logins_Enabled: false,
	});
	for (let n = 0; n < 60; n++) await assert.rejects(login('x', '10.0.0.1', { username: `user${n}` }), refused);
	await assert.rejects(login('secret'), { code: 'too-many-requests' });
	await db.collection('rookery_attempts').updateMany({}, { $set: { expireAt: new Date(0) } });
	await login('secret');
});
