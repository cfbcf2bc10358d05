import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { ClientError } from '@rookery/protocol/errors.ts';
import { localBus, type LocalBus } from '../bus/local.ts';
import { ddpServer, type DdpServer } from '../ddp/server.ts';
import type { DdpLimits } from '../ddp/limits.ts';
import type { Log } from '../platform/log.ts';
import type { RoomType } from '@rookery/protocol/records.ts';
import type { StreamerReads } from '../repositories/streamer-reads.ts';
import { manyLogins } from '../services/accounts-login-many.ts';
import type {
	AccountsApi,
	Actor,
	AuthorizationApi,
	MethodCall,
	PresenceApi,
	RoomVisitor,
} from '../services/contracts.ts';
import { membershipService } from '../services/membership.ts';
import { fallbackLimits, fallbackTransports, type FallbackLimits } from '../transport/sockjs-fallback.ts';
import { socketRequests } from '../transport/sockjs.ts';
import { attachSockets, socketLimits, type SocketLimits } from '../transport/websocket.ts';
import { fakeLog, fakeSettings, movableClock } from './accounts.ts';
import { allowingAuthorization } from './authorization.ts';
import { testSocket, type TestSocket } from './sockets.ts';

export type RigOptions = {
	prefix?: string;
	limits?: Partial<DdpLimits>;
	socketLimits?: Partial<SocketLimits>;
	fallbackLimits?: Partial<FallbackLimits>;
	allowedOrigins?: string[];
	deflate?: boolean;
	settings?: Record<string, unknown>;
	reads?: StreamerReads;
	accounts?: AccountsApi;
	authorization?: AuthorizationApi;
	/** Another streamer whose bus, users and rights this one shares. */
	beside?: StreamerRig;
};

/** Who may what, as a test says. Asked over nothing: the rule itself is authorization's. */
export type Rights = {
	rooms: Map<string, Set<string | null>>;
	permissions: Map<string, Set<string>>;
	/** Who may read a room may write in it, unless he is silenced: `<rid>/<uid>`. */
	silenced: Set<string>;
	/** Rooms whose members signal each other. */
	members: Map<string, { t: RoomType; uids: string[] }>;
	/** Visitors by the token of their room. */
	visitors: Map<string, RoomVisitor & { rid: string }>;
};

/** A streamer on a free loopback port and a local bus; the services behind it are as simple as can be. */
export type StreamerRig = {
	url: string;
	port: number;
	bus: LocalBus;
	ddp: DdpServer;
	clock: ReturnType<typeof movableClock>;
	rights: Rights;
	settings: Record<string, unknown>;
	/** Tokens that log in, by token. */
	tokens: Map<string, Actor>;
	/** What presence was told, oldest first. */
	reports: unknown[][];
	/** What core was asked. Answers: `core.answer`. */
	calls: MethodCall[];
	core: { answer: (call: MethodCall) => Promise<unknown> };
	log: ReturnType<typeof fakeLog>['lines'];
	/** Codes of sockets as the streamer closed them. */
	closed: number[];
	connect(path?: string): Promise<TestSocket>;
	/** A socket that has logged in as this user. */
	login(uid: string): Promise<TestSocket>;
};

export function actorOf(uid: string, token: string): Actor {
	return {
		uid,
		username: uid,
		name: `Name of ${uid}`,
		roles: ['user'],
		hashedToken: createHash('sha256').update(token).digest('base64'),
		isPersonalToken: false,
		tokenExpires: new Date(Date.now() + 86_400_000),
	};
}

const noReads: StreamerReads = {
	memberships: async () => [],
	records: async () => [],
	roomFacts: async () => [],
	room: async () => null,
	userFacts: async () => [],
};

export async function streamerRig(t: Pick<TestContext, 'after'>, options: RigOptions = {}): Promise<StreamerRig> {
	const bus = options.beside?.bus ?? localBus();
	const clock = movableClock();
	const values: Record<string, unknown> = {
		DDP_Rate_Limit_User_By_Method_Enabled: false,
		DDP_Rate_Limit_Connection_By_Method_Enabled: false,
		...options.settings,
	};
	const settings = fakeSettings(values);
	const { lines, log } = fakeLog();
	const rights: Rights = options.beside?.rights ?? noRights();
	const tokens = options.beside?.tokens ?? new Map<string, Actor>();
	const reports: unknown[][] = [];
	const calls: MethodCall[] = [];
	const core = { answer: async (_call: MethodCall): Promise<unknown> => undefined };
	if (options.beside === undefined)
		await bus.serve('core', {
			method: async ([call]) => {
				calls.push(call as MethodCall);
				return core.answer(call as MethodCall);
			},
		});
	const authorization = options.authorization ?? tableAuthorization(rights);
	const closed: number[] = [];
	const ddp = ddpServer({
		bus,
		accounts: withMany(options.accounts ?? tokenAccounts(tokens), log),
		authorization,
		presence: {
			setStatus: async (...args) => void reports.push(['setStatus', ...args]),
		} as Partial<PresenceApi> as PresenceApi,
		membership: membershipService({ reads: options.reads ?? noReads, authorization, settings, clock, log }),
		settings,
		loginServices: async () => [],
		reporter: {
			connected: (...args) => void reports.push(['connected', ...args]),
			status: (...args) => void reports.push(['status', ...args]),
			disconnected: (...args) => void reports.push(['disconnected', ...args]),
		},
		clock,
		log,
		limits: {
			drainSpreadMs: 0,
			gapSpreadMs: 0,
			interestGraceMs: 0,
			revokeCloseMs: 20,
			rejudgeMs: 30,
			loginWaitMs: 60,
			...options.limits,
		},
		onSocketClosed: (code) => closed.push(code),
	});
	await ddp.ready;
	const { prefix = '', allowedOrigins = [], deflate = false } = options;
	const fallbacks = fallbackTransports({
		forwardedCount: 0,
		acceptor: ddp,
		clock,
		allowedOrigins,
		limits: { ...fallbackLimits, checkEveryMs: 10, ...options.fallbackLimits },
	});
	const requests = socketRequests(prefix, fallbacks);
	const server = createServer((request, response) => {
		if (!requests(request, response)) response.writeHead(418).end();
	});
	const limits = { ...socketLimits, ...options.socketLimits };
	const sockets = { server, prefix, forwardedCount: 0, acceptor: ddp, clock, limits, allowedOrigins, deflate };
	const detach = attachSockets(sockets);
	await new Promise<void>((resolve) => {
		server.listen(0, '127.0.0.1', resolve);
	});
	const { port } = server.address() as AddressInfo;
	const url = `127.0.0.1:${port}`;
	const open = new Set<TestSocket>();
	t.after(async () => {
		await ddp.stop();
		for (const socket of open) socket.terminate();
		detach();
		fallbacks.stop();
		server.closeAllConnections();
		server.close();
		if (options.beside === undefined) await bus.close();
	});
	const connect = async (path = `${prefix}/websocket`) => {
		const socket = await testSocket(`ws://${url}${path}`);
		open.add(socket);
		return socket;
	};
	const login = async (uid: string) => {
		const token = `token-${uid}-${tokens.size}`;
		tokens.set(token, actorOf(uid, token));
		const socket = await connect();
		await socket.negotiate();
		await socket.call('login', { resume: token });
		return socket;
	};
	return {
		url,
		port,
		bus,
		ddp,
		clock,
		rights,
		settings: values,
		tokens,
		reports,
		calls,
		core,
		log: lines,
		closed,
		connect,
		login,
	};
}

function noRights(): Rights {
	return { rooms: new Map(), permissions: new Map(), silenced: new Set(), members: new Map(), visitors: new Map() };
}

/** Tokens only, for tests about the connection itself. The real service: `runningWorkspace`. */
function tokenAccounts(tokens: Map<string, Actor>): AccountsApi {
	const byHash = (hash: string) => [...tokens].find(([, actor]) => actor.hashedToken === hash)?.[0] ?? '';
	const accounts: Partial<AccountsApi> = {
		async login(options) {
			const token = String((options as { resume?: unknown }).resume);
			const actor = tokens.get(token);
			if (actor === undefined) throw new ClientError(403, "You've been logged out by the server. Please log in again.");
			const emails = [{ address: `${actor.uid}@example.com`, verified: true }];
			return { id: actor.uid, token, tokenExpires: actor.tokenExpires ?? new Date(), type: 'resume', actor, emails };
		},
		async logout(_uid, hash) {
			tokens.delete(byHash(hash));
		},
		async authenticate(_uid, token) {
			return tokens.get(token) ?? null;
		},
	};
	return accounts as AccountsApi;
}

/** Gives accounts that only know one login and one proof at a time the calls for many. */
function withMany(accounts: AccountsApi, log: Log): AccountsApi {
	const known: Partial<AccountsApi> = accounts;
	if (known.loginMany !== undefined) return accounts;
	return Object.assign(accounts, {
		loginMany: manyLogins((...args) => accounts.login(...args), log),
		authenticateMany: (pairs: { uid: string; token: string }[]) =>
			Promise.all(pairs.map(({ uid, token }) => accounts.authenticate(uid, token))),
	});
}

function tableAuthorization({ rooms, permissions, silenced, members, visitors }: Rights): AuthorizationApi {
	const may = (rid: string, uid: string | null) => rooms.get(rid)?.has(uid) === true;
	const has = (uid: string | null, permission: string) =>
		uid !== null && permissions.get(permission)?.has(uid) === true;
	return allowingAuthorization({
		has: async (uid, permission) => has(uid, permission),
		hasAny: async (uid, list) => list.some((permission) => has(uid, permission)),
		hasAll: async (uid, list) => list.every((permission) => has(uid, permission)),
		canAccessRoom: async (rid, uid) => may(rid, uid),
		canReadRoom: async (rid, uid) => may(rid, uid),
		readableRooms: async (rids, uid) => rids.filter((rid) => may(rid, uid)),
		usersWithAccess: async (rid, uids) => uids.filter((uid) => may(rid, uid)),
		canWriteRoom: async (rid, uid) => may(rid, uid) && !silenced.has(`${rid}/${uid}`),
		async membersAmong(rid, uids) {
			const room = members.get(rid);
			return room === undefined ? null : { t: room.t, uids: uids.filter((uid) => room.uids.includes(uid)) };
		},
		async peersInRoom(rid, uid) {
			const room = members.get(rid);
			if (room?.uids.includes(uid) !== true) return null;
			return { t: room.t, uids: room.uids.filter((other) => other !== uid) };
		},
		async visitorOfRoom(rid, token) {
			const visitor = visitors.get(token);
			return visitor?.rid === rid ? visitor : null;
		},
	});
}
