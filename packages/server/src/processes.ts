import { setTimeout as pause } from 'node:timers/promises';
import { ClientError } from '@rookery/protocol/errors.ts';
import { randomId } from '@rookery/protocol/ids.ts';
import { handlersOf, type Bus } from './bus/bus.ts';
import { ddpServer } from './ddp/server.ts';
import { startHub } from './hub/hub.ts';
import { methods } from './methods/methods.ts';
import { methodRunner } from './methods/run.ts';
import type { Clock } from './platform/clock.ts';
import type { Config } from './platform/config.ts';
import type { Log } from './platform/log.ts';
import type { Tally } from './platform/tally.ts';
import type { Database } from './repositories/database.ts';
import { laterMigrations, migrate } from './repositories/migrations/run.ts';
import { hubStateRepository } from './repositories/hub-state.ts';
import { repositoriesOf, type Repositories } from './repositories/repositories.ts';
import { watchDatabase } from './repositories/watch.ts';
import { routes } from './rest/routes.ts';
import { routeRunner } from './rest/run.ts';
import { accountsService } from './services/accounts.ts';
import { manyLogins } from './services/accounts-login-many.ts';
import { authorizationService } from './services/authorization.ts';
import { accountsOf, authorizationOf, coreOf, presenceOf } from './services/clients.ts';
import type { AccountsApi, AuthorizationApi, CoreApi, PresenceApi } from './services/contracts.ts';
import type { CoreServices } from './services/core.ts';
import { joinInitialUser } from './services/initial-user.ts';
import { visibleLoginServices } from './services/login-services.ts';
import { membershipService } from './services/membership.ts';
import { messagesService } from './services/messages.ts';
import { permissionsService } from './services/permissions.ts';
import { presenceReporter } from './services/presence-reporter.ts';
import { presenceService } from './services/presence.ts';
import { roomsService } from './services/rooms.ts';
import { onLostEvents } from './services/lost-events.ts';
import { loadSettings, settingsService, type SettingsReader } from './services/settings.ts';
import { subscriptionsService } from './services/subscriptions.ts';
import { usersService } from './services/users.ts';
import type { RawHandler } from './transport/http.ts';
import { landingPage } from './transport/landing-page.ts';
import { openPublicServer, type PublicServer } from './transport/public-server.ts';

/** The processes Rookery consists of; each can run alone, all can run in one. */
export const processNames = ['accounts', 'authorization', 'presence', 'core', 'stream-hub', 'ddp-streamer'] as const;

export type ProcessName = (typeof processNames)[number];

/** What every process gets: made by the command that starts it. */
export type ProcessContext = {
	config: Config;
	log: Log;
	clock: Clock;
	database: Database;
	bus: Bus;
	/** Public address, without a slash at its end. */
	rootUrl: string;
	version: string;
	/** All services run in this process: nobody else can hold the hub's lease. */
	isSingle: boolean;
	/** The first administrator, when this start made it: he joins the default rooms as everybody does. */
	newAdminId: string | null;
	/** Asked before everything else on the public port: health, metrics. */
	before: RawHandler[];
	/** bcrypt cost of new passwords; 12 unless a test says otherwise. */
	passwordCost?: number;
	/** Told for metrics. */
	tally?: Tally;
	onAnswer?(route: string, status: number): void;
	onSocketClosed?(code: number): void;
};

/** What a service leaves to the process it runs in. */
type Part = {
	/** Waits for work in progress. */
	stop(): Promise<void>;
	/** What is wrong, or null. */
	problem?(): string | null;
	/** Numbers for metrics, by the metric's name. */
	numbers?(): Record<string, number>;
	/** Routes for the public HTTP server. */
	rest?: { run: ReturnType<typeof routeRunner>; settings: SettingsReader };
	/** Takes the sockets of the public HTTP server. */
	sockets?: ReturnType<typeof ddpServer>;
};

/** Longest time a start waits for the first change to come back, in ms. It goes on then: the hub says what is wrong. */
const hubWaitMs = 10_000;

/** What every service of a process shares. */
type Shared = ProcessContext & { repositories: Repositories; settings: SettingsReader };

/** The table: which services run in which process, and how each is put together. Nothing else wires anything. */
const starters: Record<ProcessName, (shared: Shared) => Promise<Part>> = {
	async accounts(shared) {
		const { bus, settings, clock, log, passwordCost, repositories, tally } = shared;
		const cost = passwordCost === undefined ? {} : { passwordCost };
		const api = accountsService({ ...repositories, settings, core: coreOf(bus), bus, clock, log, ...cost });
		const login = tally === undefined ? api.login : tallied(api.login, tally);
		const loginMany = manyLogins(login, log);
		return { stop: await bus.serve('accounts', handlersOf<AccountsApi>({ ...api, login, loginMany })) };
	},

	async authorization(shared) {
		const { bus, settings, clock, repositories } = shared;
		const service = await authorizationService({ ...repositories, settings, bus, clock });
		const end = await bus.serve('authorization', handlersOf<AuthorizationApi>(service.api));
		return {
			async stop() {
				await end();
				service.stop();
			},
		};
	},

	async presence(shared) {
		const { bus, settings, clock, log, config, repositories } = shared;
		const service = await presenceService({
			...repositories,
			settings,
			bus,
			clock,
			log,
			instanceId: config.instanceId,
		});
		const end = await bus.serve('presence', handlersOf<PresenceApi>(service.api));
		return {
			async stop() {
				await end();
				await service.stop();
			},
		};
	},

	async core(shared) {
		const { bus, clock, log, config, newAdminId, repositories, tally } = shared;
		const services = await coreServices(shared);
		if (newAdminId !== null) await services.rooms.joinDefaultRooms(newAdminId, true);
		const { joinDefaultRooms } = services.rooms;
		await joinInitialUser({ ...repositories, joinDefaultRooms }, config.initialUser);
		const api: CoreApi = {
			method: services.runMethod,
			joinDefaultRooms: services.rooms.joinDefaultRooms,
			settle: services.messages.settle,
		};
		const end = await bus.serve('core', handlersOf(api));
		const stopMigrating = migrateLater(shared);
		return {
			rest: {
				run: routeRunner({ services, clock, log, ...(tally === undefined ? {} : { tally }) }),
				settings: services.settings,
			},
			async stop() {
				await end();
				await stopMigrating();
				await services.messages.stop();
				services.settings.stop();
			},
		};
	},

	async 'stream-hub'(shared) {
		const { bus, clock, log, config, isSingle, database } = shared;
		const hub = await startHub({
			watch: (options) => watchDatabase(database.db, options),
			state: hubStateRepository(database.db),
			bus,
			core: coreOf(bus),
			clock,
			log,
			instanceId: config.instanceId,
			isEmbedded: isSingle,
		});
		// Whoever may post in this process may post as soon as it has started: what he posts has to be heard.
		if (isSingle) await Promise.race([hub.hears, pause(hubWaitMs, undefined, { ref: false })]);
		return {
			stop: hub.stop,
			problem: () => hub.status().problem,
			numbers: () => {
				const { lagSeconds, epoch, isActive, poison, published } = hub.status();
				return {
					hub_lag_seconds: lagSeconds,
					hub_epoch: epoch,
					hub_is_active: isActive ? 1 : 0,
					hub_poison_total: poison,
					events_published_total: published,
				};
			},
		};
	},

	async 'ddp-streamer'(shared) {
		const { bus, settings, clock, log, config, repositories, onSocketClosed, tally } = shared;
		const authorization = authorizationOf(bus);
		const membership = membershipService({ reads: repositories.streamer, authorization, settings, clock, log });
		const reporter = presenceReporter({ bus, log, instanceId: config.instanceId });
		const server = ddpServer({
			bus,
			accounts: accountsOf(bus),
			authorization,
			presence: presenceOf(bus),
			membership,
			settings,
			loginServices: visibleLoginServices(repositories.loginServices),
			reporter,
			clock,
			log,
			...(onSocketClosed === undefined ? {} : { onSocketClosed }),
			...(tally === undefined ? {} : { tally }),
			...(config.maxSockets === null ? {} : { limits: { maxSockets: config.maxSockets } }),
		});
		await server.ready;
		return {
			sockets: server,
			async stop() {
				await server.stop();
				await reporter.stop();
			},
			numbers: () => {
				const { sockets, detached, resumed, subscriptions, sendBufferBytes } = server.stats();
				return {
					sockets,
					sessions_detached: detached,
					sessions_resumed_total: resumed,
					subscriptions,
					socket_send_buffer_bytes: sendBufferBytes,
				};
			},
		};
	},
};

/** Counts logins by their outcome. */
function tallied(login: AccountsApi['login'], tally: Tally): AccountsApi['login'] {
	return async (...args) => {
		try {
			const result = await login(...args);
			tally('login', 'ok');
			return result;
		} catch (error) {
			const code = error instanceof ClientError ? String(error.code) : 'failed';
			tally('login', code);
			if (code === 'too-many-requests') tally('limited', 'login');
			throw error;
		}
	};
}

/** Does in the background what a start need not wait for. @returns Ends it and waits. */
function migrateLater({ database, config, log }: Shared): () => Promise<void> {
	const stopping = new AbortController();
	const done = migrate(database.db, {
		instanceId: config.instanceId,
		steps: laterMigrations,
		signal: stopping.signal,
	}).then(
		() => undefined,
		(error: unknown) => {
			if (!stopping.signal.aborted) log.error({ event: 'migration.failed', err: error }, 'a later migration failed');
		},
	);
	return () => {
		stopping.abort();
		return done;
	};
}

type Stoppable = CoreServices & { messages: { stop(): Promise<void> }; settings: { stop(): void } };

/** The services behind routes and methods. */
async function coreServices(shared: Shared): Promise<Stoppable> {
	const { bus, clock, log, config, rootUrl, version, repositories } = shared;
	const [accounts, authorization, presence] = [accountsOf(bus), authorizationOf(bus), presenceOf(bus)];
	const base = { ...repositories, authorization, clock, log, ids: randomId, bus };
	const settings = await settingsService({ ...repositories, bus });
	const messages = messagesService({ ...base, settings });
	const rooms = roomsService({ ...base, settings, messages });
	const subscriptions = subscriptionsService({ ...base, settings });
	const permissions = permissionsService(repositories);
	const tokenCreation = { enabled: config.createTokensForUsers, secret: config.createTokensForUsersSecret };
	const users = usersService({
		...repositories,
		clock,
		accounts,
		authorization,
		settings,
		roles: permissions.roles,
		joinDefaultRooms: rooms.joinDefaultRooms,
		rootUrl,
		tokenCreation,
	});
	const services: Stoppable = {
		accounts,
		authorization,
		presence,
		rooms,
		messages,
		subscriptions,
		users,
		settings,
		permissions,
		runMethod: (call) => runMethod(call),
		reportBug: (error, what) => log.error({ event: 'unhandled', err: error }, what),
		server: { version, compatVersion: config.compatVersion, rootUrl, instanceId: config.instanceId },
	};
	const tally = shared.tally === undefined ? {} : { tally: shared.tally };
	const runMethod = methodRunner({ methods, services, clock, ...tally });
	return services;
}

/** A running process. */
export type Running = {
	/** Stops in the order that loses nothing: sockets, requests, services. */
	stop(): Promise<void>;
	/** What is wrong with a part of it, or null. */
	problem(): string | null;
	/** Numbers for metrics, by the metric's name. */
	numbers(): Record<string, number>;
	/** Port of the public HTTP server; null for a process that has none. */
	port: number | null;
};

/**
 * Starts services in this process, in the order of the names, and the public HTTP server where one of them needs it.
 * The database is prepared (`prepareDatabase`) and the bus is there.
 *
 * @throws The system's error when the port cannot be had, e.g. `EADDRINUSE`; nothing stays started then
 */
export async function startProcesses(names: readonly ProcessName[], context: ProcessContext): Promise<Running> {
	const repositories = repositoriesOf(context.database.db);
	const settings = await loadSettings({ settings: repositories.settings, bus: context.bus });
	let resyncs = 0;
	const unlisten = await onLostEvents(context.bus, () => (resyncs += 1));
	const parts: Part[] = [];
	let http: PublicServer | null = null;
	const stop = async () => {
		const answered = http?.close();
		// The last started goes first: what answers others ends after those that ask.
		const [sockets, ...others] = parts.toReversed();
		await sockets?.stop();
		http?.detach();
		await answered;
		for (const part of others) await part.stop();
		unlisten();
		settings.stop();
	};
	try {
		for (const name of names) parts.push(await starters[name]({ ...context, repositories, settings }));
		http = await openHttp(parts, context);
	} catch (error) {
		await stop();
		throw error;
	}
	const port = http?.port ?? null;
	return {
		stop,
		problem: () => parts.map((part) => part.problem?.() ?? null).find((problem) => problem !== null) ?? null,
		numbers: () =>
			Object.assign({ resync_total: resyncs }, ...parts.map((part) => part.numbers?.() ?? {})) as Record<
				string,
				number
			>,
		port,
	};
}

/** The public HTTP server of REST routes, sockets or both; null when no part asks for one. */
function openHttp(parts: Part[], context: ProcessContext): Promise<PublicServer> | null {
	const rest = parts.find((part) => part.rest !== undefined)?.rest;
	const acceptor = parts.find((part) => part.sockets !== undefined)?.sockets;
	if (rest === undefined && acceptor === undefined) return null;
	const { config, log, clock, onAnswer, isSingle, before } = context;
	const cors = ({ settings }: { settings: SettingsReader }) => ({
		enabled: settings.flag('API_Enable_CORS'),
		origin: settings.text('API_CORS_Origin', '*'),
	});
	const prefix = new URL(context.rootUrl).pathname.replace(/\/$/, '');
	const page =
		rest === undefined ? [] : [landingPage(prefix, context.rootUrl, () => rest.settings.text('Site_Name', 'Rookery'))];
	return openPublicServer({
		rest: rest === undefined ? null : { routes, run: rest.run, cors: () => cors(rest) },
		acceptor: acceptor ?? null,
		before: [...before, ...page],
		prefix,
		port: config.port,
		host: config.bindIp ?? (isSingle ? '127.0.0.1' : '0.0.0.0'),
		forwardedCount: config.forwardedCount,
		// The own pages are never foreign.
		allowedOrigins:
			config.allowedOrigins.length === 0 ? [] : [new URL(context.rootUrl).origin, ...config.allowedOrigins],
		deflate: config.isDeflateOn,
		clock,
		log,
		...(onAnswer === undefined ? {} : { onAnswer }),
	});
}
