import type { TestContext } from 'node:test';
import type { Setting } from '@rookery/protocol/records.ts';
import { localBus } from '../bus/local.ts';
import type { Method } from '../methods/method.ts';
import { methodRunner } from '../methods/run.ts';
import { systemClock } from '../platform/clock.ts';
import { repositoriesOf } from '../repositories/repositories.ts';
import type { Route } from '../rest/route.ts';
import { routeRunner } from '../rest/run.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { storeInitialData } from '../services/initial-data.ts';
import { permissionsService } from '../services/permissions.ts';
import { settingsService } from '../services/settings.ts';
import { testDatabase } from './database.ts';
import { fakeLog } from './accounts.ts';

type Answer = { status: number; body: Record<string, unknown> };

/** A new workspace with its initial data: settings, permissions and roles behind routes and methods. */
export async function workspaceHarness(t: TestContext, environment: Record<string, string> = {}) {
	const db = await testDatabase(t);
	const repositories = repositoriesOf(db);
	const rootUrl = 'http://chat.example';
	await storeInitialData({
		...repositories,
		environment: { OVERWRITE_SETTING_API_Enable_Rate_Limiter: 'false', ...environment },
		rootUrl,
		createAdmin: () => Promise.resolve(),
	});
	const bus = localBus();
	const settings = await settingsService({ ...repositories, bus });
	t.after(async () => {
		settings.stop();
		await bus.close();
	});
	const holders = new Map<string, string[]>();
	const holds = (uid: string | null, permission: string): boolean =>
		holders.get(uid ?? '')?.includes(permission) === true;
	const services = {
		settings,
		permissions: permissionsService(repositories),
		authorization: {
			hasAny: (uid: string | null, names: string[]) => Promise.resolve(names.some((name) => holds(uid, name))),
		},
		accounts: { authenticate: (uid: string) => Promise.resolve(holders.has(uid) ? actorOf(uid) : null) },
		server: { version: '0.1.0', compatVersion: '8.6', rootUrl, instanceId: 'test' },
	} as unknown as CoreServices;
	const run = routeRunner({ services, clock: systemClock, log: fakeLog().log });

	return {
		db,
		repositories,
		settings,
		/** A user with exactly these permissions. */
		user(uid: string, permissions: string[] = []): string {
			holders.set(uid, permissions);
			return uid;
		},
		/** GET, as the transport calls the route; the body as a client reads it. */
		async get(route: Route, query: Record<string, string | string[]> = {}, uid?: string): Promise<Answer> {
			const answer = await run(route, {
				method: 'GET',
				headers: uid === undefined ? {} : { 'x-user-id': uid, 'x-auth-token': 'token' },
				query,
				path: {},
				bodyText: '',
				clientAddress: '10.0.0.1',
			});
			return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) as Answer['body'] };
		},
		/** An anonymous caller's method. */
		ddp(method: Method, ...params: unknown[]): Promise<unknown> {
			return methodRunner({ methods: [method], services, clock: systemClock })({
				method: method.name,
				params,
				actor: null,
				connection: { id: 'c', clientAddress: '10.0.0.1', userAgent: 'test', transport: 'websocket' },
			});
		},
		find: async (id: string): Promise<Setting | null> => repositories.settings.findById(id),
	};
}

function actorOf(uid: string): Actor {
	return { uid, username: uid, roles: ['user'], hashedToken: 'hash', isPersonalToken: false, tokenExpires: null };
}
