import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from '@node-rs/bcrypt';
import type { Setting, User } from '@rookery/protocol/records.ts';
import { accountsHarness, connectionFrom } from '../testing/accounts.ts';

const here = connectionFrom('10.0.0.1');
const bob = { username: 'bob', name: 'Bob', email: 'bob@example.org', password: 'secret' };

test('the first who registers becomes admin and starts the wizard, the next ones are users', async (t) => {
	const { accounts, db, joined } = await accountsHarness(t);
	await db.collection<Setting>('rocketchat_settings').insertOne({
		_id: 'Show_Setup_Wizard',
		type: 'select',
		value: 'pending',
		_updatedAt: new Date(),
	});
	// As it stands in every workspace.
	const cat = { _id: 'rocket.cat', username: 'rocket.cat', type: 'bot' as const, roles: ['bot'], active: true };
	await db.collection<User>('users').insertOne({ ...cat, createdAt: new Date(), _updatedAt: new Date() });

	const first = await accounts.register(bob, here);
	assert.deepEqual(first.roles, ['user', 'admin']);
	const second = await accounts.register({ ...bob, username: 'cyd', email: 'cyd@example.org' }, here);
	assert.deepEqual(second.roles, ['user']);
	assert.equal(
		(await db.collection<Setting>('rocketchat_settings').findOne({ _id: 'Show_Setup_Wizard' }))?.value,
		'in_progress',
	);
	assert.deepEqual(joined, [first._id, second._id]);
	const login = await accounts.login({ user: { email: 'cyd@example.org' }, password: 'secret' }, here);
	assert.equal(login.id, second._id);
});

test('of 30 who register an empty workspace at once exactly one becomes admin', async (t) => {
	const { accounts, db } = await accountsHarness(t);
	await Promise.all(
		Array.from({ length: 30 }, (_, n) =>
			accounts.register({ ...bob, username: `user${n}`, email: `user${n}@example.org` }, here),
		),
	);
	assert.equal(await db.collection<User>('users').countDocuments({ roles: 'admin' }), 1);
	assert.equal(await db.collection<User>('users').countDocuments(), 30);
});

test('nobody becomes admin by registering while the only admin is deactivated', async (t) => {
	const { accounts, db } = await accountsHarness(t);
	await accounts.createUser({ username: 'boss', password: 'secret', roles: ['admin'], active: false });
	const user = await accounts.register(bob, here);
	assert.deepEqual(user.roles, ['user']);
	assert.equal(await db.collection<User>('users').countDocuments({ roles: 'admin' }), 1);
});

test('of 50 who register one name at once, in any case, one gets it', async (t) => {
	const { accounts, db } = await accountsHarness(t);
	const names = ['bob', 'Bob', 'BOB', 'bOb'];
	const tries = await Promise.allSettled(
		Array.from({ length: 50 }, (_, n) =>
			accounts.register({ ...bob, username: names[n % 4] ?? 'bob', email: `bob${n}@example.org` }, here),
		),
	);
	const won = tries.filter(({ status }) => status === 'fulfilled');
	assert.equal(won.length, 1);
	for (const attempt of tries) {
		if (attempt.status === 'rejected') assert.equal(attempt.reason.message, 'Username already exists. [403]');
	}
	assert.equal(await db.collection<User>('users').countDocuments(), 1);
});

test('of 20 who register one address at once, in any case, one gets it', async (t) => {
	const { accounts, db } = await accountsHarness(t);
	const tries = await Promise.allSettled(
		Array.from({ length: 20 }, (_, n) =>
			accounts.register({ ...bob, username: `bob${n}`, email: n % 2 === 0 ? 'b@example.org' : 'B@Example.ORG' }, here),
		),
	);
	assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1);
	for (const attempt of tries) {
		if (attempt.status === 'rejected') assert.equal(attempt.reason.message, 'Email already exists. [403]');
	}
	assert.equal(await db.collection<User>('users').countDocuments(), 1);
});

test('a stored user has the fields and the hash of the data model', async (t) => {
	const { accounts, db } = await accountsHarness(t);
	const created = await accounts.createUser({
		...bob,
		roles: ['user', 'bot'],
		bio: '$name',
		verified: true,
		statusText: ' hi ',
	});
	const stored = await db.collection<User>('users').findOne({ _id: created._id });
	assert.ok(stored !== null);
	const { createdAt, _updatedAt, services, ...fields } = stored;
	assert.ok(createdAt instanceof Date);
	assert.ok(_updatedAt instanceof Date);
	assert.match(stored._id, /^[2-9A-Za-z]{17}$/);
	assert.equal(parseOptions(services?.password?.bcrypt ?? '').cost, 4);
	assert.deepEqual(fields, {
		_id: created._id,
		username: 'bob',
		name: 'Bob',
		bio: '$name',
		statusText: 'hi',
		emails: [{ address: 'bob@example.org', verified: true }],
		type: 'user',
		roles: ['user', 'bot', 'admin'],
		active: true,
		status: 'offline',
		statusDefault: 'online',
		statusConnection: 'offline',
		utcOffset: 0,
		avatarOrigin: 'none',
		__rooms: [],
		rk: { username: 'bob', emails: ['bob@example.org'] },
	});
});

test('names, addresses and passwords are refused by the settings, and nothing is stored', async (t) => {
	const { accounts, db, settingValues } = await accountsHarness(t, {
		Accounts_BlockedUsernameList: 'spam, Ham',
		Accounts_BlockedDomainsList: 'evil.example',
		Accounts_Password_Policy_Enabled: true,
		Accounts_Password_Policy_MaxLength: 20,
	});
	const good = { ...bob, password: 'Abcdef1!' };
	const cases: [object, string][] = [
		[
			{ username: 'a b' },
			'a b is not a valid username, use only letters, numbers, dots, hyphens and underscores [username-invalid]',
		],
		[
			{ username: '..' },
			'.. is not a valid username, use only letters, numbers, dots, hyphens and underscores [username-invalid]',
		],
		[
			{ username: 'x'.repeat(200) },
			`${'x'.repeat(200)} is not a valid username, use only letters, numbers, dots, hyphens and underscores [username-invalid]`,
		],
		[{ username: 'SPAM' }, "SPAM is blocked and can't be used! [error-blocked-username]"],
		[{ username: 'ham' }, "ham is blocked and can't be used! [error-blocked-username]"],
		[{ username: 'all' }, "all is blocked and can't be used! [error-blocked-username]"],
		[{ username: 'Admin' }, "Admin is blocked and can't be used! [error-blocked-username]"],
		[{ email: 'nobody' }, 'Invalid email nobody [error-invalid-email]'],
		[{ email: 'a@b@c' }, 'Invalid email a@b@c [error-invalid-email]'],
		[{ email: 'a@evil.example' }, 'The email domain is blacklisted [error-email-domain-blacklisted]'],
		[{ email: 'a@sub.EVIL.example' }, 'The email domain is blacklisted [error-email-domain-blacklisted]'],
		[
			{ password: '' },
			"The password provided does not meet the server's password policy. [error-password-policy-not-met]",
		],
		[
			{ password: 'Ab1!' },
			'The password does not meet the minimum length password policy. [error-password-policy-not-met-minLength]',
		],
		[
			{ password: 'Abcdef1!Abcdef1!Abcdef1!' },
			'The password does not meet the maximum length password policy. [error-password-policy-not-met-maxLength]',
		],
		[
			{ password: 'Abccccc1!' },
			'The password contains repeating characters which is against the password policy. [error-password-policy-not-met-repeatingCharacters]',
		],
		[
			{ password: 'ABCDEF1!' },
			'The password does not contain at least one lowercase character which is against the password policy. [error-password-policy-not-met-oneLowercase]',
		],
		[
			{ password: 'abcdef1!' },
			'The password does not contain at least one uppercase character which is against the password policy. [error-password-policy-not-met-oneUppercase]',
		],
		[
			{ password: 'Abcdefg!' },
			'The password does not contain at least one numerical character which is against the password policy. [error-password-policy-not-met-oneNumber]',
		],
		[
			{ password: 'Abcdefg1' },
			'The password does not contain at least one special character which is against the password policy. [error-password-policy-not-met-oneSpecial]',
		],
	];
	for (const [fields, message] of cases) {
		await assert.rejects(accounts.register({ ...good, ...fields }, here), { message });
	}
	settingValues['Accounts_AllowedDomainsList'] = 'example.com';
	await assert.rejects(accounts.register(good, here), { code: 'error-invalid-domain' });
	assert.equal(await db.collection('users').countDocuments(), 0);
	await accounts.register({ ...good, email: 'bob@example.COM' }, here);
});

test('an administrator gets other words for the same refusals', async (t) => {
	const { accounts } = await accountsHarness(t);
	await accounts.createUser(bob);
	await assert.rejects(accounts.createUser({ ...bob, email: 'x@example.org' }), {
		message: 'bob is already in use :( [error-field-unavailable]',
	});
	await assert.rejects(accounts.createUser({ ...bob, username: 'x' }), {
		message: 'bob@example.org is already in use :( [error-field-unavailable]',
	});
	await assert.rejects(accounts.createUser({ ...bob, username: '<i>' }), {
		message: '&lt;i&gt; is not a valid username [error-input-is-not-a-valid-field]',
	});
	await accounts.createUser({ username: 'admin', roles: ['admin'] });
});

test('registration follows the setting Accounts_RegistrationForm', async (t) => {
	const { accounts, db, settingValues } = await accountsHarness(t, { Accounts_RegistrationForm: 'Disabled' });
	await assert.rejects(accounts.register(bob, here), { code: 'error-user-registration-disabled' });
	settingValues['Accounts_RegistrationForm'] = 'Secret URL';
	await assert.rejects(accounts.register({ ...bob, secretURL: '' }, here), { code: 'error-user-registration-secret' });
	settingValues['Accounts_RegistrationForm_SecretURL'] = 'let-me-in';
	await assert.rejects(accounts.register(bob, here), { code: 'error-user-registration-secret' });
	await assert.rejects(accounts.register({ ...bob, secretURL: 'x' }, here), { code: 'error-user-registration-secret' });
	assert.equal(await db.collection('users').countDocuments(), 0);
	await accounts.register({ ...bob, secretURL: 'let-me-in' }, here);
});

test('with manual approval a registered user is inactive and keeps his reason; the first admin is not', async (t) => {
	const { accounts } = await accountsHarness(t, { Accounts_ManuallyApproveNewUsers: true });
	const first = await accounts.register(bob, here);
	assert.deepEqual([first.active, first.roles], [true, ['user', 'admin']]);
	const second = await accounts.register({ ...bob, username: 'cyd', email: 'c@example.org', reason: 'please' }, here);
	assert.deepEqual([second.active, second.reason, second.inactiveReason], [false, 'please', 'pending_approval']);
	await assert.rejects(accounts.login({ user: { username: 'cyd' }, password: 'secret' }, here), {
		code: 'error-user-is-not-activated',
	});
});

test('custom fields are checked against their declaration, others are dropped', async (t) => {
	const Accounts_CustomFields = JSON.stringify({
		team: { type: 'select', options: ['red', 'blue'], required: true },
		desk: { type: 'text', minLength: 2, maxLength: 4 },
	});
	const { accounts } = await accountsHarness(t, { Accounts_CustomFields });
	const make = (customFields: Record<string, unknown>) => accounts.createUser({ ...bob, customFields });
	await assert.rejects(make({}), { reason: 'Field team is required' });
	await assert.rejects(make({ team: 'green' }), { reason: 'Value for field team is invalid' });
	await assert.rejects(make({ team: { $ne: 1 } }), { reason: 'Value for field team is invalid' });
	await assert.rejects(make({ team: 'red', desk: '1' }), { reason: 'Min length of field desk 2' });
	await assert.rejects(make({ team: 'red', desk: '12345' }), { reason: 'Max length of field desk 4' });
	assert.deepEqual((await make({ team: 'red', $where: 'x', other: 1 })).customFields, { team: 'red' });
});

test('a core that does not answer does not undo a registration', async (t) => {
	const { accounts, deps, logLines } = await accountsHarness(t);
	deps.core.joinDefaultRooms = () => Promise.reject(new Error('away'));
	const user = await accounts.register(bob, here);
	assert.equal(user.username, 'bob');
	assert.deepEqual(
		logLines.map(({ level, fields }) => [level, 'event' in fields && fields.event]),
		[['error', 'join-default-rooms']],
	);
});

test('registrations of an address are limited by Rate_Limiter_Limit_RegisterUser', async (t) => {
	const { accounts, db } = await accountsHarness(t, { API_Enable_Rate_Limiter: true });
	await accounts.register(bob, here);
	const next = { ...bob, username: 'cyd', email: 'cyd@example.org' };
	await assert.rejects(accounts.register(next, here), (error: { code: string; details: { timeToReset: number } }) => {
		assert.equal(error.code, 'too-many-requests');
		assert.ok(error.details.timeToReset > 0 && error.details.timeToReset <= 60_000);
		return true;
	});
	assert.equal(await db.collection('users').countDocuments(), 1);
	await accounts.register(next, connectionFrom('10.0.0.2'));
});
