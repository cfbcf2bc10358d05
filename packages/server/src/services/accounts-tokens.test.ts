import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '@rookery/protocol/records.ts';
import { accountsWithAna, connectionFrom, hashOf, waitFor } from '../testing/accounts.ts';
import { accountsService } from './accounts.ts';

const here = connectionFrom('10.0.0.1');
const dayMs = 24 * 60 * 60 * 1000;
const refused = { code: 403, reason: 'User not found' };

test('a token resumes as itself; an unknown, expired or revoked one does not', async (t) => {
	const { accounts, ana, login, clock, stored, settingValues } = await accountsWithAna(t);
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

test('a resume long after the last login moves lastLogin, apart from the answer', async (t) => {
	const { accounts, login, clock, stored, db, ana } = await accountsWithAna(t);
	const { token } = await login();
	const before = await stored();
	clock.advance(6 * 60_000);
	await accounts.login({ resume: token }, here);
	const { lastLogin } = before ?? {};
	const users = db.collection<User>('users');
	const after = await waitFor(() => users.findOne({ _id: ana._id, lastLogin: { $gt: lastLogin ?? new Date() } }));
	assert.deepEqual({ ...after, lastLogin: null }, { ...before, lastLogin: null });
});

test('only the hash of a token is stored, and the hash is no credential', async (t) => {
	const { accounts, ana, login, stored } = await accountsWithAna(t);
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
	const { accounts, ana, login, db, stored } = await accountsWithAna(t);
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
	const { accounts, ana, login, db } = await accountsWithAna(t);
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
	const { accounts, ana, login } = await accountsWithAna(t);
	const { token, actor } = await login();
	const answers = await Promise.all(Array.from({ length: 200 }, () => accounts.authenticate(ana._id, token)));
	assert.ok(answers.every((answer) => answer?.uid === ana._id));
	await accounts.logout(ana._id, actor.hashedToken);
	const after = await Promise.all(Array.from({ length: 200 }, () => accounts.authenticate(ana._id, token)));
	assert.ok(after.every((answer) => answer === null));
});

test('many tokens asked for at once are found by few reads', async (t) => {
	const { accounts, deps, ana } = await accountsWithAna(t);
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

test('a new password ends every token but the one kept', async (t) => {
	const { accounts, ana, login } = await accountsWithAna(t);
	const [first, second] = [await login(), await login()];
	await accounts.setPassword(ana._id, 'next', first.actor.hashedToken);
	assert.equal((await accounts.authenticate(ana._id, first.token))?.uid, ana._id);
	assert.equal(await accounts.authenticate(ana._id, second.token), null);
	await assert.rejects(login('secret'), refused);
	await login('next');
	// Empty token lists of several users do not collide.
	const bob = await accounts.createUser({ username: 'bob', email: 'bob@example.org', roles: ['user'] });
	await accounts.setPassword(bob._id, 'new');
	assert.equal(await accounts.logoutEverywhere(ana._id), true);
	assert.equal(await accounts.authenticate(ana._id, first.token), null);
	assert.equal(await accounts.logoutEverywhere('nobody'), false);
});

test('what a user can log in with is told without secrets', async (t) => {
	const { accounts, ana } = await accountsWithAna(t);
	assert.deepEqual(await accounts.credentialsOf(ana._id), {
		password: true,
		totp: false,
		email2fa: false,
		services: ['password'],
	});
	assert.equal('services' in ana, false);
	assert.equal('rk' in ana, false);
});
