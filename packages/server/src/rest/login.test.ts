import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { User } from '@rookery/protocol/records.ts';
import { usersHarness } from '../testing/users.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { me } from './me.ts';

const digest = { digest: createHash('sha256').update('secret').digest('hex'), algorithm: 'sha-256' };
const unauthorized = { success: false, status: 'error', error: 'Unauthorized', message: 'Unauthorized' };
const notLoggedIn = {
	success: false,
	status: 'error',
	error: 'You must be logged in to do this.',
	message: 'You must be logged in to do this.',
};

async function withAna(t: TestContext, values: Record<string, unknown> = {}) {
	const h = await usersHarness(t, values);
	const ana = await h.given({ username: 'ana', name: 'Ana', email: 'ana@example.org', verified: true });
	const attempt = (body: unknown, headers: Record<string, string> = {}) => h.rest(login, { body, headers });
	return { ...h, ana, attempt };
}

test('every form of login answers status, success, token and me', async (t) => {
	const { attempt, ana, rest } = await withAna(t);
	const forms = [
		{ user: 'ana', password: 'secret' },
		{ user: 'ana@example.org', password: 'secret' },
		{ user: { username: 'ana' }, password: digest },
		{ user: { email: 'ANA@example.org' }, password: 'secret' },
		{ username: 'ana', password: 'secret' },
		{ email: 'ana@example.org', password: 'secret', code: null },
		{ user: 'ana', password: 'secret', code: '123456' },
		{ user: 'ana', password: 'secret', ldap: false },
		{ totp: { code: '123456', login: { user: { username: 'ana' }, password: 'secret' } } },
		'user=ana&password=secret',
		'username=ana&password=secret',
	];
	for (const form of forms) {
		const { status, body } = await attempt(form);
		assert.equal(status, 200, JSON.stringify(form));
		const data = body['data'] as { userId: string; authToken: string; me: Record<string, unknown> };
		assert.deepEqual([body['status'], body['success'], data.userId], ['success', true, ana.userId]);
		assert.deepEqual([data.me['username'], data.me['success']], ['ana', undefined]);
		assert.equal((await rest(me, { as: data })).status, 200);
	}
});

test('a password of digits in a form is a text', async (t) => {
	const { given, attempt } = await withAna(t);
	await given({ username: 'bob', email: 'bob@example.org', password: '123456' });
	assert.equal((await attempt('user=bob&password=123456')).status, 200);
});

test('a resume answers with the token it was given', async (t) => {
	const { attempt, ana } = await withAna(t);
	const { status, body } = await attempt({ resume: ana.authToken });
	assert.equal(status, 200);
	assert.equal((body['data'] as { authToken: string }).authToken, ana.authToken);
});

test('unknown user, wrong password and missing parts are one 401', async (t) => {
	const { attempt } = await withAna(t);
	const forms = [
		{ user: 'nobody', password: 'secret' },
		{ user: 'ana', password: 'wrong' },
		{ user: 'ana' },
		{ password: 'secret' },
		{ user: '', password: 'secret' },
		{},
		{ ldap: true, username: 'ana', ldapPass: 'secret', ldapOptions: {} },
		'',
	];
	for (const form of forms) {
		assert.deepEqual(await attempt(form), { status: 401, headers: {}, body: unauthorized }, JSON.stringify(form));
	}
});

test('refusals of a resume carry the words that clients look for', async (t) => {
	const { attempt, ana, clock } = await withAna(t);
	const unknown = await attempt({ resume: 'x' });
	assert.deepEqual(
		[unknown.status, unknown.body],
		[
			401,
			{
				success: false,
				status: 'error',
				error: 403,
				message: "You've been logged out by the server. Please log in again.",
			},
		],
	);
	clock.advance(91 * 24 * 60 * 60 * 1000);
	const expired = await attempt({ resume: ana.authToken });
	assert.equal(expired.body['message'], 'Your session has expired. Please log in again.');
});

test('an inactive user and one with a second factor get their codes', async (t) => {
	const { attempt, db, ana } = await withAna(t);
	const users = db.collection<User>('users');
	await users.updateOne({ _id: ana.userId }, { $set: { 'services.totp': { enabled: true, secret: 'x' } } });
	const form = { user: 'ana', password: 'secret' };
	const required = { method: 'totp', codeGenerated: false, availableMethods: ['totp'] };
	assert.deepEqual(await attempt(form), {
		status: 401,
		headers: {},
		body: { success: false, status: 'error', error: 'totp-required', details: required, message: 'TOTP Required' },
	});
	for (const wrong of [await attempt({ ...form, code: '1' }), await attempt(form, { 'x-2fa-code': '1' })]) {
		assert.deepEqual([wrong.status, wrong.body['error'], wrong.body['message']], [401, 'totp-invalid', 'TOTP Invalid']);
	}
	await users.updateOne({ _id: ana.userId }, { $set: { active: false } });
	const inactive = await attempt(form);
	assert.deepEqual(
		[inactive.status, inactive.body['error'], inactive.body['message']],
		[401, 'error-user-is-not-activated', 'User is not activated'],
	);
});

test('a field of another type is 400 invalid-params, and nothing is looked up', async (t) => {
	const { attempt, db } = await withAna(t);
	const operator = { $ne: null };
	const forms = [
		{ user: operator, password: 'secret' },
		{ user: { username: operator }, password: 'secret' },
		{ user: ['ana'], password: 'secret' },
		{ user: 5, password: 'secret' },
		{ username: operator, password: 'secret' },
		{ email: operator, password: 'secret' },
		{ user: 'ana', password: operator },
		{ user: 'ana', password: { digest: operator, algorithm: 'sha-256' } },
		{ user: 'ana', password: { ...digest, algorithm: 'md5' } },
		{ user: 'ana', password: 'x'.repeat(5000) },
		{ user: 'ana', password: 'secret', code: operator },
		{ resume: operator },
		{ resume: ['x'] },
		{ totp: { code: operator, login: { user: 'ana', password: 'secret' } } },
		{ totp: { code: '1', login: [operator] } },
		{ totp: 'x' },
	];
	for (const form of forms) {
		const { status, body } = await attempt(form);
		assert.deepEqual([status, body['errorType']], [400, 'invalid-params'], JSON.stringify(form));
	}
	assert.equal(await db.collection('rocketchat_server_events').countDocuments(), 0);
	assert.equal((await attempt('user[$ne]=x&password[$ne]=x')).status, 401);
});

test('too many attempts are 429 in the words of REST', async (t) => {
	const { attempt } = await withAna(t, { API_Enable_Rate_Limiter: true });
	for (let n = 0; n < 10; n++) assert.equal((await attempt({ user: 'ana', password: 'secret' })).status, 200);
	const { status, body } = await attempt({ user: 'ana', password: 'secret' });
	assert.equal(status, 429);
	assert.match(
		String(body['error']),
		/^Error, too many requests\. Please slow down\. You must wait \d+ seconds before trying this endpoint again\. \[error-too-many-requests\]$/,
	);
});

test('logout ends only the presented token', async (t) => {
	const { ana, rest, accounts } = await withAna(t);
	const other = await accounts.createToken(ana.userId);
	assert.deepEqual((await rest(logout, { as: ana })).body, {
		status: 'success',
		data: { message: "You've been logged out!" },
		success: true,
	});
	const after = await rest(logout, { as: ana });
	assert.deepEqual([after.status, after.body], [401, notLoggedIn]);
	assert.equal((await rest(me, { as: other })).status, 200);
	assert.equal((await rest(me, { as: { userId: 'x', authToken: other.authToken } })).status, 401);
	assert.equal((await rest(me)).status, 401);
});

test('me holds every field and preference, and no secret', async (t) => {
	const { ana, rest, db } = await withAna(t, {
		Accounts_Default_User_Preferences_unreadAlert: false,
		Accounts_Default_User_Preferences_idleTimeLimit: 120,
	});
	await db.collection<User>('users').updateOne(
		{ _id: ana.userId },
		{
			$set: { settings: { preferences: { idleTimeLimit: 60, language: 'de' } }, e2e: { private_key: 'x' } },
		},
	);
	const { body } = await rest(me, { as: ana });
	const preferences = (body['settings'] as { preferences: Record<string, unknown> }).preferences;
	assert.deepEqual(
		{
			name: body['name'],
			email: body['email'],
			roles: body['roles'],
			avatarUrl: body['avatarUrl'],
			services: body['services'],
			isOAuthUser: body['isOAuthUser'],
			idleTimeLimit: body['idleTimeLimit'],
			success: body['success'],
		},
		{
			name: 'Ana',
			email: 'ana@example.org',
			roles: ['user', 'admin'],
			avatarUrl: 'http://chat.example/avatar/ana',
			services: { password: { exists: true }, totp: { enabled: false }, email2fa: { enabled: false } },
			isOAuthUser: false,
			idleTimeLimit: 60,
			success: true,
		},
	);
	assert.deepEqual(
		[preferences['unreadAlert'], preferences['idleTimeLimit'], preferences['language'], preferences['highlights']],
		[false, 60, 'de', []],
	);
	assert.equal(Object.keys(preferences).length, 49);
	const text = JSON.stringify(body);
	for (const secret of ['bcrypt', 'hashedToken', 'private_key', '"rk"']) assert.ok(!text.includes(secret), secret);
	const chosen = await rest(me, { as: ana, query: { fields: '{"username":1}' } });
	assert.deepEqual(chosen.body, { _id: ana.userId, username: 'ana', success: true });
});

test('a login over the limit names the limit in the headers of its answer', async (t) => {
	const { attempt, clock } = await withAna(t, { API_Enable_Rate_Limiter: true });
	for (let n = 0; n < 10; n++) await attempt({ user: 'ana', password: 'wrong' });
	const { status, headers, body } = await attempt({ user: 'ana', password: 'secret' });
	assert.equal(status, 429);
	assert.match(String(body['error']), /^Error, too many requests\. .* \[error-too-many-requests\]$/);
	assert.deepEqual([headers['X-RateLimit-Limit'], headers['X-RateLimit-Remaining']], ['10', '0']);
	const reset = Number(headers['X-RateLimit-Reset']) - clock.now();
	assert.ok(reset > 0 && reset <= 60_000, String(reset));
});
