import type { Message, Permission, Role, Room, Setting, Subscription, User, UserStatus } from './records.ts';

/**
 * The streams a client may subscribe to (`stream-<name>`).
 * @see contract of the realtime interface, section 4
 */
export type StreamName =
	| 'room-messages'
	| 'notify-all'
	| 'notify-logged'
	| 'notify-room'
	| 'notify-user'
	| 'notify-room-users'
	| 'user-presence'
	| 'roles'
	| 'room-data'
	| 'livechat-room'
	| 'livechat-inquiry-queue-observer'
	| 'canned-responses'
	| 'integrationHistory'
	| 'importers'
	| 'stdout'
	| 'apps'
	| 'apps-engine'
	| 'local';

/**
 * Where an event travels on the bus: one key per room, per user and per global topic, never per event name.
 * Whatever follows the colon may hold any text.
 *
 * The global topics: `all:public` (stream `notify-all`), `all:logged` (`notify-logged` but for what follows),
 * `all:settings` (setting records, `private-settings-changed`, which login services changed), `all:permissions` (permission
 * records, `permissions-changed`, rooms whose readers may have changed), `all:roles` (role records, stream `roles`), `all:presence` and `all:presence-reports`,
 * `all:hub` (`resync`), `all:streamers` (sessions that moved).
 */
export type EventKey = `room:${string}` | `user:${string}` | `all:${string}`;

/** What happened to a stored record. The words are the wire's (`clientAction`). */
export type ClientAction = 'inserted' | 'updated' | 'removed';

/**
 * Position in the change stream: 20 lower-case hex digits (seconds 8, increment 8, index among changes of equal
 * cluster time 4). Text order is commit order.
 */
export type Pos = string;

/**
 * One event inside an envelope. `direct` parts are delivered as they are to the subscriptions of (`stream`, `event`):
 * their body is the EJSON `args` array. `record` parts tell a streamer of a change of a stored record it holds an index
 * or a cache of: their body is a `RecordChange`, and the frames are made by the streamer.
 */
export type PartHeader =
	| { kind: 'direct'; stream: StreamName; event: string; bytes: number; version?: number }
	| { kind: 'record'; record: RecordName; action: ClientAction; bytes: number };

export type RecordName = keyof RecordBodies;

/** What stands in the body of each kind of `record` part. */
export type RecordBodies = {
	/** Key `room:<rid>`. Without `joinCode`. `before`/`fields`: names of the top-level fields that changed, or null = unknown. */
	room: { room: Room; fields: string[] | null };
	/** Keys `user:<uid>` (always) and `room:<rid>` (insert and remove). Whole record, with `rk`. */
	subscription: { subscription: Subscription; fields: string[] | null };
	/** Key `user:<uid>`. Never `services`. `diff`/`unset` hold the paths of `userData` only. */
	user: { user: Omit<User, 'services'>; diff: Record<string, unknown>; unset: Record<string, 1> };
	/** Key `all:settings`. `value` is absent where the setting is a secret. */
	setting: { setting: Setting };
	/** Key `all:permissions`. */
	permission: { permission: Permission };
	/** Key `all:roles`. */
	role: { role: Role };
	/** Key `all:settings`: a way to log in was added, changed or removed. Its record is read by who wants it. */
	loginService: { _id: string };
	/**
	 * Key `all:permissions`: who may read this room may have changed, and with it who may read its discussions and other rooms
	 * of its team, which do not hear of it by their own keys. '' = any room.
	 */
	roomAccess: { rid: string };
	/** Key `room:<rid>`, beside the message: what a streamer needs to make desktop notifications. */
	post: Post;
	/** Keys `all:presence` and `user:<uid>`: the visible status of a user changed. */
	presence: PresenceChange;
	/**
	 * Key `all:presence-reports`: a streamer's sockets. `bootEpoch` changes at each start of the streamer, `seq` grows by one
	 * with each report; a full report replaces everything said before and goes on in the next one while `more` is set.
	 * A report without connections only renews the lease.
	 */
	presenceReport: {
		instance: string;
		bootEpoch: string;
		seq: number;
		full: boolean;
		more?: true;
		connections: { id: string; uid: string; status: 'online' | 'away' | 'busy' | 'gone'; logout?: true }[];
	};
	/** Key `all:presence-requests`: presence asks a streamer, or all (null), for a full report. */
	presenceRequest: { instance: string | null };
	/** Key `all:presence-replicas`: a replica of presence lives (`isSynced`: it has heard every streamer), or ends. */
	presenceReplica: { instance: string; isSynced: boolean; isLeaving: boolean };
	/** Key `all:presence-replicas`: a chosen status or text was stored, the owner of the user has to announce it. */
	presenceChoice: { uid: string; isVisible: boolean; previousStatus: UserStatus };
	/**
	 * Key `all:streamers`: these sessions are on a streamer that has not made their ids; `tag` names the boot of the one that
	 * has them now.
	 */
	sessionsMoved: { ids: string[]; tag: string };
	/** Key `all:streamers`: a streamer has started and knows of no session that has moved. */
	streamerStarted: { tag: string };
	/** Key `all:hub`: changes were missed for good. Whoever holds anything that events keep current reads it anew. */
	resync: { epoch: number; reason: string };
	/** Key `user:<uid>`: login tokens stopped being valid. `hashedTokens` null = all of the user. */
	logout: { uid: string; hashedTokens: string[] | null; reason: string };
};

/** The parts of a stored message that decide about notifications. */
export type Post = {
	_id: string;
	rid: string;
	t?: string;
	tmid?: string;
	msg: string;
	u: Message['u'];
	mentions: string[];
	all: boolean;
	here: boolean;
	replies?: string[];
	content?: object;
};

export type PresenceChange = {
	uid: string;
	username: string;
	name?: string;
	roles: string[];
	status: UserStatus;
	statusText: string;
	statusDefault?: UserStatus;
	statusConnection?: UserStatus;
	previousStatus?: UserStatus;
};

/** Header of an envelope on the bus. The bodies of `parts` follow it in order. */
export type EnvelopeHeader = {
	key: EventKey;
	/** Fencing epoch of the hub; 0 for events of no stored change. */
	epoch: number;
	/** null for events of no stored change: they are delivered at most once. */
	pos: Pos | null;
	/** Position of the last event on this key; '' = none known. */
	prev: Pos | null;
	/** DDP connection that must not get the event: it sent it. */
	origin?: string;
	parts: PartHeader[];
};

/** An event before it is encoded: what hub files and services produce. */
export type EventPart =
	| { kind: 'direct'; stream: StreamName; event: string; args: unknown[]; version?: number }
	| { [R in RecordName]: { kind: 'record'; record: R; action: ClientAction; body: RecordBodies[R] } }[RecordName];

/** Everything one change says on one key: travels as one envelope. */
export type Publication = { key: EventKey; parts: EventPart[]; origin?: string };

/** Numbers of the presence protocol. Clients index an array with them: never another number. */
export const presenceCodes = { offline: 0, online: 1, away: 2, busy: 3 } as const satisfies Record<UserStatus, number>;
