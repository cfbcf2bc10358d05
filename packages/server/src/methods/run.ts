import { ClientError } from '@rookery/protocol/errors.ts';
import { InertEjson } from '@rookery/protocol/ejson.ts';
import type { Clock } from '../platform/clock.ts';
import { tokenBuckets, type RateWindow, type TokenBuckets } from '../platform/rate-limit.ts';
import type { Tally } from '../platform/tally.ts';
import type { MethodCall } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import type { Method, RateRule } from './method.ts';
import { ownRates } from './own-rates.ts';

type Deps = { methods: Method[]; services: CoreServices; clock: Clock; tally?: Tally };

/** What limits are counted with. */
type Limits = { buckets: TokenBuckets; services: CoreServices; tally?: Tally };

/**
 * Runs DDP methods in core, whether they came over a socket or through the REST tunnel: who may, how often, of which
 * shape. `undefined` = the method returned nothing.
 *
 * @see realtime contract, 2.10 and 3.1
 */
export function methodRunner({ methods, services, clock, tally }: Deps) {
	const table = new Map(methods.map((entry) => [entry.name, entry]));
	if (table.size !== methods.length) throw new Error('two methods have the same name');
	const limits: Limits = { buckets: tokenBuckets(clock), services, ...(tally === undefined ? {} : { tally }) };

	return async function run(call: MethodCall): Promise<unknown> {
		if (call.connection.transport === 'rest') countTunnel(call, limits);
		const entry = table.get(call.method);
		if (entry === undefined) throw new ClientError(404, `Method '${call.method.slice(0, 200)}' not found`);
		await countCall(call, entry, limits);
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
function countTunnel({ actor, connection }: MethodCall, limits: Limits): void {
	const scopes: [scope: Scope, usual: RateWindow, who: string | undefined, label: string][] = [
		['Connection', { calls: 600, perMs: 60_000 }, connection.id, 'connection'],
		['User', { calls: 1_200, perMs: 60_000 }, actor?.uid, 'user'],
		['IP', { calls: 120_000, perMs: 60_000 }, connection.clientAddress, 'address'],
	];
	for (const [scope, usual, who, label] of scopes) {
		const rule = who === undefined ? null : ruleOfScope(limits.services, scope, usual);
		const resetMs = rule === null ? 0 : limits.buckets.take(`${scope} ${who}`, rule).resetMs;
		if (resetMs > 0) refuse(resetMs, label, limits);
	}
}

/** The limits by name: the method's own, or those of the settings. */
async function countCall(call: MethodCall, entry: Method, limits: Limits): Promise<void> {
	for (const [key, rule] of rulesByName(call, entry, limits.services)) {
		const { allowed, resetMs } = limits.buckets.take(key, rule);
		if (allowed || (await isExempt(call, entry, limits.services))) continue;
		refuse(resetMs, 'method', limits);
	}
}

function rulesByName(
	{ actor, connection }: MethodCall,
	{ name, rate }: Method,
	services: CoreServices,
): [key: string, rule: RateWindow][] {
	const own = ownRates.get(name);
	const rule = rate ?? own?.rule;
	if (rule !== undefined) {
		const who = own?.by === 'connection' ? connection.id : (actor?.uid ?? connection.clientAddress);
		return [[`own ${name} ${who}`, windowOf(rule, services)]];
	}
	const found: [string, RateWindow][] = [];
	const byConnection = ruleOfScope(services, 'Connection_By_Method', { calls: 10, perMs: 10_000 });
	const byUser = ruleOfScope(services, 'User_By_Method', { calls: 20, perMs: 10_000 });
	// The narrower first: who is refused by it takes nothing from the user's other connections.
	if (byConnection !== null) found.push([`connection ${name} ${connection.id}`, byConnection]);
	if (byUser !== null && actor !== null) found.push([`user ${name} ${actor.uid}`, byUser]);
	return found;
}

function refuse(resetMs: number, label: string, { tally }: Limits): never {
	tally?.('limited', label);
	const seconds = Math.ceil(resetMs / 1000);
	const text = `Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying again.`;
	throw new ClientError('too-many-requests', text, { timeToReset: resetMs });
}

async function isExempt({ actor }: MethodCall, entry: Method, services: CoreServices): Promise<boolean> {
	const permission = entry.rateExempt ?? ownRates.get(entry.name)?.exempt;
	if (actor === null || permission === undefined) return false;
	return services.authorization.has(actor.uid, permission);
}

function windowOf(rate: RateRule, services: CoreServices): RateWindow {
	if ('calls' in rate) return rate;
	return { calls: services.settings.number(rate.setting, 1), perMs: 60_000 };
}

type Scope = 'IP' | 'User' | 'Connection' | 'User_By_Method' | 'Connection_By_Method';

/** A limit of the settings; null when it is switched off. */
function ruleOfScope({ settings }: CoreServices, scope: Scope, usual: RateWindow): RateWindow | null {
	const id = `DDP_Rate_Limit_${scope}`;
	if (!settings.flag(`${id}_Enabled`, true)) return null;
	return {
		calls: settings.number(`${id}_Requests_Allowed`, usual.calls),
		perMs: settings.number(`${id}_Interval_Time`, usual.perMs),
	};
}
