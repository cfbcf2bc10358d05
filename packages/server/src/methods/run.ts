import { ClientError } from '@rookery/protocol/errors.ts';
import { InertEjson } from '@rookery/protocol/ejson.ts';
import type { Clock } from '../platform/clock.ts';
import { rateLimiter, type RateLimiter, type RateWindow } from '../platform/rate-limit.ts';
import type { MethodCall } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import type { Method } from './method.ts';

type Deps = { methods: Method[]; services: CoreServices; clock: Clock };

/**
 * Runs DDP methods in core, whether they came over a socket or through the REST tunnel: who may, how often, of which
 * shape. `undefined` = the method returned nothing.
 *
 * @see realtime contract, 2.10 and 3.1
 */
export function methodRunner({ methods, services, clock }: Deps) {
	const table = new Map(methods.map((entry) => [entry.name, entry]));
	if (table.size !== methods.length) throw new Error('two methods have the same name');
	const limiter = rateLimiter(clock);

	return async function run(call: MethodCall): Promise<unknown> {
		if (call.connection.transport === 'rest') countTunnel(call, limiter, services);
		const entry = table.get(call.method);
		if (entry === undefined) throw new ClientError(404, `Method '${call.method.slice(0, 200)}' not found`);
		await countCall(call, entry, limiter, services);
		if (entry.auth === 'user' && call.actor === null) {
			throw new ClientError('error-invalid-user', 'Invalid user', { method: entry.name });
		}
		const { params, twoFactor } = readParams(call, entry);
		return entry.run({
			actor: call.actor,
			params,
			connection: call.connection,
			services,
			...(twoFactor === undefined ? {} : { twoFactor }),
		});
	};
}

/**
 * Cuts what clients append (a second factor, an empty text, surplus parameters), reads `null` as absent and checks the
 * shape.
 */
function readParams(call: MethodCall, entry: Method): { params: unknown; twoFactor: MethodCall['twoFactor'] } {
	let params = [...call.params];
	let twoFactor = call.twoFactor;
	const appended = twoFactorOf(params.at(-1));
	if (appended !== null) {
		params = params.slice(0, -1);
		twoFactor = appended;
	}
	const first = check(params, entry);
	if (first.success) return { params: first.data, twoFactor };
	if (params.at(-1) === '') {
		const second = check(params.slice(0, -1), entry);
		if (second.success) return { params: second.data, twoFactor };
	}
	throw new ClientError(400, 'Match failed');
}

function check(params: unknown[], entry: Method) {
	const list = params.slice(0, entry.arity).map((value) => value ?? undefined);
	while (list.length > 0 && list.at(-1) === undefined) list.pop();
	if (list.some((value) => value instanceof InertEjson)) return { success: false as const };
	return entry.params.safeParse(list);
}

function twoFactorOf(value: unknown): { code: string; method: string } | null {
	if (typeof value !== 'object' || value === null) return null;
	const { twoFactorCode, twoFactorMethod } = value as Record<string, unknown>;
	if (typeof twoFactorCode !== 'string' || typeof twoFactorMethod !== 'string') return null;
	return { code: twoFactorCode, method: twoFactorMethod };
}

/** The limits over all names for calls through the REST tunnel; sockets count theirs before they forward a call. */
function countTunnel({ actor, connection }: MethodCall, limiter: RateLimiter, services: CoreServices): void {
	const scopes: [scope: Scope, usual: RateWindow, who: string | undefined][] = [
		['IP', { calls: 120_000, perMs: 60_000 }, connection.clientAddress],
		['User', { calls: 1_200, perMs: 60_000 }, actor?.uid],
		['Connection', { calls: 600, perMs: 60_000 }, connection.id],
	];
	for (const [scope, usual, who] of scopes) {
		const window = who === undefined ? null : windowOfScope(services, scope, usual);
		if (window === null) continue;
		const verdict = limiter.take(`${scope}|${who}`, window);
		if (!verdict.allowed) throw tooMany(verdict.resetMs);
	}
}

/** The limits by name. */
async function countCall(call: MethodCall, entry: Method, limiter: RateLimiter, services: CoreServices): Promise<void> {
	const own = entry.rate === undefined ? null : windowOf(entry.rate, services);
	const name = entry.name;
	const tries: [string, RateWindow][] = [];
	if (own !== null) {
		tries.push([`${name}|${call.actor?.uid ?? call.connection.clientAddress}`, own]);
	} else {
		const user = windowOfScope(services, 'User_By_Method', { calls: 20, perMs: 10_000 });
		const connection = windowOfScope(services, 'Connection_By_Method', { calls: 10, perMs: 10_000 });
		if (user !== null && call.actor !== null) tries.push([`u|${name}|${call.actor.uid}`, user]);
		if (connection !== null) tries.push([`c|${name}|${call.connection.id}`, connection]);
	}
	for (const [key, window] of tries) {
		const verdict = limiter.take(key, window);
		if (verdict.allowed || (await isExempt(call, entry, services))) continue;
		throw tooMany(verdict.resetMs);
	}
}

function tooMany(resetMs: number): ClientError {
	const seconds = Math.ceil(resetMs / 1000);
	const text = `Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying again.`;
	return new ClientError('too-many-requests', text, { timeToReset: resetMs });
}

async function isExempt(call: MethodCall, entry: Method, services: CoreServices): Promise<boolean> {
	if (call.actor === null || entry.rateExempt === undefined) return false;
	return services.authorization.has(call.actor.uid, entry.rateExempt);
}

function windowOf(rate: NonNullable<Method['rate']>, services: CoreServices): RateWindow {
	if ('calls' in rate) return rate;
	return { calls: services.settings.number(rate.setting, 1), perMs: 60_000 };
}

type Scope = 'IP' | 'User' | 'Connection' | 'User_By_Method' | 'Connection_By_Method';

/** A limit of the settings; null when it is switched off. */
function windowOfScope({ settings }: CoreServices, scope: Scope, usual: RateWindow): RateWindow | null {
	const id = `DDP_Rate_Limit_${scope}`;
	if (!settings.flag(`${id}_Enabled`, true)) return null;
	return {
		calls: settings.number(`${id}_Requests_Allowed`, usual.calls),
		perMs: settings.number(`${id}_Interval_Time`, usual.perMs),
	};
}
