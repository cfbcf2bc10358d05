import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { hash, parseOptions } from '@node-rs/bcrypt';
import { toWireError } from '@rookery/protocol/errors.ts';
import type { User } from '@rookery/protocol/records.ts';
import { accountsHarness, connectionFrom } from '../testing/accounts.ts';
import { accountsService } from './accounts.ts';

const here = connectionFrom('10.0.0.1');
const digest = (text: string) => ({
	digest: createHash('sha256').update(text).digest('hex'),
	algorithm: 'sha-256',
});
const hashOf = (token: string) => createHash('sha256').update(token).digest('base64');
const dayMs = 24 * 60 * 60 * 1000;
const refused = { code: 403, reason: 'User not found' };

async function withAna(t: TestContext, values: Record<string, unknown> = {}) {
	const h = await accountsHarness(t, values);
	const ana = await h.accounts.createUser({
		username: 'Ana',
		name: 'Ana A',
		email: 'Ana@Example.org',
		password: 'secret',
		roles: ['user'],
	});
	const stored = () => h.db.collection<User>('users').findOne({ _id: ana._id });
	const login = (password: unknown = 'secret', user: unknown = { username: 'Ana' }, connection = here) =>
		h.accounts.login({ user, password }, connection);
	return { ...h, ana, stored, login };
}

test('every form of name and password logs in', async (t) => {
	const { ana, accounts } = await withAna(t);
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
	const { db, accounts, ana } = await withAna(t);
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
});

test('unknown user, wrong password, user without a password and inactive user get the same answer', async (t) => {
	const { accounts, db } = await withAna(t);
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
	const { accounts, db, stored, login } = await withAna(t);
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

test('a token resumes as itself; an unknown, expired or revoked one does not', async (t) => {
	const { accounts, ana, login, clock, stored, settingValues } = await withAna(t);
	const { token, tokenExpires, actor } = await login();
	const before = await stored();
	const resumed = await accounts.login({ resume: token }, here);
	assert.deepEqual(
		{ id: resumed.id, token: resumed.token, type: resumed.type, tokenExpires: resumed.tokenExpires },
		{ id: ana._id, token, type: 'resume', tokenExpires },
	);
	assert.deepEqual(await stored(), before);
	assert.ok(Math.abs(tokenExpires.getTime() - Date.now() - 90 * dayMs) < 60_000);

	const unknown = { code: 403, reason: "You've been logged out by the server. Please log in again." };
	for (const wrong of ['x', '', hashOf(token)]) await assert.rejects(accounts.login({ resume: wrong }, here), unknown);

	settingValues['Accounts_LoginExpiration'] = 1;
	clock.advance(dayMs + 1000);
	const expired = { code: 403, reason: 'Your session has expired. Please log in again.' };
	await assert.rejects(accounts.login({ resume: token }, here), expired);
	assert.equal(await accounts.authenticate(ana._id, token), null);
	for (const bad of [0, -1, Number.NaN, 'x']) {
		settingValues['Accounts_LoginExpiration'] = bad;
		assert.equal((await accounts.login({ resume: token }, here)).tokenExpires.getTime(), tokenExpires.getTime());
	}

	await accounts.logout(ana._id, actor.hashedToken);
	await assert.rejects(accounts.login({ resume: token }, here), unknown);
});

test('only the hash of a token is stored, and the hash is no credential', async (t) => {
	const { accounts, ana, login, stored } = await withAna(t);
	const { token } = await login();
	const user = await stored();
	const tokens = user?.services?.resume?.loginTokens ?? [];
	assert.deepEqual(
		tokens.map(({ hashedToken }) => hashedToken),
		[hashOf(token)],
	);
	assert.ok(tokens[0]?.when instanceof Date);
	assert.ok(!JSON.stringify(user).includes(token));
	assert.equal(await accounts.authenticate(ana._id, hashOf(token)), null);
	assert.equal(await accounts.authenticate('other', token), null);
});

test('of more than 50 login tokens the oldest go, personal access tokens stay', async (t) => {
	const { accounts, ana, login, db, stored } = await withAna(t);
	const personal = { hashedToken: hashOf('personal'), type: 'personalAccessToken' as const, name: 'bot' };
	await db.collection<User>('users').updateOne(
		{ _id: ana._id },
		{
			$set: { 'services.resume.loginTokens': [personal] },
		},
	);
	const tokens = [];
	for (let n = 0; n < 52; n++) tokens.push((await login()).token);
	const kept = (await stored())?.services?.resume?.loginTokens ?? [];
	assert.equal(kept.length, 51);
	assert.deepEqual(kept[0], personal);
	const [first, second, third] = tokens;
	assert.equal(await accounts.authenticate(ana._id, first ?? ''), null);
	assert.equal(await accounts.authenticate(ana._id, second ?? ''), null);
	assert.equal((await accounts.authenticate(ana._id, third ?? ''))?.uid, ana._id);

	const resumed = await accounts.login({ resume: 'personal' }, here);
	assert.ok(resumed.tokenExpires.getTime() > Date.now() + 99 * 365 * dayMs);
	assert.deepEqual([resumed.actor.isPersonalToken, resumed.actor.tokenExpires], [true, null]);

	await accounts.logoutOthers(ana._id, hashOf(tokens[51] ?? ''));
	const rest = (await stored())?.services?.resume?.loginTokens ?? [];
	assert.deepEqual(
		rest.map(({ hashedToken }) => hashedToken),
		[personal.hashedToken, hashOf(tokens[51] ?? '')],
	);
});

test('a new token keeps the expiry of the present one', async (t) => {
	const { accounts, ana, login, db } = await withAna(t);
	const { actor } = await login();
	const when = new Date(Date.now() - 10 * dayMs);
	await db.collection<User>('users').updateOne(
		{ _id: ana._id },
		{
			$set: { 'services.resume.loginTokens.0.when': when },
		},
	);
	const renewed = await accounts.newToken(ana._id, actor.hashedToken);
	assert.equal(renewed.tokenExpires.getTime(), when.getTime() + 90 * dayMs);
	assert.equal((await accounts.authenticate(ana._id, renewed.token))?.uid, ana._id);
	await assert.rejects(accounts.newToken(ana._id, hashOf('x')), { code: 401 });
});

test('revocation holds at once while lookups of the same token run in parallel', async (t) => {
	const { accounts, ana, login } = await withAna(t);
	const { token, actor } = await login();
	const answers = await Promise.all(Array.from({ length: 200 }, () => accounts.authenticate(ana._id, token)));
	assert.ok(answers.every((answer) => answer?.uid === ana._id));
	await accounts.logout(ana._id, actor.hashedToken);
	const after = await Promise.all(Array.from({ length: 200 }, () => accounts.authenticate(ana._id, token)));
	assert.ok(after.every((answer) => answer === null));
});

test('many tokens asked for at once are found by few reads', async (t) => {
	const { accounts, deps, ana } = await withAna(t);
	const tokens = await Promise.all(Array.from({ length: 20 }, () => accounts.createToken(ana._id)));
	let reads = 0;
	const credentials = {
		...deps.credentials,
		findByTokens: (hashes: string[]) => {
			reads += 1;
			return deps.credentials.findByTokens(hashes);
		},
	};
	const counted = accountsService({ ...deps, credentials, passwordCost: 4 });
	const found = await Promise.all(tokens.map(({ authToken }) => counted.authenticate(ana._id, authToken)));
	assert.ok(found.every((actor) => actor?.uid === ana._id));
	assert.equal(reads, 1);
});

test('a deactivated user, one without roles and an app get no further, by password and by token', async (t) => {
	const { accounts, ana, login, db } = await withAna(t);
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
	const { accounts, ana, login, db, stored, settingValues } = await withAna(t);
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
	const { login, db, ana } = await withAna(t, { Accounts_EmailVerification: true });
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
	const { deps, ana, stored, db, login } = await withAna(t);
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
	const { deps, ana, stored } = await withAna(t);
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

test('a new password ends every token but the one kept', async (t) => {
	const { accounts, ana, login } = await withAna(t);
	const [first, second] = [await login(), await login()];
	await accounts.setPassword(ana._id, 'next', first.actor.hashedToken);
	assert.equal((await accounts.authenticate(ana._id, first.token))?.uid, ana._id);
	assert.equal(await accounts.authenticate(ana._id, second.token), null);
	await assert.rejects(login('secret'), refused);
	await login('next');
	assert.equal(await accounts.logoutEverywhere(ana._id), true);
	assert.equal(await accounts.authenticate(ana._id, first.token), null);
	assert.equal(await accounts.logoutEverywhere('nobody'), false);
});

test('what a user can log in with is told without secrets', async (t) => {
	const { accounts, ana } = await withAna(t);
	assert.deepEqual(await accounts.credentialsOf(ana._id), {
		password: true,
		totp: false,
		email2fa: false,
		services: ['password'],
	});
	assert.equal('services' in ana, false);
	assert.equal('rk' in ana, false);
});

/** Asks until there is an answer, at most 5 s. */
async function waitFor<T>(read: () => Promise<T | null>): Promise<T> {
	const end = performance.now() + 5_000;
	for (;;) {
		const value = await read();
		if (value !== null) return value;
		assert.ok(performance.now() < end, 'nothing came within 5 s');
	}
}
