import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Tally } from '../platform/tally.ts';
import type { AccountsApi, AuthorizationApi, PresenceApi } from '../services/contracts.ts';
import type { Membership } from '../services/membership.ts';
import type { SettingsReader } from '../services/settings.ts';
import { streams } from '../streams/streams.ts';
import { addressCounts } from './address-counts.ts';
import { anyRoomRouter } from './any-room.ts';
import { eventFrame } from './answers.ts';
import { batchedAuthorization } from './batched-authorization.ts';
import type { DdpContext, PresenceReporter, Session } from './context.ts';
import { eventRouter } from './events.ts';
import { fanoutTable, type Receiver } from './fanout.ts';
import { interestTable } from './interest.ts';
import { ddpLimits, type DdpLimits } from './limits.ts';
import { loginAdmission } from './login-admission.ts';
import { rateLimits } from './rates.ts';
import { rightsWatch } from './rights.ts';
import { spreadDelivery } from './spread.ts';
import { eventLog } from './event-log.ts';
import { newInstanceTag } from './hand-over.ts';
import { heartbeat, tickMs } from './heartbeat.ts';
import { resumption } from './resumption.ts';
import { endSession, openSession, perform } from './session.ts';
import type { ClientSocket, SocketAcceptor } from './socket.ts';
import { tokenProofs } from './token-proofs.ts';

export type DdpServerDeps = {
	bus: Bus;
	accounts: AccountsApi;
	authorization: AuthorizationApi;
	presence: PresenceApi;
	membership: Membership;
	settings: SettingsReader;
	loginServices: DdpContext['loginServices'];
	reporter: PresenceReporter;
	clock: Clock;
	log: Log;
	limits?: Partial<DdpLimits>;
	/** Told for metrics. */
	tally?: Tally;
	/** Hears why each socket was closed, for metrics. */
	onSocketClosed?(code: number): void;
};

/**
 * The DDP side of the streamer: takes sockets from a transport and serves them. Start it once the settings are loaded and
 * the bus is connected; stop it before either.
 */
export function ddpServer(deps: DdpServerDeps) {
	const limits = { ...ddpLimits, ...deps.limits };
	const context = makeContext(deps, limits);
	const rights = rightsWatch(context);
	const router = eventRouter(context, rights, () => startAnew(context));
	context.interest = interestTable({
		bus: deps.bus,
		graceMs: limits.interestGraceMs,
		onEnvelope: router.handle,
		onAnyRoom: anyRoomRouter(context),
	});
	const always = (['all:hub', 'all:permissions', 'all:roles', 'all:settings', 'all:streamers'] as const).map((key) =>
		context.interest.acquire(key),
	);
	deps.membership.attach({
		hear: (key) => context.interest.acquire(key),
		hearRooms: () => context.interest.acquireRooms(),
		isHeard: (key) => context.fanout.has(key),
		emit: (keys, stream, event, ...args) => {
			const frame = eventFrame(stream, event, ...args);
			for (const key of keys) context.fanout.deliver(key, () => frame, 'event');
		},
		openIn: (rid) => {
			const isListener = context.fanout.listenersOf(`room-messages/${rid}`);
			return (uid) => {
				for (const session of context.byUser.get(uid) ?? []) {
					if (session.state !== 'detached' && isListener(session)) return true;
				}
				return false;
			};
		},
		restart: (uids) => {
			for (const uid of uids) {
				for (const session of context.byUser.get(uid) ?? []) session.giveUp(1012, 'SERVICE_RESTART');
			}
		},
	});
	const busWatch = watchBus(context);
	const beat = heartbeat(context);
	context.lookAt = beat.lookAt;
	const checks = setInterval(() => {
		beat.tick();
		busWatch.check();
	}, tickMs);
	const serving = context.resumption.serve();
	let isStopping = false;

	const acceptor: SocketAcceptor = {
		admit: (address) =>
			isStopping || deps.bus.state !== 'connected' || context.admission.isOverloaded() || !hasRoom(context, address)
				? { ok: false, retryAfterSeconds: context.admission.retryAfterSeconds() }
				: { ok: true },
		accept(socket: ClientSocket) {
			return openSession(context, socket, (code) => deps.onSocketClosed?.(code));
		},
	};

	return {
		...acceptor,
		/** Resolves when changes of rights and settings are sure to be heard: take no sockets before. */
		ready: Promise.all([serving, ...always.map(({ ready }) => ready)]).then(() => context.resumption.askMoved()),
		/** Numbers for metrics. */
		stats() {
			let subscriptions = 0;
			let sendBufferBytes = 0;
			for (const { subs, socket } of context.sessions) {
				subscriptions += subs.size;
				sendBufferBytes += socket.bufferedBytes;
			}
			const sockets = context.sessions.size - context.detached.size;
			const { detached, interest, resumption: resuming } = context;
			const counted = { sockets, detached: detached.size, resumed: resuming.resumed };
			return { ...counted, subscriptions, sendBufferBytes, keys: interest.size };
		},
		/** Takes no more sockets and closes the open ones with 1012, spread over the drain time. */
		async stop(): Promise<void> {
			isStopping = true;
			context.spread.flush();
			if (!(await context.resumption.hasPeers())) {
				context.resumption.keepNone();
				for (const session of context.detached) endSession(context, session);
			}
			await closeSpread(withSocket(context), limits.drainSpreadMs);
			await handedOver(context);
			context.resumption.keepNone();
			for (const session of context.sessions) endSession(context, session);
			await (
				await serving
			)();
			clearInterval(checks);
			busWatch.stop();
			rights.stop();
			for (const lease of always) lease.release();
			context.interest.stop();
		},
	};
}

export type DdpServer = ReturnType<typeof ddpServer>;

function makeContext(deps: DdpServerDeps, limits: DdpLimits): DdpContext {
	const { bus, accounts, presence, membership, settings, loginServices, reporter, clock, log } = deps;
	const told = deps.tally === undefined ? {} : { tally: deps.tally };
	const instanceTag = newInstanceTag();
	const recent = eventLog({
		maxAgeMs: limits.recentMs,
		maxBytes: limits.maxRecentBytes,
		now: () => clock.monotonic(),
	});
	const context: DdpContext = {
		bus,
		accounts,
		admission: loginAdmission({ accounts, clock, limits, ...told }),
		proofs: tokenProofs({ accounts, limits }),
		authorization: batchedAuthorization(deps.authorization),
		presence,
		reporter,
		membership,
		settings,
		loginServices,
		clock,
		log,
		limits,
		streams,
		interest: interestTable({ bus, graceMs: 0, onEnvelope: () => undefined, onAnyRoom: () => undefined }),
		fanout: fanoutTable(recent),
		recent,
		spread: spreadDelivery<Receiver>({ maxAtOnce: limits.spreadAbove, overMs: limits.spreadOverMs }),
		answerBytes: { used: 0, max: limits.maxAnswerBytes },
		resumption: {} as DdpContext['resumption'],
		rates: rateLimits({ settings, clock, ...told }),
		sessions: new Set(),
		detached: new Set(),
		addresses: addressCounts(),
		byUser: new Map(),
		watchers: new Map(),
		coarseNow: clock.monotonic(),
		lastPosition: null,
		instanceTag,
		// Who knows it may take the session over: it is a secret of 192 random bits.
		newSessionId: () => instanceTag + randomBytes(24).toString('base64url'),
		perform: (session, work) => perform(context, session, work),
		lookAt: () => undefined,
	};
	context.resumption = resumption(context);
	return context;
}

/** Whether one more socket from an address is within the limits. */
function hasRoom({ sessions, detached, limits, addresses }: DdpContext, address: string): boolean {
	const { opening, anonymous } = addresses.of(address);
	return (
		sessions.size - detached.size < limits.maxSockets &&
		opening < limits.maxUnconnectedPerAddress &&
		anonymous < limits.maxAnonymousPerAddress
	);
}

/**
 * Nobody goes on silently after events may have been lost: sockets that depend on the bus are closed, clients come back
 * and read what they missed.
 *
 * @see security contract REL-5
 */
function watchBus(context: DdpContext) {
	const { bus, limits, clock } = context;
	let lostAt: number | null = bus.state === 'connected' ? null : clock.monotonic();
	const off = bus.onState((event) => {
		if (event === 'disconnected') lostAt ??= clock.monotonic();
		if (event === 'connected') lostAt = null;
		if (event === 'gap') startAnew(context);
	});
	return {
		check(): void {
			if (lostAt === null || clock.monotonic() - lostAt < limits.busLostMs) return;
			for (const session of dependants(context)) session.giveUp(1013, 'TRY_AGAIN_LATER');
		},
		stop: off,
	};
}

function withSocket({ sessions }: DdpContext): Session[] {
	return [...sessions].filter(({ state }) => state !== 'detached');
}

/** Waits for other streamers to take over the sessions of clients that have gone there, but not for long. */
async function handedOver({ detached, limits }: DdpContext): Promise<void> {
	const endsAt = performance.now() + limits.lingerMs;
	while (detached.size > 0 && performance.now() < endsAt) await pause(50);
}

/** Sessions that rely on events. */
function dependants({ sessions }: DdpContext): Session[] {
	return [...sessions].filter(({ actor, subs }) => actor !== null || subs.size > 0);
}

/** Events may have been lost: who relies on them is asked to come again, a few at a time. */
function startAnew(context: DdpContext): void {
	context.log.warn({ event: 'bus.gap' }, 'events may have been lost: sockets are asked to come again');
	const sessions = dependants(context);
	// What was missed is in no log: nobody can go on where he was.
	for (const session of sessions) session.mayResume = false;
	for (const session of context.detached) session.giveUp(1012, 'SERVICE_RESTART');
	void closeSpread(sessions, context.limits.gapSpreadMs);
}

/** How many clients may come back elsewhere at once: few sockets need no more time than this for each, in ms. */
const spreadMsPerSocket = 10;

/** Closes sockets with 1012, each at a random moment within the spread. Resolves after the last. */
function closeSpread(sessions: Session[], longestSpreadMs: number): Promise<void> {
	const spreadMs = Math.min(longestSpreadMs, (sessions.length - 1) * spreadMsPerSocket);
	const closing = sessions.map(
		({ socket }) =>
			new Promise<void>((resolve) => {
				const close = () => {
					socket.close(1012, 'SERVICE_RESTART');
					resolve();
				};
				if (spreadMs <= 0) close();
				else setTimeout(close, Math.random() * spreadMs);
			}),
	);
	return Promise.all(closing).then(() => undefined);
}
