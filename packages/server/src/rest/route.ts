import type { z } from 'zod';
import type { Actor, Connection } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import type { RateRule } from '../methods/method.ts';

/** `public`: anybody, bad headers are ignored. `optional`: as public, but the caller is known when the headers are right. */
export type RouteAccess = 'public' | 'optional' | 'user';

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'DELETE';

export type RouteInput<A, Q, B, P = Record<string, string>> = {
	actor: A;
	query: Q;
	body: B;
	/** Parts of the path declared as `:name`. */
	path: P;
	connection: Connection;
	/** The caller's headers and body text, for the few routes that need them (tunnel, hooks). Lower-case names. */
	headers: Record<string, string | undefined>;
	services: CoreServices;
};

/** A REST route as the HTTP transport runs it. Made by `route`. */
export type Route = {
	http: HttpMethod[];
	/** Below `/api/v1/`, or an absolute path when it starts with `/`. */
	path: string;
	summary: string;
	auth: RouteAccess;
	/** All of these in the workspace; refused as "403p". Finer checks stand in the service. */
	permissions: string[];
	query: z.ZodType | null;
	body: z.ZodType | null;
	/** Replaces the default limit of 10 a minute; `none` where the contract exempts the route. */
	rate: RateRule | 'default' | 'none';
	/** Permission beside `api-bypass-rate-limit` whose holders are free of the limit. */
	rateExempt?: string;
	/** Largest JSON body in bytes. */
	maxBodyBytes: number;
	run(input: RouteInput<Actor | null, unknown, unknown>): Promise<unknown>;
};

type RouteSpec<A, Q extends z.ZodType, B extends z.ZodType> = {
	summary: string;
	permissions?: string[];
	query?: Q;
	body?: B;
	rate?: RateRule | 'none';
	rateExempt?: string;
	maxBodyBytes?: number;
	/**
	 * The object returned is answered with `success: true` added (200). For another status return a `RestReply`.
	 * Dates become ISO text, undefined members are left out.
	 */
	run(input: RouteInput<A, z.infer<Q>, z.infer<B>>): Promise<object>;
} & ({ get: string } | { post: string } | { getOrPost: string } | { put: string } | { del: string });

/** An answer with its own status and body, sent as it is (no `success` added). */
export class RestReply {
	readonly status: number;
	readonly body: unknown;
	readonly headers: Record<string, string>;
	constructor(status: number, body: unknown, headers: Record<string, string> = {}) {
		this.status = status;
		this.body = body;
		this.headers = headers;
	}
}

/**
 * A refusal that only REST knows: a plain text without a code (`{success: false, error: text}`), or a whole body.
 * Everything with a code is a `ClientError`.
 */
export class RestFailure extends Error {
	readonly status: number;
	readonly body: Record<string, unknown>;
	constructor(status: number, error: string | Record<string, unknown>) {
		super(typeof error === 'string' ? error : JSON.stringify(error));
		this.name = 'RestFailure';
		this.status = status;
		this.body = { success: false, ...(typeof error === 'string' ? { error } : error) };
	}
}

/** The refusal "403u" of the REST contract. */
export function forbidden(): RestFailure {
	return new RestFailure(403, 'unauthorized');
}

/**
 * Declares a REST route. Unknown keys of query and body are dropped before anything sees them (use plain `z.object`);
 * known ones are checked exactly. Query values arrive as text: use the readers of `query.ts`.
 */
export function route<Q extends z.ZodType = z.ZodUnknown, B extends z.ZodType = z.ZodUnknown>(
	spec: RouteSpec<Actor, Q, B> & { auth: 'user' },
): Route;
export function route<Q extends z.ZodType = z.ZodUnknown, B extends z.ZodType = z.ZodUnknown>(
	spec: RouteSpec<Actor | null, Q, B> & { auth: 'public' | 'optional' },
): Route;
export function route(spec: RouteSpec<never, z.ZodType, z.ZodType> & { auth: RouteAccess }): Route {
	const [http, path] = methodAndPath(spec);
	return {
		http,
		path,
		summary: spec.summary,
		auth: spec.auth,
		permissions: spec.permissions ?? [],
		query: spec.query ?? null,
		body: spec.body ?? null,
		rate: spec.rate ?? 'default',
		...(spec.rateExempt === undefined ? {} : { rateExempt: spec.rateExempt }),
		maxBodyBytes: spec.maxBodyBytes ?? 1024 * 1024,
		run: spec.run as unknown as Route['run'],
	};
}

function methodAndPath(spec: object): [HttpMethod[], string] {
	const table: [string, HttpMethod[]][] = [
		['get', ['GET']],
		['post', ['POST']],
		['getOrPost', ['GET', 'POST']],
		['put', ['PUT']],
		['del', ['DELETE']],
	];
	for (const [key, http] of table) {
		const path = (spec as Record<string, unknown>)[key];
		if (typeof path === 'string') return [http, path];
	}
	throw new Error('route: no path given');
}
