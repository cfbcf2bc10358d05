import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { User } from '@rookery/protocol/records.ts';
import { handlersOf } from '../bus/bus.ts';
import { localBus } from '../bus/local.ts';
import { accountsOf } from '../services/clients.ts';
import type { AccountsApi, LoginOutcome, LoginResult } from '../services/contracts.ts';
import { accountsHarness, connectionFrom, hashOf, movableClock } from '../testing/accounts.ts';
import { actorOf } from '../testing/streamer.ts';
import { ddpLimits } from './limits.ts';
import { loginAdmission, type LoginLimits } from './login-admission.ts';

const here = connectionFrom('10.0.0.1');

/** Calls of accounts that the test answers itself. */
type Asked = { tokens: string[]; answer(outcomes?: LoginOutcome[]): void; fail(error: Error): void };

function resultOf(token: string): LoginResult {
	const actor = actorOf(token, token);
	return { id: token, token, tokenExpires: new Date(0), type: 'resume', actor };
}

const tokenOf = (options: unknown) => String((options as { resume?: unknown }).resume);

function rig(limits: Partial<LoginLimits> = {}) {
	const clock = movableClock();
	const many: Asked[] = [];
	const single: Asked[] = [];
	const limited: string[] = [];
	const accounts: Pick<AccountsApi, 'login' | 'loginMany'> = {
		loginMany: (logins) => {
			const { promise, resolve, reject } = Promise.withResolvers<LoginOutcome[]>();
			const tokens = logins.map(({ options }) => tokenOf(options));
			const usual = () => tokens.map((token) => ({ result: resultOf(token) }));
			many.push({ tokens, answer: (outcomes) => resolve(outcomes ?? usual()), fail: reject });
			return promise;
		},
		login: (options) => {
			const { promise, resolve, reject } = Promise.withResolvers<LoginResult>();
			const name = JSON.stringify(options);
			single.push({ tokens: [name], answer: () => resolve(resultOf('by password')), fail: reject });
			return promise;
		},
	};
	const admission = loginAdmission({
		accounts,
		clock,
		limits: { ...ddpLimits, ...limits },
		tally: (what, label) => limited.push(`${what} ${label}`),
	});
	const resume = (token: string, isWanted?: () => boolean) => admission.login({ resume: token }, here, isWanted);
	return { admission, clock, many, single, limited, resume };
}

/** Resolves when the condition holds; fails after 5 s. */
async function until(condition: () => boolean): Promise<void> {
	const end = performance.now() + 5_000;
	while (!condition()) {
		assert.ok(performance.now() < end, 'it did not come to pass within 5 s');
		await turn();
	}
}

test('500 who come back at once with their tokens cost a handful of commands and calls', async (t) => {
	const commands: string[] = [];
	const { accounts, db, clock } = await accountsHarness(t, {}, (name) => commands.push(name));
	const when = new Date();
	const tokens = Array.from({ length: 500 }, (_, n) => `token ${n}`);
	await db.collection<User>('users').insertMany(
		tokens.map((token, n) => ({
			_id: `user${n}`,
			username: `user${n}`,
			type: 'user',
			active: true,
			roles: ['user'],
			// Nothing is to be written after the answer, when the database may have gone.
			lastLogin: when,
			services: { resume: { loginTokens: [{ hashedToken: hashOf(token), when }] } },
		})) as unknown as User[],
	);
	const bus = localBus();
	t.after(() => bus.close());
	t.after(await bus.serve('accounts', handlersOf(accounts)));
	commands.length = 0;
	const admission = loginAdmission({ accounts: accountsOf(bus), clock, limits: ddpLimits });
	const results = await Promise.all(tokens.map((resume) => admission.login({ resume }, here)));
	assert.deepEqual(
		results.map(({ id }) => id),
		tokens.map((_, n) => `user${n}`),
	);
	assert.ok(commands.length <= 12, `${commands.length} commands: ${commands.join()}`);
	assert.ok(bus.counters.calls <= 5, `${bus.counters.calls} calls`);
	t.diagnostic(`${commands.length} commands and ${bus.counters.calls} calls for 500 logins`);
});

const byPassword = { user: { username: 'ana' }, password: 'secret' };

test('a login that comes alone leaves at once, also after another one was answered', async () => {
	const { many, resume, clock } = rig();
	const first = resume('a');
	assert.deepEqual(many[0]?.tokens, ['a']);
	many[0]?.answer();
	assert.equal((await first).token, 'a');
	clock.advance(5);
	void resume('b');
	assert.deepEqual(many[1]?.tokens, ['b']);
});

test('500 logins at once travel in 4 calls, each is answered as himself', async () => {
	const { many, resume } = rig();
	const logins = Array.from({ length: 500 }, (_, n) => resume(`token ${n}`));
	await until(() => many.length === 4);
	assert.deepEqual(
		many.map(({ tokens }) => tokens.length),
		[1, 200, 200, 99],
	);
	for (const call of many) call.answer();
	const results = await Promise.all(logins);
	assert.deepEqual(
		results.map(({ token }) => token),
		logins.map((_, n) => `token ${n}`),
	);
});

test("one's refusal is only his own, a failed call is everybody's", async () => {
	const { many, resume, clock } = rig();
	void resume('alone');
	const [good, bad, strange] = [resume('good'), resume('bad'), resume('strange')];
	clock.advance(5);
	await until(() => many.length === 2);
	const details = { why: 'expired' };
	many[1]?.answer([
		{ result: resultOf('good') },
		{ refused: { code: 403, reason: 'Your session has expired. Please log in again.', details } },
	]);
	assert.equal((await good).token, 'good');
	await assert.rejects(bad, { code: 403, reason: 'Your session has expired. Please log in again.', details });
	await assert.rejects(strange, { code: 500 });

	const failing = [resume('x'), resume('y')];
	clock.advance(50);
	await until(() => many.length === 3);
	many[2]?.fail(new ClientError('error-timeout', 'no answer'));
	for (const one of await Promise.allSettled(failing)) {
		assert.equal(one.status, 'rejected');
		assert.equal((one.reason as ClientError).code, 'error-timeout');
	}
});

test('no more than 4 calls are on their way; what waits goes on when one is answered, in order', async () => {
	const { many, resume, admission } = rig({ maxResumesPerCall: 2 });
	const logins = Array.from({ length: 12 }, (_, n) => resume(`${n}`));
	assert.deepEqual(
		many.map(({ tokens }) => tokens),
		[['0'], ['1', '2'], ['3', '4'], ['5', '6']],
	);
	assert.deepEqual(admission.waiting, { resumes: 5, others: 0 });
	many[2]?.answer();
	await until(() => many.length === 5);
	assert.deepEqual(many[4]?.tokens, ['7', '8']);
	assert.equal((await logins[3])?.token, '3');
});

test('while many come they are gathered for longer, up to 20 ms', async () => {
	const { many, resume, clock } = rig({ maxResumeCalls: 1_000 });
	let sent = 0;
	const arrive = () => resume(`${sent++}`).catch(() => undefined);
	// One comes each ms of the clock.
	for (let ms = 0; ms < 500; ms++) {
		void arrive();
		clock.advance(1);
	}
	await until(() => many.reduce((sum, { tokens }) => sum + tokens.length, 0) === sent);
	assert.ok(many.length <= 40, `${many.length} calls`);
});

test('passwords have a queue of their own: 16 at once, 200 wait, the next is refused', async () => {
	const { single, many, admission, resume, limited } = rig();
	const logins = Array.from({ length: 216 }, () => admission.login(byPassword, here));
	assert.equal(single.length, 16);
	assert.equal(admission.waiting.others, 200);
	await assert.rejects(admission.login(byPassword, here), { code: 'too-many-requests' });
	assert.deepEqual(limited, ['limited login-queue']);
	assert.equal(admission.isOverloaded(), false, 'who guesses passwords closes the door for nobody');
	void resume('a');
	assert.equal(many.length, 1);
	single[3]?.answer();
	await logins[3];
	await until(() => single.length === 17);
	single[0]?.fail(new ClientError(403, 'User not found'));
	await assert.rejects(Promise.resolve(logins[0]), { code: 403, reason: 'User not found' });
	await until(() => single.length === 18);
});

test('a refusal tells in words and in ms when to come back, to each another time', async () => {
	const { resume } = rig({ maxQueuedResumes: 1, maxResumeCalls: 1 });
	void resume('running');
	void resume('waiting');
	const refusals = await Promise.allSettled(Array.from({ length: 50 }, () => resume('too many')));
	const times = refusals.map((refusal) => {
		assert.equal(refusal.status, 'rejected');
		const { code, reason, details } = refusal.reason as ClientError;
		assert.equal(code, 'too-many-requests');
		assert.match(reason ?? '', /^Error, too many requests. Please slow down. You must wait \d+ seconds before/);
		return (details as { timeToReset: number }).timeToReset;
	});
	for (const ms of times) assert.ok(ms >= 1_000 && ms <= 10_000, `${ms}`);
	assert.ok(new Set(times).size > 10);
});

test('over the soft bound no socket is welcome, until the queue is shorter', async () => {
	const { admission, resume, many } = rig({ crowdedResumes: 3, maxResumeCalls: 1, maxResumesPerCall: 2 });
	for (let n = 0; n < 4; n++) void resume(`${n}`);
	assert.equal(admission.isOverloaded(), false);
	void resume('one more');
	assert.equal(admission.isOverloaded(), true);
	const hints = new Set(Array.from({ length: 200 }, () => admission.retryAfterSeconds()));
	for (const seconds of hints) assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 10);
	assert.ok(hints.size > 3);
	many[0]?.answer();
	await until(() => many.length === 2);
	assert.equal(admission.isOverloaded(), false);
});

test('who waits too long is refused; who came later still has his turn', async () => {
	const { resume, clock, many } = rig({ maxResumeCalls: 1, loginQueueMs: 60_000 });
	const { resume: shortResume, many: shortMany } = rig({ maxResumeCalls: 1, loginQueueMs: 20 });
	void shortResume('running');
	await assert.rejects(shortResume('waiting'), { code: 'too-many-requests' });
	assert.equal(shortMany.length, 1);

	void resume('running');
	const patient = resume('patient');
	clock.advance(30_000);
	many[0]?.answer();
	await until(() => many.length === 2);
	many[1]?.answer();
	assert.equal((await patient).token, 'patient');
});

test('nothing is asked for a client that has gone, and it takes no place', async () => {
	const { resume, many, admission, clock } = rig({ maxResumeCalls: 1, maxQueuedResumes: 3 });
	void resume('running');
	let isHere = true;
	const gone = Promise.allSettled([1, 2].map((n) => resume(`gone ${n}`, () => isHere)));
	const stays = resume('stays');
	await assert.rejects(resume('no room'), { code: 'too-many-requests' });
	isHere = false;
	clock.advance(1_000);
	const fits = resume('fits');
	assert.equal(admission.waiting.resumes, 2);
	many[0]?.answer();
	await until(() => many.length === 2);
	assert.deepEqual(many[1]?.tokens, ['stays', 'fits']);
	many[1]?.answer();
	await Promise.all([stays, fits]);
	for (const { status } of await gone) assert.equal(status, 'rejected');
});

test('only a plain token travels with others: every other form goes alone, as it was sent', () => {
	const { admission, single, many } = rig();
	const forms: unknown[] = [
		byPassword,
		{ resume: 'x'.repeat(4_097) },
		{ resume: 5 },
		{ resume: { $ne: 1 } },
		{ totp: { login: { resume: 'a' }, code: '1' }, resume: 'b' },
		[{ resume: 'a' }],
		'resume',
		null,
		undefined,
	];
	for (const form of forms) void admission.login(form, here);
	assert.equal(many.length, 0);
	assert.deepEqual(
		single.map(({ tokens }) => tokens[0]),
		forms.map((form) => JSON.stringify(form)),
	);
	void admission.login({ resume: 'a', junk: 'x'.repeat(60_000) }, here);
	assert.deepEqual(many[0]?.tokens, ['a']);
});
