import { LRUCache } from 'lru-cache';
import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { ClientAction } from '@rookery/protocol/events.ts';
import type { Room, RoomId, UserId } from '@rookery/protocol/records.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { RoomFacts, StreamerReads } from '../repositories/streamer-reads.ts';
import type { AuthorizationApi } from './contracts.ts';
import { retried } from './local-records.ts';
import type { Hold, MembershipIndex, MembershipSink } from './membership-index.ts';
import { factsOf } from './room-frames.ts';

type Deps = {
	sink: MembershipSink;
	index: MembershipIndex;
	reads: StreamerReads;
	authorization: AuthorizationApi;
	clock: Clock;
	log: Log;
};

/** A room of which messages were heard. */
type HeardRoom = {
	rid: RoomId;
	/** undefined until read; null: there is no such room. */
	facts: RoomFacts | null | undefined;
	/** What authorization said of the subscribers, from when, and before or after which change of rights. */
	verdict: { at: number; version: number; may: Map<UserId, boolean> };
	/** Messages of subscribers about whom it is being asked, oldest first. */
	waiting: Map<UserId, Uint8Array[]>;
	isAsking: boolean;
};

/** How long an answer of authorization is used without asking again, in ms: what is left of a second is its own. */
const verdictMs = 500;
const maxRooms = 10_000;
/** Messages, one counted for each user, that may wait for answers in the whole process. */
const maxWaiting = 20_000;
const maxWaitingBytes = 32 * 1024 * 1024;
/** Changes of rights during a question after which it is given up. */
const maxRounds = 20;

/** Fields of a room that decide who may enter it. */
const deciding: ReadonlySet<string> = new Set(['t', 'prid', 'teamId', 'open', 'servedBy', 'abacAttributes']);

/** Key of the fan-out of `__my_messages__`: another stream for each user. */
export function myMessagesKey(uid: UserId): string {
	return `room-messages/__my_messages__/${uid}`;
}

/**
 * `__my_messages__`: to each local subscriber the messages of all rooms he may access, whether he is a member or not. All
 * rooms are heard while there is a subscriber, each message once; whether he may is asked of authorization, once for all
 * subscribers, and remembered for a moment at most. Messages that wait for an answer keep their order.
 *
 * @see realtime contract 4.2; security contract SEC-AZ-7
 */
export function myMessages({ sink, index, reads, authorization, clock, log }: Deps) {
	const subscribers = new Map<UserId, number>();
	const rooms = new LRUCache<RoomId, HeardRoom>({ max: maxRooms, dispose: (room) => giveUp(room) });
	let version = 0;
	let waitingCount = 0;
	let waitingBytes = 0;

	/** Begins to send a user his messages. */
	function follow(uid: UserId): Hold {
		const lease = sink.hearRooms();
		subscribers.set(uid, (subscribers.get(uid) ?? 0) + 1);
		let isHeld = true;
		return {
			ready: lease.ready,
			release() {
				if (!isHeld) return;
				isHeld = false;
				lease.release();
				const holders = (subscribers.get(uid) ?? 1) - 1;
				if (holders > 0) subscribers.set(uid, holders);
				else subscribers.delete(uid);
			},
		};
	}

	function isMember(uid: UserId, rid: RoomId): boolean {
		return index.isIn(uid, rid);
	}

	/** Nobody but a member enters such a room: nothing has to be asked, and nothing waits. */
	function isClosedTo(uid: UserId, { rid, facts }: HeardRoom): boolean {
		if (facts === undefined) return false;
		if (facts === null) return true;
		const isClosed = facts.t === 'd' || (facts.t === 'p' && facts.prid === undefined);
		return isClosed && !isMember(uid, rid);
	}

	function onMessage(rid: RoomId, args: Uint8Array): void {
		if (subscribers.size === 0) return;
		const room = rooms.get(rid) ?? open(rid);
		if (room.verdict.version !== version || clock.monotonic() - room.verdict.at > verdictMs) {
			room.verdict = { at: clock.monotonic(), version, may: new Map() };
		}
		const now: UserId[] = [];
		let kept: Uint8Array | null = null;
		for (const uid of subscribers.keys()) {
			if (index.users.get(uid)?.isLoaded !== true) continue;
			const waiting = room.waiting.get(uid);
			const may = room.verdict.may.get(uid);
			if (waiting === undefined && (may !== undefined || isClosedTo(uid, room))) {
				if (may === true) now.push(uid);
				continue;
			}
			// The received bytes belong to the bus.
			kept ??= args.slice();
			if (waiting === undefined) room.waiting.set(uid, [kept]);
			else waiting.push(kept);
			waitingCount += 1;
			waitingBytes += kept.length;
		}
		send(room, now, args);
		if (waitingCount > maxWaiting || waitingBytes > maxWaitingBytes) return giveUp(room);
		if (room.waiting.size > 0 && !room.isAsking) void ask(room);
	}

	function open(rid: RoomId): HeardRoom {
		const facts = index.rooms.get(rid)?.facts ?? undefined;
		const verdict = { at: Number.NEGATIVE_INFINITY, version, may: new Map<UserId, boolean>() };
		const room: HeardRoom = { rid, facts, verdict, waiting: new Map(), isAsking: false };
		rooms.set(rid, room);
		return room;
	}

	/** Asks until nobody waits. A change of rights during a question makes its answer worthless. */
	async function ask(room: HeardRoom): Promise<void> {
		room.isAsking = true;
		try {
			for (let round = 0; room.waiting.size > 0; round++) {
				if (round === maxRounds) throw new Error('rights do not come to rest');
				const asked = [...room.waiting.keys()];
				const before = version;
				const at = clock.monotonic();
				if (room.facts === undefined) await readFacts(room);
				const unknown = asked.filter((uid) => !isClosedTo(uid, room));
				const may = unknown.length === 0 ? [] : await authorization.usersWithAccess(room.rid, unknown);
				if (before === version) settle(room, asked, new Set(may), at);
			}
		} catch (error) {
			log.error({ err: error }, 'it could not be told who may read a room');
			giveUp(room);
		} finally {
			room.isAsking = false;
		}
	}

	async function readFacts(room: HeardRoom): Promise<void> {
		const [facts] = await retried(() => reads.roomFacts([room.rid]));
		// What an event brought meanwhile is newer.
		if (room.facts === undefined) room.facts = facts ?? null;
	}

	function settle(room: HeardRoom, asked: UserId[], may: ReadonlySet<UserId>, at: number): void {
		if (room.verdict.version !== version) room.verdict = { at, version, may: new Map() };
		room.verdict.at = Math.min(room.verdict.at, at);
		for (const uid of asked) {
			const isClosed = isClosedTo(uid, room);
			// Closed to him for now: he may become a member without a change of rights that is heard here.
			if (!isClosed) room.verdict.may.set(uid, may.has(uid));
			for (const args of takeWaiting(room, uid)) if (!isClosed && may.has(uid)) send(room, [uid], args);
		}
	}

	function takeWaiting(room: HeardRoom, uid: UserId): Uint8Array[] {
		const waiting = room.waiting.get(uid) ?? [];
		room.waiting.delete(uid);
		waitingCount -= waiting.length;
		for (const { length } of waiting) waitingBytes -= length;
		return waiting;
	}

	/** Sockets of those who wait are asked to come again: nobody goes on with a hole. */
	function giveUp(room: HeardRoom): void {
		const uids = [...room.waiting.keys()];
		for (const uid of uids) takeWaiting(room, uid);
		if (uids.length > 0) sink.restart(uids);
	}

	function send({ rid, facts }: HeardRoom, uids: UserId[], args: Uint8Array): void {
		if (uids.length === 0 || facts === undefined || facts === null) return;
		for (const roomParticipant of [true, false]) {
			const keys = uids.filter((uid) => isMember(uid, rid) === roomParticipant).map(myMessagesKey);
			if (keys.length === 0) continue;
			const extra = stringifyEjson({ roomParticipant, roomType: facts.t, roomName: facts.name });
			// The body is an array: its closing bracket makes room for one more element.
			sink.emit(keys, 'room-messages', '__my_messages__', args.subarray(0, args.length - 1), `,${extra}]`);
		}
	}

	/** Answers from before are worth nothing any more. */
	function forget(): void {
		version += 1;
	}

	return {
		follow,
		onMessage,
		/** Whether changes of this room have to be told. */
		knows: (rid: RoomId): boolean => rooms.has(rid),
		onRoom(action: ClientAction, room: Room, fields: string[] | null): void {
			const heard = rooms.get(room._id);
			if (heard === undefined) return;
			heard.facts = action === 'removed' ? null : factsOf(room);
			if (action === 'removed' || fields === null || fields.some((field) => deciding.has(field))) forget();
		},
		/** A membership of a user began, changed or ended. */
		onMembership(uid: UserId): void {
			if (subscribers.has(uid)) forget();
		},
		onRightsChanged: forget,
	};
}

export type MyMessages = ReturnType<typeof myMessages>;
