import type { Pos } from '@rookery/protocol/events.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { AccountsApi, AuthorizationApi, PresenceApi } from '../services/contracts.ts';
import type { Membership } from '../services/membership.ts';
import type { LoginService, SettingsReader } from '../services/settings.ts';
import type { Stream } from '../streams/stream.ts';
import type { AddressCounts } from './address-counts.ts';
import type { ClientWork, Session } from './client-session.ts';
import type { EventLog } from './event-log.ts';
import type { FanoutTable, Receiver } from './fanout.ts';
import type { InterestTable } from './interest.ts';
import type { AnswerBytes } from './kept-answers.ts';
import type { DdpLimits } from './limits.ts';
import type { LoginAdmission } from './login-admission.ts';
import type { RateLimits } from './rates.ts';
import type { Resumption } from './resumption.ts';
import type { SpreadDelivery } from './spread.ts';
import type { TokenProofs } from './token-proofs.ts';

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
	/** Logins pass here, a bounded number at a time. */
	admission: LoginAdmission;
	proofs: TokenProofs;
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
	/** What was sent lately, for sessions that come back. */
	recent: EventLog;
	/** Takes its time with what everybody hears. */
	spread: SpreadDelivery<Receiver>;
	/** Answers kept by all sessions together. */
	answerBytes: AnswerBytes;
	resumption: Resumption;
	/** All sessions, those that have lost their socket included. */
	sessions: Set<Session>;
	/** Sessions that have lost their socket and may get another. */
	detached: Set<Session>;
	addresses: AddressCounts;
	/** Logged-in sessions by user, those that have lost their socket included. */
	byUser: Map<UserId, Set<Session>>;
	/** Sessions that watch a user's presence. */
	watchers: Map<UserId, Set<Session>>;
	/** Monotonic time in ms, renewed a few times a second: exact enough for what is done every few seconds. */
	coarseNow: number;
	/** Position of the newest change that was heard. */
	lastPosition: Pos | null;
	/** Names this boot of this process: session ids begin with it. */
	instanceTag: string;
	newSessionId(): string;
	/** Does what a client asked for. */
	perform(session: Session, work: ClientWork): Promise<void>;
	/** Looks at the session's times at this moment of the monotonic clock, or before. */
	lookAt(session: Session, dueAt: number): void;
};

export type { Session } from './client-session.ts';
export type { StreamSub, Sub } from './sub.ts';
