import type { TestContext } from 'node:test';
import { systemClock } from '../platform/clock.ts';
import { subscriptionReadRepository } from '../repositories/subscription-reads.ts';
import { messageRepository } from '../repositories/messages.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { subscriptionsService } from '../services/subscriptions.ts';
import { methodRunner } from '../methods/run.ts';
import type { Method } from '../methods/method.ts';
import { routeRunner } from '../rest/run.ts';
import type { Route } from '../rest/route.ts';
import { roomsHarness } from './rooms.ts';

/** What a route answered. The body as a client reads it: through JSON. */
export type Answer = { status: number; body: Record<string, unknown> & { success?: boolean } };

/** Routes and methods of rooms over the real services: `rest` and `ddp` call them as the transports do. */
export async function roomRequests(
	t: TestContext,
	{ routes, methods }: { routes: Route[]; methods: Method[] },
	values: Record<string, unknown> = {},
) {
	const settings = { API_Enable_Rate_Limiter: false, DDP_Rate_Limit_User_By_Method_Enabled: false, ...values };
	Object.assign(settings, { DDP_Rate_Limit_Connection_By_Method_Enabled: false });
	const harness = await roomsHarness(t, settings);
	const { db, authorization, messages, service, subscriptions, users, log } = harness;
	const actors = new Map<string, Actor>();
	const services = {
		rooms: service,
		messages,
		authorization,
		settings: harness.settings,
		users,
		subscriptions: subscriptionsService({
			subscriptions,
			reads: subscriptionReadRepository(db),
			messages: messageRepository(db),
			authorization,
			settings: { ...harness.settings, listPublic: () => [] },
		}),
		accounts: { authenticate: (uid: string) => Promise.resolve(actors.get(uid) ?? null) },
	} as unknown as CoreServices;
	const run = routeRunner({ services, clock: systemClock, log });
	const runMethod = methodRunner({ methods, services, clock: systemClock });

	function routeOf(http: string, path: string): Route {
		const route = routes.find((entry) => entry.path === path && entry.http.includes(http as 'GET'));
		if (route === undefined) throw new Error(`no route ${http} ${path}`);
		return route;
	}

	async function request(actor: Actor | null, http: 'GET' | 'POST', path: string, params: object): Promise<Answer> {
		if (actor !== null) actors.set(actor.uid, actor);
		const answer = await run(routeOf(http, path), {
			method: http,
			headers: {
				'content-type': 'application/json',
				...(actor === null ? {} : { 'x-user-id': actor.uid, 'x-auth-token': 'token' }),
			},
			query: http === 'GET' ? (params as Record<string, string>) : {},
			path: {},
			bodyText: http === 'GET' ? '' : JSON.stringify(params),
			clientAddress: '127.0.0.1',
		});
		return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) as Answer['body'] };
	}

	return {
		...harness,
		values: settings as Record<string, unknown>,
		get: (actor: Actor | null, path: string, query: object = {}) => request(actor, 'GET', path, query),
		post: (actor: Actor | null, path: string, body: object = {}) => request(actor, 'POST', path, body),
		ddp: (actor: Actor | null, method: string, ...params: unknown[]) =>
			runMethod({
				method,
				params,
				actor,
				connection: { id: 'c', clientAddress: '127.0.0.1', userAgent: 'test', transport: 'websocket' },
			}),
	};
}
