import type { TestContext } from 'node:test';
import type { Role, Subscription, UserStatus } from '@rookery/protocol/records.ts';
import { methodRunner } from '../methods/run.ts';
import type { Method } from '../methods/method.ts';
import { routeRunner } from '../rest/run.ts';
import type { Route } from '../rest/route.ts';
import type { Actor, AuthorizationApi, NewUser } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { usersService } from '../services/users.ts';
import type { TokenCreation } from '../services/user-administration.ts';
import { accountsHarness, connectionFrom } from './accounts.ts';

type Answer = { status: number; body: Record<string, unknown>; headers: Record<string, string> };

type Request = {
	query?: Record<string, string | string[]>;
	/** An object is sent as JSON, a text as a form. */
	body?: unknown;
	/** User id and token. */
	as?: { userId: string; authToken: string };
	headers?: Record<string, string>;
	ip?: string;
};

/** Accounts and users behind routes and methods; permissions are those that `grants` names by user id. */
export async function usersHarness(t: TestContext, values: Record<string, unknown> = {}) {
	const h = await accountsHarness(t, values);
	const grants = new Map<string, string[]>();
	const holds = (uid: string | null, permission: string) => grants.get(uid ?? '')?.includes(permission) === true;
	const authorization = {
		has: (uid, permission) => Promise.resolve(holds(uid, permission)),
		hasAll: (uid, permissions) => Promise.resolve(permissions.every((name) => holds(uid, name))),
		hasAny: (uid, permissions) => Promise.resolve(permissions.some((name) => holds(uid, name))),
	} satisfies Partial<AuthorizationApi> as unknown as AuthorizationApi;
	const roles = ['admin', 'user', 'bot'].map((_id): Role => {
		return { _id, name: _id, scope: 'Users', description: '', protected: true };
	});
	const tokenCreation: TokenCreation = { enabled: false, secret: null };
	const subscriptions = new Map<string, Partial<Subscription>[]>();
	const statusCalls: [uid: string, status: UserStatus | null, text: string | null][] = [];
	const users = usersService({
		users: h.users,
		accounts: h.accounts,
		authorization,
		settings: h.settings,
		roles: () => Promise.resolve(roles),
		joinDefaultRooms: h.deps.core.joinDefaultRooms,
		rootUrl: 'http://chat.example',
		tokenCreation,
		clock: h.clock,
	});
	const services = {
		accounts: h.accounts,
		authorization,
		settings: h.settings,
		users,
		subscriptions: { list: (uid: string) => Promise.resolve((subscriptions.get(uid) ?? []) as Subscription[]) },
		presence: {
			setStatus: (...call: [string, UserStatus | null, string | null]) => {
				statusCalls.push(call);
				return Promise.resolve();
			},
		},
	} as unknown as CoreServices;
	const run = routeRunner({ services, clock: h.clock, log: h.deps.log });

	async function rest(
		route: Route,
		{ query = {}, body, as, headers = {}, ip = '10.0.0.1' }: Request = {},
	): Promise<Answer> {
		const isForm = typeof body === 'string';
		const login = as === undefined ? {} : { 'x-user-id': as.userId, 'x-auth-token': as.authToken };
		const answer = await run(route, {
			method: route.http[0] ?? 'GET',
			headers: {
				'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
				...login,
				...headers,
			},
			query,
			path: {},
			bodyText: isForm ? body : body === undefined ? '' : JSON.stringify(body),
			clientAddress: ip,
		});
		// As the transport sends it.
		return { ...answer, body: JSON.parse(JSON.stringify(answer.body)) as Record<string, unknown> };
	}

	/** A user with a token and these permissions. */
	async function given(user: NewUser, permissions: string[] = []) {
		const { _id } = await h.accounts.createUser({ password: 'secret', roles: ['user'], ...user });
		grants.set(_id, permissions);
		return h.accounts.createToken(_id);
	}

	function runMethod(method: Method, params: unknown[], actor: Actor | null): Promise<unknown> {
		const call = methodRunner({ methods: [method], services, clock: h.clock });
		return call({ method: method.name, params, actor, connection: connectionFrom('10.0.0.1', 'rest') });
	}

	return { ...h, rest, given, grants, tokenCreation, subscriptions, statusCalls, runMethod };
}
