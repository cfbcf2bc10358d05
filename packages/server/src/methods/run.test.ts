import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { Actor, Connection } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { fakeSettings, movableClock } from '../testing/accounts.ts';
import { method } from './method.ts';
import { methodRunner } from './run.ts';

const off = { DDP_Rate_Limit_User_By_Method_Enabled: false, DDP_Rate_Limit_Connection_By_Method_Enabled: false };

function runner(values: Record<string, unknown>) {
	const clock = movableClock();
	const ping = method('ping', { auth: 'public', params: z.tuple([]), run: () => Promise.resolve('pong') });
	const services = { settings: fakeSettings({ ...off, ...values }) } as unknown as CoreServices;
	const run = methodRunner({ methods: [ping], services, clock });
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
	return { call, clock };
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
