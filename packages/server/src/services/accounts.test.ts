import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { hash, parseOptions } from '@node-rs/bcrypt';
import { toWireError } from '@rookery/protocol/errors.ts';
import type { User } from '@rookery/protocol/records.ts';
import { accountsWithAna, connectionFrom, waitFor } from '../testing/accounts.ts';
import { accountsService } from './accounts.ts';

const here = connectionFrom('10.0.0.1');
const digest = (text: string) => ({
	digest: createHash('sha256').update(text).digest('hex'),
	algorithm: 'sha-256',
});
const refused = { code: 403, reason: 'User not found' };

test('every form of name and password logs in', async (t) => {
	const { ana, accounts } = await accountsWithAna(t);
	const users = [
		{ username: 'Ana' },
		{ username: 'ana' },
		{ email: 'Ana@Example.org' },
		{ email: 'ana@example.ORG' },
		{ email: 'Ana' },
		{ id: ana._id },
	];
	for (const user of users) {
		for (const password of ['secret', digest('secret')]) {
			const result = await accounts.login({ user, password }, here);
			assert.equal(result.id, ana._id);
			assert.equal(result.type, 'password');
			assert.match(result.token, /^[\w-]{43}$/);
			assert.deepEqual(result.emails, [{ address: 'Ana@Example.org', verified: false }]);
			assert.deepEqual(await accounts.authenticate(ana._id, result.token), result.actor);
		}
	}
});

test('a name that differs in case only from two users fits the exact one, else nobody', async (t) => {
	const { db, accounts, ana } = await accountsWithAna(t);
	// As an old database may hold it.
	await db.collection<User>('users').insertOne({
		_id: 'other',
		username: 'ANA',
		type: 'user',
		roles: ['user'],
		active: true,
		createdAt: new Date(),
		_updatedAt: new Date(),
		services: { password: { bcrypt: await hash(digest('secret').digest, { cost: 4 }) } },
	});
	const idOf = async (username: string) => (await accounts.login({ user: { username }, password: 'secret' }, here)).id;
	assert.equal(await idOf('Ana'), ana._id);
	assert.equal(await idOf('ANA'), 'other');
	await assert.rejects(idOf('ana'), refused);
	await assert.rejects(accounts.createUser({ username: 'aNA', email: 'x@example.org' }), {
		code: 'error-field-unavailable',
	});
});

test('unknown user, wrong password, user without a password and inactive user get the same answer', async (t) => {
	const { accounts, db } = await accountsWithAna(t);
	await accounts.createUser({ username: 'nopass', email: 'n@example.org', roles: ['user'] });
	await accounts.createUser({
		username: 'gone',
		email: 'g@example.org',
		password: 'secret',
		roles: ['user'],
		active: false,
	});
	const before = await db.collection('users').find().toArray();
	const errors = [];
	for (const username of ['nobody', 'Ana', 'nopass', 'gone']) {
		const attempt = accounts.login({ user: { username }, password: 'wrong' }, here);
		errors.push(await attempt.then(() => null, toWireError));
	}
	const error = {
		isClientSafe: true,
		error: 403,
		reason: 'User not found',
		message: 'User not found [403]',
		errorType: 'Meteor.Error',
	};
	assert.deepEqual(errors, [error, error, error, error]);
	assert.deepEqual(await db.collection('users').find().toArray(), before);
});

test('operator objects and other shapes in any field are refused and change nothing', async (t) => {
	const { accounts, db, stored, login } = await accountsWithAna(t);
	const { token } = await login();
	const before = await stored();
	const operator = { $ne: null };
	const plain = { user: { username: 'Ana' }, password: 'secret' };
	const mismatched = [
		{ ...plain, user: operator },
		{ ...plain, user: { username: operator } },
		{ ...plain, user: { email: operator } },
		{ ...plain, user: { id: operator } },
		{ ...plain, user: { username: ['Ana'] } },
		{ ...plain, user: 'Ana' },
		{ ...plain, password: operator },
		{ ...plain, password: { digest: operator, algorithm: 'sha-256' } },
		{ ...plain, password: { digest: digest('secret').digest.toUpperCase(), algorithm: 'sha-256' } },
		{ ...plain, password: { digest: digest('secret').digest, algorithm: 'md5' } },
		{ ...plain, code: operator },
		{ resume: operator },
		{ resume: [token] },
		{ totp: { login: plain, code: operator } },
	];
	for (const options of mismatched) {
		await assert.rejects(accounts.login(options, here), { code: 400, reason: 'Match failed' }, JSON.stringify(options));
	}
	const unknown = [undefined, null, 'x', [], {}, { user: { username: 'Ana' } }, { password: 'secret' }, { ldap: true }];
	const services = [
		{ ldap: true, username: 'Ana', ldapPass: 'secret', ldapOptions: {} },
		{ oauth: { credentialToken: 'x', credentialSecret: null } },
		{ saml: true, credentialToken: 'x' },
		{ cas: { credentialToken: 'x' } },
		{ loginToken: 'x' },
		{ totp: { login: { totp: { login: plain, code: '1' } }, code: '1' } },
	];
	for (const options of [...unknown, ...services]) {
		const reason = 'Unrecognized options for login request';
		await assert.rejects(accounts.login(options, here), { code: 400, reason }, JSON.stringify(options));
	}
	assert.deepEqual(await stored(), before);
	assert.equal(await db.collection('rocketchat_server_events').countDocuments({ t: 'failed-login-attempt' }), 0);
});

test('of more logins at once than may be hashed some are unavailable, which is no verdict', async (t) => {
	const { deps } = await accountsWithAna(t, { Block_Multiple_Failed_Logins_Enabled: false });
	const accounts = accountsService({ ...deps, passwordCost: 7, hashingCores: 1 });
	for (const [transport, code] of [
		['rest', 'error-service-unavailable'],
		['sockjs', 500],
	] as const) {
		const connection = connectionFrom('10.0.0.1', transport);
		const attempts = Array.from({ length: 130 }, () =>
			accounts.login({ user: { username: 'Ana' }, password: 'wrong' }, connection),
		);
		const results = await Promise.allSettled(attempts);
		const codes = results.map((result) =>
			result.status === 'rejected' ? (result.reason as { code: unknown }).code : null,
		);
		assert.deepEqual(new Set(codes), new Set([403, code]));
	}
});

test('a deactivated user, one without roles and an app get no further, by password and by token', async (t) => {
	const { accounts, ana, login, db } = await accountsWithAna(t);
	const { token } = await login();
	const cases: [Partial<User>, { code: string; reason: string }][] = [
		[{ active: false }, { code: 'error-user-is-not-activated', reason: 'User is not activated' }],
		[
			{ active: true, roles: [] },
			{ code: 'error-user-has-no-roles', reason: 'User has no roles' },
		],
		[
			{ roles: ['user'], type: 'app' },
			{ code: 'error-app-user-is-not-allowed-to-login', reason: 'App user is not allowed to login' },
		],
	];
	for (const [fields, error] of cases) {
		await db.collection<User>('users').updateOne({ _id: ana._id }, { $set: fields });
		await assert.rejects(login(), error);
		await assert.rejects(accounts.login({ resume: token }, here), error);
		await assert.rejects(login('wrong'), refused);
	}
	await db.collection<User>('users').updateOne({ _id: ana._id }, { $set: { active: false, type: 'user' } });
	assert.equal(await accounts.authenticate(ana._id, token), null);
});

test('with a second factor the password alone does not let in', async (t) => {
	const { accounts, ana, login, db, stored, settingValues } = await accountsWithAna(t);
	const set = (services: object) => db.collection<User>('users').updateOne({ _id: ana._id }, { $set: services });
	const plain = { user: { username: 'Ana' }, password: 'secret' };
	await accounts.login({ totp: { login: plain, code: '123456' } }, here);

	await set({ 'services.totp': { enabled: true, secret: 'JBSWY3DPEHPK3PXP' } });
	const before = (await stored())?.services?.resume;
	const details = { method: 'totp', codeGenerated: false };
	await assert.rejects(login(), { code: 'totp-required', details: { ...details, availableMethods: ['totp'] } });
	await assert.rejects(login('wrong'), refused);
	await assert.rejects(accounts.login({ totp: { login: plain, code: '123456' } }, here), {
		code: 'totp-invalid',
		details,
	});
	await assert.rejects(accounts.login({ ...plain, code: '123456' }, here), { code: 'totp-invalid', details });
	assert.deepEqual((await stored())?.services?.resume, before);

	await set({ 'services.totp': { enabled: false }, 'services.email2fa': { enabled: true }, 'emails.0.verified': true });
	await assert.rejects(login(), {
		code: 'totp-required',
		details: { method: 'email', codeGenerated: false, emailOrUsername: 'Ana', availableMethods: ['email'] },
	});
	settingValues['Accounts_TwoFactorAuthentication_Enabled'] = false;
	assert.equal((await login()).id, ana._id);
});

test('with Accounts_EmailVerification a user needs a verified address, an admin does not', async (t) => {
	const { login, db, ana } = await accountsWithAna(t, { Accounts_EmailVerification: true });
	const set = (roles: string[], verified: boolean) =>
		db.collection<User>('users').updateOne({ _id: ana._id }, { $set: { roles, 'emails.0.verified': verified } });
	await set(['user'], false);
	await assert.rejects(login(), { code: 'error-invalid-email', reason: 'Invalid email __email__' });
	await set(['user'], true);
	await login();
	await set(['admin'], false);
	await login();
});

test('a weak hash is verified and replaced by one of the target cost', async (t) => {
	const { deps, ana, stored, db, login } = await accountsWithAna(t);
	const accounts = accountsService({ ...deps, passwordCost: 6 });
	const before = (await stored())?.services?.password?.bcrypt ?? '';
	assert.equal(parseOptions(before).cost, 4);
	const attempts = Array.from({ length: 5 }, () =>
		accounts.login({ user: { username: 'Ana' }, password: 'secret' }, here),
	);
	await Promise.all(attempts);
	const users = db.collection<User>('users');
	const renewed = await waitFor(() => users.findOne({ _id: ana._id, 'services.password.bcrypt': /^\$2b\$06\$/ }));
	assert.equal(parseOptions(renewed.services?.password?.bcrypt ?? '').cost, 6);
	await login();
});

test('a login that began before the password was changed gets no token', async (t) => {
	const { deps, ana, stored } = await accountsWithAna(t);
	const former = await deps.credentials.findForLogin({ by: 'id', value: ana._id });
	const accounts = accountsService({
		...deps,
		credentials: { ...deps.credentials, findForLogin: interleaved },
		passwordCost: 4,
	});
	let calls = 0;
	async function interleaved() {
		calls += 1;
		if (calls > 1) return deps.credentials.findForLogin({ by: 'id', value: ana._id });
		await accounts.setPassword(ana._id, 'another');
		return former;
	}
	await assert.rejects(accounts.login({ user: { id: ana._id }, password: 'secret' }, here), refused);
	assert.deepEqual((await stored())?.services?.resume?.loginTokens, []);
});
