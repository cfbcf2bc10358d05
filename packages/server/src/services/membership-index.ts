import type { EventKey, StreamName } from '@rookery/protocol/events.ts';
import type { CountedApart, RoomId, Subscription, UserId } from '@rookery/protocol/records.ts';
import type { PublishedRoom } from '@rookery/protocol/room-view.ts';
import type { RoomFacts, UserFacts } from '../repositories/streamer-reads.ts';

/** A hold on something that is kept while somebody needs it. */
export type Hold = {
	/** Resolves when it can be relied on. */
	ready: Promise<void>;
	release(): void;
};

/** How the membership index hears events and sends frames: given by the streamer. */
export type MembershipSink = {
	hear(key: EventKey): Hold;
	/** Hears every room while held. */
	hearRooms(): Hold;
	/** Whether a local session listens to `<stream>/<event>`. */
	isHeard(key: string): boolean;
	/** Sends one event, `args` in pieces of EJSON, to the sessions that listen to these keys. */
	emit(keys: string[], stream: StreamName, event: string, ...args: (string | Uint8Array)[]): void;
	/** Whether a session of a user has this room open: listens to its messages. */
	openIn(rid: RoomId): (uid: UserId) => boolean;
	/** Frames of these users cannot be made: their sockets are asked to come again, so that nobody goes on behind. */
	restart(uids: UserId[]): void;
};

/** A local user whose memberships are followed. */
export type FollowedUser = {
	uid: UserId;
	holders: number;
	ready: Promise<void>;
	lease: Hold;
	/** A list, for there are many: `isIn` tells whether a room is in it. */
	rooms: RoomId[];
	facts: UserFacts;
	isLoaded: boolean;
	/** What events said of memberships while they were being read: it is newer. */
	overrides: Map<RoomId, boolean> | null;
};

/** A room with followed members. */
export type FollowedRoom = {
	rid: RoomId;
	members: Set<UserId>;
	lease: Hold;
	/** null until read, and for a room that does not exist. */
	facts: RoomFacts | null;
	/** Authors of the last posts, by message id. */
	authors: Map<string, UserId>;
	/** Last posts of local users, counted apart as core counts them: their own records may say it only later. */
	own: Map<UserId, CountedApart[]>;
	/** Members whose records are being read, and what waits for them. */
	loading: Map<UserId, ((record: Subscription) => void)[]>;
	/** Runs after a frame to members who have not opened the room: until it ends they get no second one. */
	quiet: NodeJS.Timeout | null;
	/** What some members were not told yet: the newest record, and the facts they know. */
	untold: { record: PublishedRoom | null; before: RoomFacts | null; uids: Set<UserId> } | null;
};

/** Events of `notify-user` that are made from memberships. */
export type OwnEvent = 'rooms-changed' | 'subscriptions-changed' | 'notification';

const maxRemembered = 64;

/** Remembers an entry of a small map, the oldest one going. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
	map.set(key, value);
	if (map.size > maxRemembered) map.delete(map.keys().next().value as K);
}

/**
 * Which followed user is in which room, in both directions. Keeps the room's key of the bus while it has members.
 */
export function membershipIndex(hear: (key: EventKey) => Hold) {
	const users = new Map<UserId, FollowedUser>();
	const rooms = new Map<RoomId, FollowedRoom>();

	function open(rid: RoomId): FollowedRoom {
		const room: FollowedRoom = {
			rid,
			members: new Set(),
			lease: hear(`room:${rid}`),
			facts: null,
			authors: new Map(),
			own: new Map(),
			loading: new Map(),
			quiet: null,
			untold: null,
		};
		rooms.set(rid, room);
		return room;
	}

	function leave(user: FollowedUser, rid: RoomId): void {
		const at = user.rooms.indexOf(rid);
		if (at === -1) return;
		user.rooms.splice(at, 1);
		leaveRoom(user, rid);
	}

	function leaveRoom({ uid }: FollowedUser, rid: RoomId): void {
		const room = rooms.get(rid);
		if (room === undefined) return;
		room.members.delete(uid);
		if (room.members.size > 0) return;
		rooms.delete(rid);
		if (room.quiet !== null) clearTimeout(room.quiet);
		room.lease.release();
	}

	return {
		users,
		rooms,
		/** Key of the fan-out of a followed user's event, or null when nobody follows him. */
		keyOf: (uid: UserId, event: OwnEvent): string | null => (users.has(uid) ? `notify-user/${uid}/${event}` : null),
		enter(user: FollowedUser, rid: RoomId): FollowedRoom {
			const room = rooms.get(rid) ?? open(rid);
			if (room.members.has(user.uid)) return room;
			// The room's own text: each user was read with another copy of it.
			user.rooms.push(room.rid);
			room.members.add(user.uid);
			return room;
		},
		leave,
		/** Whether a followed user is in a room. */
		isIn: (uid: UserId, rid: RoomId): boolean => rooms.get(rid)?.members.has(uid) === true,
		/** Forgets a user and his rooms. */
		drop(user: FollowedUser): void {
			if (users.get(user.uid) !== user) return;
			users.delete(user.uid);
			for (const rid of user.rooms) leaveRoom(user, rid);
			user.rooms = [];
			user.lease.release();
		},
	};
}

export type MembershipIndex = ReturnType<typeof membershipIndex>;
