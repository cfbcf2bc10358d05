import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usersHarness } from '../testing/users.ts';
import {
	checkRegistrationSecretURL,
	createUser,
	getNewToken,
	getPasswordPolicy,
	login,
	logout,
	logoutCleanUp,
	registerUser,
	removeOtherTokens,
} from './accounts.ts';
import { checkUsernameAvailability, setUsername } from './users.ts';

type Login = { id: string; token: string; tokenExpires: Date; type: string };

test('login through the tunnel issues a token that logout ends', async (t) => {
	const { runMethod, given, accounts } = await usersHarness(t);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const form = { user: { username: 'ana' }, password: 'secret' };
	const made = (await runMethod(login, [form, 'surplus', ''], null)) as Login;
	assert.deepEqual(Object.keys(made).sort(), ['id', 'token', 'tokenExpires', 'type']);
	assert.deepEqual([made.id, made.type, made.tokenExpires instanceof Date], [ana.userId, 'password', true]);
	assert.deepEqual(await runMethod(login, [{ resume: made.token }], null), { ...made, type: 'resume' });
	const twoFactor = { twoFactorCode: '123456', twoFactorMethod: 'totp' };
	assert.equal(((await runMethod(login, [form, twoFactor], null)) as Login).id, ana.userId);

	const actor = await accounts.authenticate(made.id, made.token);
	assert.equal(await runMethod(logout, [], actor), undefined);
	assert.equal(await runMethod(logout, [], null), undefined);
	assert.equal(await accounts.authenticate(made.id, made.token), null);
	for (const params of [[], [null], [{}], [5]]) {
		await assert.rejects(runMethod(login, params, null), {
			code: 400,
			reason: 'Unrecognized options for login request',
		});
	}
});

test('a new token replaces others of the same user', async (t) => {
	const { runMethod, given, accounts } = await usersHarness(t);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const actor = await accounts.authenticate(ana.userId, ana.authToken);
	const fresh = (await runMethod(getNewToken, [], actor)) as Login;
	const freshActor = await accounts.authenticate(fresh.id, fresh.token);
	assert.deepEqual(fresh.tokenExpires, actor?.tokenExpires);
	await runMethod(removeOtherTokens, [], freshActor);
	assert.equal(await accounts.authenticate(ana.userId, ana.authToken), null);
	assert.notEqual(await accounts.authenticate(ana.userId, fresh.token), null);
	for (const entry of [getNewToken, removeOtherTokens]) {
		await assert.rejects(runMethod(entry, [], null), { code: 401, reason: 'You are not logged in.' });
	}
});

test('who registers takes a name afterwards, once, and then joins the default rooms', async (t) => {
	const { runMethod, accounts, given, joined, settingValues } = await usersHarness(t);
	await given({ username: 'ana', email: 'ana@example.org', joinDefaultChannels: false });
	const form = { email: 'bob@example.org', pass: 'secret', name: 'Bob', reason: null };
	const uid = (await runMethod(registerUser, [form], null)) as string;
	assert.deepEqual(joined, []);
	const { authToken } = await accounts.createToken(uid);
	const actor = await accounts.authenticate(uid, authToken);
	const take = (name: unknown) => runMethod(setUsername, [name, { joinDefaultChannelsSilenced: true }], actor);
	await assert.rejects(take({ $ne: 1 }), { code: 400, reason: 'Match failed' });
	await assert.rejects(take('a b'), { code: 'username-invalid' });
	await assert.rejects(take('ANA'), { code: 'error-field-unavailable' });
	await assert.rejects(take('admin'), { code: 'error-blocked-username' });
	assert.equal(await runMethod(checkUsernameAvailability, ['bob'], actor), true);
	assert.equal(await take('bob'), 'bob');
	assert.deepEqual(joined, [uid]);
	assert.equal(await take('bob'), 'bob');
	await assert.rejects(take('robert'), { code: 'error-not-allowed' });
	assert.equal(await runMethod(checkUsernameAvailability, ['BOB'], actor), false);
	await assert.rejects(runMethod(registerUser, [form], null), { code: 403, reason: 'Email already exists.' });
	await assert.rejects(runMethod(registerUser, [{ ...form, email: { $ne: 1 } }], null), { code: 400 });

	settingValues['Accounts_RegistrationForm_SecretURL'] = 'let-me-in';
	assert.equal(await runMethod(checkRegistrationSecretURL, ['let-me-in'], null), true);
	assert.equal(await runMethod(checkRegistrationSecretURL, ['x'], null), false);
});

test('nobody signs up by createUser, and logoutCleanUp ends nothing', async (t) => {
	const { runMethod, given, accounts, db } = await usersHarness(t);
	const ana = await given({ username: 'ana' });
	const form = { username: 'eve', email: 'eve@example.org', password: 'secret' };
	await assert.rejects(runMethod(createUser, [form], null), { code: 403, reason: 'Signups forbidden' });
	assert.equal(await db.collection('users').countDocuments(), 1);
	const actor = await accounts.authenticate(ana.userId, ana.authToken);
	assert.equal(await runMethod(logoutCleanUp, [{ _id: ana.userId }], actor), undefined);
	assert.notEqual(await accounts.authenticate(ana.userId, ana.authToken), null);
});

test('of several first names that a user takes at once he gets one', async (t) => {
	const { runMethod, accounts, users, joined } = await usersHarness(t);
	const uid = (await runMethod(registerUser, [{ email: 'bob@example.org', pass: 'secret' }], null)) as string;
	const actor = await accounts.authenticate(uid, (await accounts.createToken(uid)).authToken);
	const names = Array.from({ length: 10 }, (_, n) => `bob${n}`);
	const tries = await Promise.allSettled(names.map((name) => runMethod(setUsername, [name], actor)));
	const taken = tries.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
	assert.deepEqual(taken, [(await users.findById(uid))?.username]);
	assert.deepEqual(joined, [uid]);
});

test('the password policy is told to those who are logged in', async (t) => {
	const { runMethod, given, accounts, settingValues } = await usersHarness(t);
	const ana = await given({ username: 'ana', email: 'ana@example.org' });
	const actor = await accounts.authenticate(ana.userId, ana.authToken);
	assert.deepEqual(await runMethod(getPasswordPolicy, [{}], actor), { enabled: false, policy: [] });
	settingValues['Accounts_Password_Policy_Enabled'] = true;
	assert.deepEqual(await runMethod(getPasswordPolicy, [], actor), {
		enabled: true,
		policy: [
			['get-password-policy-minLength', { minLength: 7 }],
			['get-password-policy-forbidRepeatingCharacters'],
			['get-password-policy-forbidRepeatingCharactersCount', { forbidRepeatingCharactersCount: 3 }],
			['get-password-policy-mustContainAtLeastOneLowercase'],
			['get-password-policy-mustContainAtLeastOneUppercase'],
			['get-password-policy-mustContainAtLeastOneNumber'],
			['get-password-policy-mustContainAtLeastOneSpecialCharacter'],
		],
	});
	await assert.rejects(runMethod(getPasswordPolicy, [{}], null), { code: 'error-invalid-user' });
});
