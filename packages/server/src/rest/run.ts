import { createHash } from 'node:crypto';
import { ClientError, httpStatusOf } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
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

type Deps = { services: CoreServices; clock: Clock; log: Log };

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
export function routeRunner({ services, clock, log }: Deps) {
	const limiter = rateLimiter(clock);

	return async function run(route: Route, request: RestRequest): Promise<RestResponse> {
		const headers: Record<string, string> = {};
		try {
			const actor = await authenticate(route, request, services);
			if (route.auth === 'user' && actor === null) return { status: 401, headers, body: notLoggedIn };
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
			return { ...failure(error, log), headers };
		}
	};

	async function requirePermissions(route: Route, actor: Actor | null): Promise<void> {
		if (route.permissions.length === 0) return;
		if (await services.authorization.hasAll(actor?.uid ?? null, route.permissions)) return;
		throw new ClientError('error-unauthorized', 'User does not have the permissions required for this action');
	}

	/** Counts the call; sets the `X-RateLimit-*` headers. Holders of `api-bypass-rate-limit` pass. */
	async function limit(route: Route, request: RestRequest, actor: Actor | null, headers: Record<string, string>) {
		const window = windowOf(route, services);
		if (window === null) return;
		const key = `${request.method} ${route.path}|${actor?.uid ?? request.clientAddress}`;
		const verdict = limiter.take(key, window);
		headers['X-RateLimit-Limit'] = String(window.calls);
		headers['X-RateLimit-Remaining'] = String(verdict.remaining);
		headers['X-RateLimit-Reset'] = String(clock.now() + verdict.resetMs);
		if (verdict.allowed) return;
		const exempt = ['api-bypass-rate-limit', ...(route.rateExempt === undefined ? [] : [route.rateExempt])];
		if (actor !== null && (await services.authorization.hasAny(actor.uid, exempt))) return;
		const seconds = Math.ceil(verdict.resetMs / 1000);
		throw new ClientError(
			'error-too-many-requests',
			`Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying this endpoint again.`,
		);
	}
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

function readBody(route: Route, request: RestRequest): unknown {
	if (route.body === null || request.method === 'GET' || request.method === 'HEAD') return {};
	const { value, isForm } = parseBody(request.headers['content-type'] ?? '', request.bodyText);
	if (!isForm) return parseParams(route.body, value);
	const asText = route.body.safeParse(value);
	return asText.success ? asText.data : parseParams(route.body, coerceForm(value));
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
