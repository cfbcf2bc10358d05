import { ClientError } from '@rookery/protocol/errors.ts';
import { InertEjson } from '@rookery/protocol/ejson.ts';
import type { Clock } from '../platform/clock.ts';
import { rateLimiter, type RateWindow } from '../platform/rate-limit.ts';
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

/** The limits by name. Those over all names are the transport's (sockets) and the tunnel's. */
async function countCall(
	call: MethodCall,
	entry: Method,
	limiter: ReturnType<typeof rateLimiter>,
	services: CoreServices,
): Promise<void> {
	const own = entry.rate === undefined ? null : windowOf(entry.rate, services);
	const name = entry.name;
	const tries: [string, RateWindow][] = [];
	if (own !== null) {
		tries.push([`${name}|${call.actor?.uid ?? call.connection.clientAddress}`, own]);
	} else {
		const user = namedWindow(services, 'User', 20);
		const connection = namedWindow(services, 'Connection', 10);
		if (user !== null && call.actor !== null) tries.push([`u|${name}|${call.actor.uid}`, user]);
		if (connection !== null) tries.push([`c|${name}|${call.connection.id}`, connection]);
	}
	for (const [key, window] of tries) {
		const verdict = limiter.take(key, window);
		if (verdict.allowed || (await isExempt(call, entry, services))) continue;
		const seconds = Math.ceil(verdict.resetMs / 1000);
		throw new ClientError(
			'too-many-requests',
			`Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying again.`,
			{ timeToReset: verdict.resetMs },
		);
	}
}

async function isExempt(call: MethodCall, entry: Method, services: CoreServices): Promise<boolean> {
	if (call.actor === null || entry.rateExempt === undefined) return false;
	return services.authorization.has(call.actor.uid, entry.rateExempt);
}

function windowOf(rate: NonNullable<Method['rate']>, services: CoreServices): RateWindow {
	if ('calls' in rate) return rate;
	return { calls: services.settings.number(rate.setting, 1), perMs: 60_000 };
}

function namedWindow(services: CoreServices, scope: 'User' | 'Connection', usual: number): RateWindow | null {
	const id = `DDP_Rate_Limit_${scope}_By_Method`;
	if (!services.settings.flag(`${id}_Enabled`, true)) return null;
	return {
		calls: services.settings.number(`${id}_Requests_Allowed`, usual),
		perMs: services.settings.number(`${id}_Interval_Time`, 10_000),
	};
}
