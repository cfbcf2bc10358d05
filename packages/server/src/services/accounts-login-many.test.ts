import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '@rookery/protocol/records.ts';
import { accountsHarness, accountsWithAna, connectionFrom, fakeLog, hashOf } from '../testing/accounts.ts';
import { manyLogins } from './accounts-login-many.ts';
import type { LoginOutcome } from './contracts.ts';

const connection = connectionFrom('10.0.0.1');
const refusalOf = (outcome: LoginOutcome | undefined) =>
	outcome !== undefined && 'refused' in outcome ? outcome.refused : null;

test('every check holds for every login of many, and one that fails is only his own', async (t) => {
	const { accounts, ana, login, db, clock, settingValues } = await accountsWithAna(t);
	const { token } = await login();
	const users = db.collection<User>('users');
	const others: [username: string, change: object][] = [
		['inactive', { active: false }],
		['no-roles', { roles: [] }],
		['app', { type: 'app' }],
		['expired', { 'services.resume.loginTokens.$[].when': new Date(clock.now() - 91 * 86_400_000) }],
	];
	const tokens: string[] = [];
	for (const [username, change] of others) {
		const user = await accounts.createUser({ username, password: 'secret', roles: ['user'] });
		tokens.push((await accounts.createToken(user._id)).authToken);
		await users.updateOne({ _id: user._id }, { $set: change });
	}
	const logins = [token, ...tokens, 'unknown', token].map((resume) => ({ options: { resume }, connection }));
	const outcomes = await accounts.loginMany([...logins, { options: { resume: { $ne: 1 } }, connection }]);

	for (const index of [0, 6]) {
		const outcome = outcomes[index];
		assert.ok(outcome !== undefined && 'result' in outcome);
		assert.deepEqual(outcome.result, await accounts.login({ resume: token }, connection));
		assert.equal(outcome.result.id, ana._id);
	}
	assert.deepEqual(
		outcomes.map((outcome) => refusalOf(outcome)?.code ?? null),
		[
			null,
			'error-user-is-not-activated',
			'error-user-has-no-roles',
			'error-app-user-is-not-allowed-to-login',
			403,
			403,
			null,
			400,
		],
	);
	assert.equal(refusalOf(outcomes[4])?.reason, 'Your session has expired. Please log in again.');
	assert.equal(refusalOf(outcomes[5])?.reason, "You've been logged out by the server. Please log in again.");
	// Each refusal is the one that a login alone gets.
	for (const [index, { options }] of logins.entries()) {
		const refusal = refusalOf(outcomes[index]);
		if (refusal !== null) await assert.rejects(accounts.login(options, connection), { ...refusal });
	}
	settingValues['Accounts_LoginExpiration'] = 1;
	clock.advance(2 * 86_400_000);
	const later = await accounts.loginMany([{ options: { resume: token }, connection }]);
	assert.equal(refusalOf(later[0])?.code, 403);
});

test('a token that was revoked before the question is not taken, whoever else asks', async (t) => {
	const { accounts, ana, login } = await accountsWithAna(t);
	const [first, second] = [await login(), await login()];
	await accounts.logout(ana._id, first.actor.hashedToken);
	const outcomes = await accounts.loginMany(
		[first, second].map(({ token }) => ({ options: { resume: token }, connection })),
	);
	assert.deepEqual(
		outcomes.map((outcome) => 'result' in outcome),
		[false, true],
	);
});

test('many logins are one read', async (t) => {
	const commands: string[] = [];
	const { accounts, db } = await accountsHarness(t, {}, (name) => commands.push(name));
	const when = new Date();
	const tokens = Array.from({ length: 200 }, (_, n) => `token ${n}`);
	await db.collection<User>('users').insertMany(
		tokens.map((token, n) => ({
			_id: `user${n}`,
			username: `user${n}`,
			type: 'user',
			active: true,
			roles: ['user'],
			lastLogin: when,
			services: { resume: { loginTokens: [{ hashedToken: hashOf(token), when }] } },
		})) as unknown as User[],
	);
	commands.length = 0;
	const outcomes = await accounts.loginMany(tokens.map((resume) => ({ options: { resume }, connection })));
	assert.deepEqual(
		outcomes.map((outcome) => ('result' in outcome ? outcome.result.id : null)),
		tokens.map((_, n) => `user${n}`),
	);
	assert.deepEqual(new Set(commands), new Set(['find', ...(commands.includes('getMore') ? ['getMore'] : [])]));
	assert.ok(commands.length <= 2, `${commands.length}`);
});

test('a bug with one login is written down and answered as a bug, to him alone', async () => {
	const { log, lines } = fakeLog();
	const loginMany = manyLogins(async (options) => {
		throw options === null ? new TypeError('secret inside') : new RangeError('other');
	}, log);
	const outcomes = await loginMany([{ options: null, connection }]);
	assert.deepEqual(outcomes, [{ refused: { code: 500, reason: 'Internal server error' } }]);
	assert.equal(lines.length, 1);
	await assert.rejects(loginMany(Array.from({ length: 501 }, () => ({ options: null, connection }))), { code: 400 });
});

test('many pairs are proved, each as it would be alone', async (t) => {
	const { accounts, ana, login } = await accountsWithAna(t);
	const [first, second] = [await login(), await login()];
	await accounts.logout(ana._id, first.actor.hashedToken);
	const pairs = [
		{ uid: ana._id, token: first.token },
		{ uid: ana._id, token: second.token },
		{ uid: 'somebody else', token: second.token },
		{ uid: ana._id, token: '' },
	];
	const actors = await accounts.authenticateMany(pairs);
	assert.deepEqual(actors, await Promise.all(pairs.map(({ uid, token }) => accounts.authenticate(uid, token))));
	assert.deepEqual(
		actors.map((actor) => actor?.uid ?? null),
		[null, ana._id, null, null],
	);
	const tooMany = Array.from({ length: 501 }, () => ({ uid: 'a', token: 'b' }));
	await assert.rejects(accounts.authenticateMany(tooMany), { code: 400 });
});
