import { createHash } from 'node:crypto';
import { ClientError, httpStatusOf } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Tally } from '../platform/tally.ts';
import { rateLimiter, type RateWindow } from '../platform/rate-limit.ts';
import type { Actor, Connection } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { coerceForm, parseBody, type QueryRecord } from './body.ts';
import { RestFailure, RestReply, type Route } from './route.ts';
import { parseParams } from './validation.ts';

/** A request as the HTTP transport read it. Header names are lower-case. */
export type RestRequest = {
	method: string;
	headers: Record<string, string | undefined>;
	query: QueryRecord;
	path: Record<string, string>;
	bodyText: string;
	clientAddress: string;
};

export type RestResponse = { status: number; headers: Record<string, string>; body: unknown };

type Deps = { services: CoreServices; clock: Clock; log: Log; tally?: Tally };

const notLoggedIn = {
	success: false,
	status: 'error',
	error: 'You must be logged in to do this.',
	message: 'You must be logged in to do this.',
};

/**
 * Runs REST routes: credentials, rate limit, schema, permissions, action, in this order.
 *
 * @returns A function that never rejects: every failure is an answer in the contract's form.
 * @see REST contract, 3, 4 and 7
 */
export function routeRunner({ services, clock, log, tally }: Deps) {
	const limiter = rateLimiter(clock);

	return async function run(route: Route, request: RestRequest): Promise<RestResponse> {
		const headers: Record<string, string> = {};
		try {
			const actor = await authenticate(route, request, services);
			if (route.auth === 'user' && actor === null) {
				tally?.('denied', 'not-logged-in');
				return { status: 401, headers, body: notLoggedIn };
			}
			const connection = connectionOf(request, actor);
			await limit(route, request, actor, headers);
			const query = route.query === null ? {} : parseParams(route.query, request.query);
			const body = readBody(route, request);
			await requirePermissions(route, actor);
			const { path } = request;
			const result = await route.run({ actor, query, body, path, connection, headers: request.headers, services });
			if (result instanceof RestReply) {
				return { status: result.status, headers: { ...headers, ...result.headers }, body: result.body };
			}
			return { status: 200, headers, body: { ...(result as object), success: true } };
		} catch (error) {
			return { ...failure(error, log), headers: { ...headers, ...limitHeaders(error, clock) } };
		}
	};

	async function requirePermissions(route: Route, actor: Actor | null): Promise<void> {
		if (route.permissions.length === 0) return;
		if (await services.authorization.hasAll(actor?.uid ?? null, route.permissions)) return;
		tally?.('denied', 'permission');
		throw new ClientError('error-unauthorized', 'User does not have the permissions required for this action');
	}

	/** Counts the call; sets the `X-RateLimit-*` headers. Holders of `api-bypass-rate-limit` pass. */
	async function limit(route: Route, request: RestRequest, actor: Actor | null, headers: Record<string, string>) {
		const window = windowOf(route, services);
		if (window === null) return;
		const key = `${request.method} ${route.path}|${actor?.uid ?? request.clientAddress}`;
		const verdict = limiter.take(key, window);
		Object.assign(headers, rateHeaders(window.calls, verdict.remaining, clock.now() + verdict.resetMs));
		if (verdict.allowed) return;
		const exempt = ['api-bypass-rate-limit', ...(route.rateExempt === undefined ? [] : [route.rateExempt])];
		if (actor !== null && (await services.authorization.hasAny(actor.uid, exempt))) return;
		tally?.('limited', 'route');
		const seconds = Math.ceil(verdict.resetMs / 1000);
		throw new ClientError(
			'error-too-many-requests',
			`Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying this endpoint again.`,
		);
	}
}

/** @param resetAt ms since 1970 */
function rateHeaders(limit: number, remaining: number, resetAt: number): Record<string, string> {
	return {
		'X-RateLimit-Limit': String(limit),
		'X-RateLimit-Remaining': String(remaining),
		'X-RateLimit-Reset': String(resetAt),
	};
}

/** The same headers for a limit that accounts keeps. @see `tooManyRequests` */
function limitHeaders(error: unknown, clock: Clock): Record<string, string> {
	if (!(error instanceof ClientError) || error.code !== 'error-too-many-requests') return {};
	const { limit, timeToReset } = (error.details ?? {}) as { limit?: number; timeToReset?: number };
	return limit === undefined || timeToReset === undefined ? {} : rateHeaders(limit, 0, clock.now() + timeToReset);
}

function windowOf(route: Route, services: CoreServices): RateWindow | null {
	const { settings } = services;
	if (route.rate === 'none' || !settings.flag('API_Enable_Rate_Limiter', true)) return null;
	if (route.rate === 'default') {
		return {
			calls: settings.number('API_Enable_Rate_Limiter_Limit_Calls_Default', 10),
			perMs: settings.number('API_Enable_Rate_Limiter_Limit_Time_Default', 60_000),
		};
	}
	if ('calls' in route.rate) return route.rate;
	return { calls: settings.number(route.rate.setting, 1), perMs: 60_000 };
}

async function authenticate(route: Route, request: RestRequest, services: CoreServices): Promise<Actor | null> {
	if (route.auth === 'public') return null;
	const uid = request.headers['x-user-id'];
	const token = request.headers['x-auth-token'];
	if (uid === undefined || token === undefined || uid === '' || token === '') return null;
	return services.accounts.authenticate(uid, token);
}

/** The caller's "connection" for limits and records: its token, or address and program when anonymous. */
function connectionOf(request: RestRequest, actor: Actor | null): Connection {
	const userAgent = request.headers['user-agent'] ?? '';
	const anonymous = () => createHash('md5').update(`${request.clientAddress}${userAgent}`).digest('hex');
	return {
		id: `rest:${actor?.hashedToken ?? anonymous()}`,
		clientAddress: request.clientAddress,
		userAgent,
		transport: 'rest',
	};
}

/** The body as the route reads it. One that is none is refused also where the route reads nothing of it. */
function readBody(route: Route, request: RestRequest): unknown {
	if (request.method === 'GET' || request.method === 'HEAD') return {};
	const { value, isForm } = parseBody(request.headers['content-type'] ?? '', request.bodyText);
	if (route.body === null) return {};
	if (!isForm) return parseParams(route.body, withoutNulls(value));
	const asText = route.body.safeParse(value);
	if (asText.success) return asText.data;
	const wrong = new Set(asText.error.issues.flatMap(({ path: [field] }) => field ?? []));
	return parseParams(route.body, coerceForm(value, wrong));
}

/** Clients write `null` for what they leave out. @see security contract, SEC-IN-1 */
function withoutNulls(body: Record<string, unknown>): Record<string, unknown> {
	return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/** Turns whatever was thrown into an answer. Bugs are logged; the client sees nothing of them. */
export function failure(error: unknown, log: Log): { status: number; body: unknown } {
	if (error instanceof RestFailure) return { status: error.status, body: error.body };
	if (error instanceof ClientError) return clientFailure(error);
	log.error({ event: 'unhandled', err: error }, 'a REST route failed');
	return { status: 500, body: { success: false, error: 'Internal server error' } };
}

function clientFailure(error: ClientError): { status: number; body: unknown } {
	const status = httpStatusOf(error.code);
	if (status === 500) return { status, body: { success: false, error: 'Internal server error' } };
	if (status === 503) return { status, body: { success: false, error: 'Service Unavailable' } };
	if (status === 429) return { status, body: { success: false, error: error.message } };
	if (error.code === 'unauthorized') return { status, body: { success: false, error: 'unauthorized' } };
	const details = error.details === undefined ? {} : { details: error.details };
	return { status, body: { success: false, error: error.message, errorType: error.code, ...details } };
}
