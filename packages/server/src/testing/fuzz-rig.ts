import { setFlagsFromString } from 'node:v8';
import type { TestContext } from 'node:test';
import { runInNewContext } from 'node:vm';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { AccountsApi, Actor, MethodCall } from '../services/contracts.ts';
import type { FuzzTarget } from './fuzz-run.ts';
import { actorOf, streamerRig, type StreamerRig } from './streamer.ts';

/** A streamer that may be sent anything, and what is to be seen of it from inside. */
export type FuzzRig = {
	rig: StreamerRig;
	target: FuzzTarget;
	/**
	 * Lets go of what the test itself remembers, and lets time pass until nobody can come back to a session that went.
	 * Resolves when the streamer holds no more than before anybody came. Rejects after 10 s with what it holds.
	 */
	settle(): Promise<void>;
	/** Bytes of the heap that are in use after garbage was collected. */
	heapBytes(): number;
};

/** How much time passes at each look at what is left, in ms. */
const passMs = 5_000;

/** Starts a streamer without rate limits whose services take and answer whatever they are asked. */
export async function fuzzRig(t: Pick<TestContext, 'after'>): Promise<FuzzRig> {
	const settings = Object.fromEntries(
		['IP', 'User', 'Connection', 'User_By_Method', 'Connection_By_Method'].map((scope) => [
			`DDP_Rate_Limit_${scope}_Enabled`,
			false,
		]),
	);
	const rig: StreamerRig = await streamerRig(t, {
		settings,
		accounts: willingAccounts((token) => rig.tokens.get(token)),
	});
	rig.core.answer = async (call) => answer(call);
	for (const room of ['GENERAL', 'other']) rig.rights.rooms.set(room, new Set(['ana', null]));
	rig.rights.permissions.set('view-privileged-setting', new Set(['ana']));
	const base = rig.ddp.stats();
	const users = ['ana', 'ben'] as const;
	let logins = 0;

	return {
		rig,
		target: {
			port: rig.port,
			newToken() {
				const uid = users[(logins += 1) % users.length] ?? 'ana';
				const token = `token-${logins}`;
				rig.tokens.set(token, actorOf(uid, token));
				return token;
			},
			afterBatch() {
				// Nobody is pinged to death meanwhile: a socket hears of four batches in the time of one.
				rig.clock.advance(50);
				for (const kept of [rig.calls, rig.reports, rig.closed]) kept.length = 0;
			},
		},
		async settle() {
			rig.tokens.clear();
			const isBase = () => {
				const { sockets, subscriptions, keys } = rig.ddp.stats();
				return sockets === 0 && subscriptions === 0 && keys === base.keys;
			};
			const endAt = performance.now() + 10_000;
			while (!isBase()) {
				if (performance.now() > endAt) throw new Error(`left behind: ${JSON.stringify(rig.ddp.stats())}`);
				rig.clock.advance(passMs);
				await new Promise((resolve) => {
					setTimeout(resolve, 20);
				});
			}
			for (const kept of [rig.calls, rig.reports, rig.closed]) kept.length = 0;
		},
		heapBytes() {
			setFlagsFromString('--expose-gc');
			const collect = runInNewContext('gc') as () => void;
			collect();
			collect();
			return process.memoryUsage().heapUsed;
		},
	};
}

/** As core might: a value, what it was given, nothing, or a refusal. */
function answer({ method, params }: MethodCall): unknown {
	switch (method.length % 4) {
		case 0:
			return params;
		case 1:
			return undefined;
		case 2:
			return { method, date: new Date(0), params };
		default:
			throw new ClientError('error-not-allowed', 'Not allowed', { method, params });
	}
}

/** Accounts that know tokens only and forget none. */
function willingAccounts(actorOfToken: (token: string) => Actor | undefined): AccountsApi {
	const tokenExpires = new Date(Date.now() + 365 * 86_400_000);
	const accounts: Partial<AccountsApi> = {
		async login(options) {
			const given = typeof options === 'object' && options !== null ? options : {};
			const token = 'resume' in given && typeof given.resume === 'string' ? given.resume : '';
			const actor = actorOfToken(token);
			if (actor === undefined) throw new ClientError(403, "You've been logged out by the server. Please log in again.");
			return { id: actor.uid, token, tokenExpires, type: 'resume', actor, emails: [] };
		},
		logout: async () => undefined,
		logoutOthers: async () => undefined,
		newToken: async (uid) => ({ id: uid, token: 'another', tokenExpires }),
		authenticate: async (_uid, token) => actorOfToken(token) ?? null,
	};
	return accounts as AccountsApi;
}
