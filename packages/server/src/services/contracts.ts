import type { ErrorCode } from '@rookery/protocol/errors.ts';
import type { MessageId, RoomId, RoomType, User, UserId, UserStatus } from '@rookery/protocol/records.ts';

/**
 * What the processes ask of each other over the bus. Each type is served by one service (`processes.ts`) and used through
 * `busClient`, so that arguments and results are plain data: ids, texts, numbers, dates, records.
 */

/** Where a request came from. Built by the transport only. */
export type Connection = {
	/** DDP session id, or a name derived from the token for REST. */
	id: string;
	clientAddress: string;
	userAgent: string;
	transport: 'websocket' | 'sockjs' | 'rest';
};

/** Who acts: proved by accounts in this request. */
export type Actor = {
	uid: UserId;
	username: string;
	name?: string;
	roles: string[];
	/** base64 SHA-256 of the token used: names the session for logout and revocation. Never the token. */
	hashedToken: string;
	/** A personal access token was used. */
	isPersonalToken: boolean;
	/** When the token stops being valid; null = never. */
	tokenExpires: Date | null;
};

export type LoginResult = {
	id: UserId;
	token: string;
	tokenExpires: Date;
	type: string;
	/** Who logged in, for the streamer and for the `users` publication. */
	actor: Actor;
	emails?: { address: string; verified: boolean }[];
};

/** How one of several logins ended. `refused`: the parts of the `ClientError` that `login` would have thrown. */
export type LoginOutcome =
	| { result: LoginResult }
	| { refused: { code: ErrorCode; reason?: string; details?: unknown } };

/** A user as other services may see it: everything but `services`, the end-to-end keys and our own `rk`. */
export type PublicUser = Omit<User, 'services' | 'e2e' | 'rk'>;

export type NewUser = {
	username?: string;
	name?: string;
	email?: string;
	/** Plain text; hashed by accounts. Absent: nobody can log in with a password. */
	password?: string;
	roles?: string[];
	active?: boolean;
	verified?: boolean;
	type?: 'user' | 'bot';
	requirePasswordChange?: boolean;
	joinDefaultChannels?: boolean;
	customFields?: Record<string, unknown>;
	bio?: string;
	nickname?: string;
	statusText?: string;
	reason?: string;
};

/** Service `accounts`: proves who somebody is. Runs the one login pipeline of every transport. */
export type AccountsApi = {
	/**
	 * Any form of login: DDP `login`, REST `login`, the tunnel.
	 * @param options As the client sent it, unchecked.
	 * @throws ClientError 403 and the codes of the realtime contract, 3.3.1
	 */
	login(options: unknown, connection: Connection): Promise<LoginResult>;
	/**
	 * Logins by token, each exactly as `login` would do it: what is wrong with one concerns no other. Slow forms do not belong
	 * here: all are answered together.
	 * @param logins At most 500.
	 * @returns How each ended, in the same order.
	 * @throws ClientError 400 for more
	 */
	loginMany(logins: { options: unknown; connection: Connection }[]): Promise<LoginOutcome[]>;
	/** Ends one login token. Unknown: nothing happens. */
	logout(uid: UserId, hashedToken: string): Promise<void>;
	/** Ends all login tokens but this one and the personal ones. */
	logoutOthers(uid: UserId, hashedToken: string): Promise<void>;
	/** Ends every token of a user, personal ones included. false = there is no such user. */
	logoutEverywhere(uid: UserId): Promise<boolean>;
	/** A new token with the expiry of the present one. */
	newToken(uid: UserId, hashedToken: string): Promise<{ id: UserId; token: string; tokenExpires: Date }>;
	/** Who holds this pair of REST headers; null when it is not valid (unknown, expired, inactive). One indexed read. */
	authenticate(uid: UserId, token: string): Promise<Actor | null>;
	/**
	 * The same for many pairs, in their order.
	 * @param pairs At most 500.
	 * @throws ClientError 400 for more
	 */
	authenticateMany(pairs: { uid: UserId; token: string }[]): Promise<(Actor | null)[]>;
	/** A token for somebody else (`users.createToken`). Who may is decided by the caller. */
	createToken(uid: UserId): Promise<{ userId: UserId; authToken: string }>;
	/** Creates a user as given: checks of form and uniqueness, none of permission. Joins default rooms unless told not to. */
	createUser(user: NewUser): Promise<PublicUser>;
	/** Self-registration by the settings `Accounts_Registration*`. The first user of an empty server becomes admin. */
	register(
		user: {
			username?: string;
			name?: string;
			email: string;
			password: string;
			reason?: string;
			secretURL?: string;
			customFields?: Record<string, unknown>;
		},
		connection: Connection,
	): Promise<PublicUser>;
	/** New password; all login tokens but `keepHashedToken` end. */
	setPassword(uid: UserId, password: string, keepHashedToken?: string): Promise<void>;
	/** Which credentials a user has, without any secret: for `me`. */
	credentialsOf(uid: UserId): Promise<{ password: boolean; totp: boolean; email2fa: boolean; services: string[] }>;
};

/** Service `authorization`: may this user do this here. Answers from memory while its authority is proven. */
export type AuthorizationApi = {
	/** Whether the user holds a permission, by workspace roles or by roles in the room. uid null = anonymous. */
	has(uid: UserId | null, permission: string, rid?: RoomId): Promise<boolean>;
	hasAny(uid: UserId | null, permissions: string[], rid?: RoomId): Promise<boolean>;
	hasAll(uid: UserId | null, permissions: string[], rid?: RoomId): Promise<boolean>;
	/** The room access rule: realtime contract 3.1, REST contract 0.3. false also for a room that does not exist. */
	canAccessRoom(rid: RoomId, uid: UserId | null): Promise<boolean>;
	/** Access, or preview of a public channel: who may read a room's stream and history. */
	canReadRoom(rid: RoomId, uid: UserId | null): Promise<boolean>;
	/** Of these rooms, those the user may read: one call for many (re-evaluation). */
	readableRooms(rids: RoomId[], uid: UserId | null): Promise<RoomId[]>;
	/** Of these users, those who have access to the room: one call for many. */
	usersWithAccess(rid: RoomId, uids: UserId[]): Promise<UserId[]>;
	/** One answer for each question, in their order: one call for many (re-evaluation, many clients at once). */
	roomRights(questions: RoomQuestion[]): Promise<boolean[]>;
	/** Access, and a voice: the room is not archived, the user not muted, not blocked and not without a say in it. */
	canWriteRoom(rid: RoomId, uid: UserId): Promise<boolean>;
	/** The type of a room and those of these users who are members. null: there is no such room. */
	membersAmong(rid: RoomId, uids: UserId[]): Promise<{ t: RoomType; uids: UserId[] } | null>;
	/**
	 * Whom a member may signal in his room: the other members, at most 100. In a larger room nobody, or, when he looks for the
	 * room's key, members who are online and hold it. null: he is no member.
	 */
	peersInRoom(rid: RoomId, uid: UserId, isKeyWanted: boolean): Promise<{ t: RoomType; uids: UserId[] } | null>;
	/** The visitor of an omnichannel room who proves himself by its token; null for a wrong one and for any other room. */
	visitorOfRoom(rid: RoomId, token: string): Promise<RoomVisitor | null>;
};

/** May this user do this in this room: `canAccessRoom`, `canReadRoom`, `canWriteRoom`. */
export type RoomQuestion = { rid: RoomId; uid: UserId | null; right: 'access' | 'read' | 'write' };

/** A visitor as a streamer knows him: never with his token. */
export type RoomVisitor = { _id: string; username: string; name?: string };

/** What a streamer tells presence about its sockets, in batches. */
export type PresenceReport = {
	instance: string;
	/** Changes at each start of the streamer process. */
	bootEpoch: string;
	/** Grows by one with each report; a full report replaces everything said before. */
	seq: number;
	full: boolean;
	/** The full report goes on in the next one. */
	more?: true;
	connections: { id: string; uid: UserId; status: 'online' | 'away' | 'busy' | 'gone'; logout?: true }[];
};

/** Service `presence`: who is online, away, busy. Streamers report by events on `all:presence-reports`. */
export type PresenceApi = {
	/** Chosen status and/or text of a user; null or absent = unchanged. Checks of realtime contract 3.9. */
	setStatus(uid: UserId, status: UserStatus | null, statusText: string | null): Promise<void>;
	/** Status of these users as everybody sees it. */
	statusOf(uids: UserId[]): Promise<{ uid: UserId; status: UserStatus; statusText: string }[]>;
};

/** A DDP method on its way from a streamer to core, or out of the REST tunnel. */
export type MethodCall = {
	method: string;
	params: unknown[];
	actor: Actor | null;
	connection: Connection;
	twoFactor?: { code: string; method: string };
};

/** Service `core`: everything that is not one of the others. */
export type CoreApi = {
	/** Runs a method. undefined = it returned nothing. @throws ClientError 404 for an unknown name */
	method(call: MethodCall): Promise<unknown>;
	/** Puts a new user into the rooms with `default: true`. Called by accounts. */
	joinDefaultRooms(uid: UserId, silenced: boolean): Promise<void>;
	/**
	 * Repairs what a crash left between a message and its effects in this room. Called by the hub.
	 * @param uncounted Messages that no version of the room has counted.
	 */
	settle(rid: RoomId, uncounted?: MessageId[]): Promise<void>;
};
