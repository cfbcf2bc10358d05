import type { UserId } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { AccountsApi, Actor, AuthorizationApi, PresenceApi } from '../services/contracts.ts';
import type { Membership } from '../services/membership.ts';
import type { LoginService, SettingsReader } from '../services/settings.ts';
import type { Stream } from '../streams/stream.ts';
import type { AddressCounts } from './address-counts.ts';
import type { DocumentStore } from './documents.ts';
import type { FanoutTable, Receiver } from './fanout.ts';
import type { InterestTable, Lease } from './interest.ts';
import type { DdpLimits } from './limits.ts';
import type { RateLimits } from './rates.ts';
import type { ClientSocket } from './socket.ts';
import type { WorkQueue } from './work-queue.ts';

/** Tells presence of this process's connections. Batches and leases are its own business. */
export type PresenceReporter = {
	connected(connectionId: string, uid: UserId): void;
	status(connectionId: string, status: 'online' | 'away' | 'busy'): void;
	/** @param logout true: at once, without the grace of a lost connection. */
	disconnected(connectionId: string, logout?: boolean): void;
};

/** What the streamer as a whole knows. One per process. */
export type DdpContext = {
	bus: Bus;
	accounts: AccountsApi;
	authorization: AuthorizationApi;
	presence: PresenceApi;
	reporter: PresenceReporter;
	membership: Membership;
	settings: SettingsReader;
	/** How people can log in besides a password, without anything secret. */
	loginServices: () => Promise<LoginService[]>;
	clock: Clock;
	log: Log;
	limits: DdpLimits;
	streams: ReadonlyMap<string, Stream>;
	interest: InterestTable;
	fanout: FanoutTable;
	rates: RateLimits;
	sessions: Set<Session>;
	addresses: AddressCounts;
	/** Logged-in sessions by user. */
	byUser: Map<UserId, Set<Session>>;
	/** Sessions that watch a user's presence. */
	watchers: Map<UserId, Set<Session>>;
	newSessionId(): string;
};

/**
 * One client. `opening`: no `connect` yet. `ending`: its login was revoked, it is about to be closed and only pings are
 * answered.
 */
export type Session = Receiver & {
	readonly id: string;
	readonly socket: ClientSocket;
	state: 'opening' | 'open' | 'ending' | 'closed';
	/** false for DDP version pre1. */
	knowsPing: boolean;
	actor: Actor | null;
	/** Grows with each change of identity: work of an older one is judged again. */
	identity: number;
	/** A logout that is on its way: its own revocation then changes nothing more. */
	loggingOut: { hashedToken: string; isRevoked: boolean } | null;
	userLease: Lease | null;
	subs: Map<string, Sub>;
	documents: DocumentStore;
	work: WorkQueue;
	/** Ids of methods that have not been answered. */
	openMethods: Set<string>;
	/** Subs that wait for a login. */
	loginWaiters: Set<() => void>;
	watch: { mainId: string; lease: Lease; uids: Set<UserId> } | null;
	openedAt: number;
	lastHeardAt: number;
	pingedAt: number | null;
	earlyFrames: number;
	brokenFrames: number;
};

/** One subscription of a client. */
export type Sub = {
	readonly id: string;
	readonly name: string;
	/** The parameters as text: whether a second `sub` of the same id asks for the same. */
	readonly asked: string;
	state: 'pending' | 'active' | 'ended';
	/** `ready` was sent: it is not sent again when the sub is judged anew. */
	isAnnounced: boolean;
	/** null for a publication. */
	stream: StreamSub | null;
};

export type StreamSub = {
	stream: Stream;
	event: string;
	key: Record<string, string | undefined>;
	extra: Record<string, unknown>;
	useCollection: boolean;
	/** Grows when the rights it depends on may have changed: an answer of an older judgement does not count. */
	judged: number;
	/** Key of the fan-out it listens to while active. */
	listensTo: string | null;
	leases: Lease[];
};
