import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { Actor, Connection } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { fakeSettings } from '../testing/accounts.ts';
import { method } from './method.ts';
import { methods as all } from './methods.ts';
import { ownRates } from './own-rates.ts';
import { methodRunner } from './run.ts';

const off = { DDP_Rate_Limit_User_By_Method_Enabled: false, DDP_Rate_Limit_Connection_By_Method_Enabled: false };

function runner(values: Record<string, unknown>, { names = ['ping'], exempt = '' } = {}) {
	// Stands still: a bucket would fill up while a test runs.
	const clock = {
		at: 1_000,
		now: () => clock.at,
		monotonic: () => clock.at,
		advance: (ms: number) => void (clock.at += ms),
	};
	const limited: string[] = [];
	const methods = names.map((name) =>
		method(name, { auth: 'public', params: z.tuple([]), run: () => Promise.resolve('pong') }),
	);
	const services = {
		settings: fakeSettings({ ...off, ...values }),
		authorization: { has: async (uid: string, permission: string) => uid === 'bot' && permission === exempt },
	} as unknown as CoreServices;
	const run = methodRunner({ methods, services, clock, tally: (what, label) => limited.push(`${what} ${label}`) });
	const call = (who: { uid?: string; id?: string; ip?: string; transport?: Connection['transport']; name?: string }) =>
		run({
			method: who.name ?? 'ping',
			params: [],
			actor: who.uid === undefined ? null : ({ uid: who.uid } as Actor),
			connection: {
				id: who.id ?? 'c',
				clientAddress: who.ip ?? '10.0.0.1',
				userAgent: '',
				transport: who.transport ?? 'rest',
			},
		});
	return { call, clock, limited };
}

const tooMany = { code: 'too-many-requests' };

test('calls through the tunnel are counted over all names by connection, user and address', async () => {
	const scopes: [name: string, same: object, other: object][] = [
		['Connection', { id: 'a' }, { id: 'b' }],
		['User', { uid: 'ana' }, { uid: 'bob' }],
		['IP', { ip: '10.0.0.2' }, { ip: '10.0.0.3' }],
	];
	for (const [scope, same, other] of scopes) {
		const { call, clock } = runner({
			[`DDP_Rate_Limit_${scope}_Requests_Allowed`]: 3,
			[`DDP_Rate_Limit_${scope}_Interval_Time`]: 60_000,
		});
		for (let n = 0; n < 2; n++) assert.equal(await call(same), 'pong');
		await assert.rejects(call({ ...same, name: 'unknown' }), { code: 404 });
		await assert.rejects(call(same), tooMany, scope);
		await assert.rejects(call({ ...same, name: 'unknown' }), tooMany);
		assert.equal(await call(other), 'pong');
		// A socket's calls were counted where it is.
		assert.equal(await call({ ...same, transport: 'websocket' }), 'pong');
		clock.advance(60_000);
		assert.equal(await call(same), 'pong');
	}
});

test('a limit that is switched off holds nobody up; the usual one is 600 a minute for a connection', async () => {
	const { call } = runner({ DDP_Rate_Limit_Connection_Enabled: false, DDP_Rate_Limit_Connection_Requests_Allowed: 1 });
	for (let n = 0; n < 5; n++) assert.equal(await call({}), 'pong');
	const usual = runner({});
	for (let n = 0; n < 600; n++) await usual.call({});
	await assert.rejects(usual.call({}), tooMany);
});

/** How many calls at once are let through, and what the first refusal says. */
async function allowedOf(most: number, call: () => Promise<unknown>) {
	for (let n = 0; n < most; n++) {
		try {
			await call();
		} catch (error) {
			return { allowed: n, ...(error as { code: unknown; reason: string; details: { timeToReset: number } }) };
		}
	}
	return { allowed: most };
}

const byName = { DDP_Rate_Limit_User_By_Method_Enabled: true, DDP_Rate_Limit_Connection_By_Method_Enabled: true };

test('by name: 10 in 10 s for a connection, 20 for a user, whatever else he calls', async () => {
	const { call, clock, limited } = runner(byName, { names: ['ping', 'pong'] });
	const ana = (id: string, name = 'ping') =>
		allowedOf(99, () => call({ uid: 'ana', id, name, transport: 'websocket' }));
	const first = await ana('a');
	assert.deepEqual(
		{ ...first },
		{
			allowed: 10,
			code: 'too-many-requests',
			reason: 'Error, too many requests. Please slow down. You must wait 1 seconds before trying again.',
			details: { timeToReset: 1_000 },
			name: 'ClientError',
		},
	);
	assert.equal((await ana('a', 'pong')).allowed, 10);
	assert.equal((await ana('b')).allowed, 10);
	assert.equal((await ana('c')).allowed, 0, 'a new connection is no new user');
	assert.deepEqual(
		limited,
		Array.from({ length: 4 }, () => 'limited method'),
	);
	clock.advance(1_000);
	assert.equal((await ana('a')).allowed, 1);
	assert.equal((await ana('c')).allowed, 1);
});

/** As realtime contract 2.10 has them: calls, and in how many seconds. */
const contract: [names: string[], calls: number, seconds: number, exempt?: string][] = [
	[['sendMessage'], 5, 1, 'send-many-messages'],
	[['createDirectMessage'], 10, 60, 'send-many-messages'],
	[['spotlight', 'browseChannels'], 100, 100],
	[['getRoomById'], 10, 60],
	[['setAvatarFromService'], 1, 5],
	[['resetAvatar', 'userSetUtcOffset'], 1, 60],
	[['setUsername', 'setRealName', 'setEmail', 'checkUsernameAvailability', 'saveCustomFields', 'setUserStatus'], 1, 1],
	[['followMessage', 'unfollowMessage'], 5, 5],
	[['livechat:sendOfflineMessage', 'livechat:sendTranscript'], 1, 5],
	[['autoTranslate.getSupportedLanguages'], 5, 60],
	[['createUser', 'resetPassword', 'forgotPassword'], 5, 10],
];

test('names with a rule of their own have that one alone, and holders of its permission none', async () => {
	for (const [names, calls, seconds, exempt] of contract) {
		for (const name of names) {
			const { call, clock } = runner(byName, { names: [name], ...(exempt === undefined ? {} : { exempt }) });
			const of = (uid: string) => allowedOf(calls * 3, () => call({ uid, id: uid, name, transport: 'websocket' }));
			const first = await of('ana');
			assert.equal(first.allowed, calls, name);
			assert.deepEqual('details' in first && first.details, { timeToReset: (seconds * 1_000) / calls }, name);
			assert.equal((await of('bob')).allowed, calls, `${name}: others have their own`);
			assert.equal((await of('bot')).allowed, exempt === undefined ? calls : calls * 3, `${name}: exempt`);
			clock.advance(seconds * 1_000);
			assert.equal((await of('ana')).allowed, calls, `${name}: later`);
		}
	}
	assert.deepEqual([...ownRates.keys()].toSorted(), contract.flatMap(([names]) => names).toSorted());
});

test('no method states a limit that the table of own limits states, too', () => {
	for (const { name, rate } of all) assert.ok(rate === undefined || !ownRates.has(name), name);
});
