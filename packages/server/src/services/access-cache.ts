import { LRUCache } from 'lru-cache';
import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { EventKey, RecordBodies } from '@rookery/protocol/events.ts';
import type { RoomId, UserId } from '@rookery/protocol/records.ts';
import type { Bus, Envelope, ReceivedPart } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { MembershipFact, RoomFact, UserFact } from '../repositories/access-facts.ts';
import { onLostEvents } from './lost-events.ts';

/** A fact as it was read, null = there is none, and when: ms of the monotonic clock at which the read began. */
type Entry<T> = { value: T | null; readAt: number };

/** Everything remembered under one key of the bus: a user with his memberships, or a room. */
type Shelf = {
	/** Whether the subscription is effective: only then a change would be heard. */
	isWatched: boolean;
	isDropped: boolean;
	unsubscribe: (() => void) | null;
	/** Grows with every change: what a read that began before saw is not kept. */
	version: number;
	lastPos: string | null;
	user: Entry<UserFact> | null;
	room: Entry<RoomFact> | null;
	memberships: Map<RoomId, Entry<MembershipFact>>;
};

/** What a read that is about to begin promises to remember, unless something changes meanwhile. */
export type Slot<T> = { keep(value: T | null): void };

type Deps = {
	bus: Bus;
	clock: Clock;
	/** How long a fact may be used after its read began, in ms, without a proof that nothing changed. */
	leaseMs: number;
	/** Age in ms of the newest proof that all changes have been heard; facts stay valid while it is at most `leaseMs`. */
	proofAgeMs?: (() => number) | undefined;
	maxUsers?: number | undefined;
	maxRooms?: number | undefined;
};

/** Fields of records that decide about rights. Changes of others are of no interest here. */
const deciding = {
	user: ['active', 'roles', 'username'],
	room: ['t', 'prid', 'teamId', 'open', 'servedBy', 'abacAttributes', 'archived', 'ro', 'muted', 'unmuted', 'v'],
	subscription: ['rid', 'u', 'roles', 'status', 'blocked', 'blocker'],
} as const;

const maxMembershipsPerUser = 2_000;

/**
 * Remembers what decisions about rights have read, for as long as it is certainly true: while the bus is connected, a
 * change would be heard, and the read or the proof of the change path is younger than the lease. Bounded: what was not
 * asked for the longest time goes first, with its subscription.
 *
 * @see security contract, SEC-AZ-7
 */
export async function accessCache({ bus, clock, leaseMs, proofAgeMs, maxUsers = 4_000, maxRooms = 4_000 }: Deps) {
	const users = shelves<UserId>(maxUsers);
	const rooms = shelves<RoomId>(maxRooms);

	function shelves<K extends string>(max: number): LRUCache<K, Shelf> {
		return new LRUCache<K, Shelf>({ max, dispose: drop });
	}

	function drop(shelf: Shelf): void {
		shelf.isDropped = true;
		shelf.isWatched = false;
		shelf.unsubscribe?.();
	}

	function shelfOf(cache: LRUCache<string, Shelf>, id: string, key: EventKey): Shelf {
		const present = cache.get(id);
		if (present !== undefined) return present;
		const shelf: Shelf = {
			isWatched: false,
			isDropped: false,
			unsubscribe: null,
			version: 0,
			lastPos: null,
			user: null,
			room: null,
			memberships: new Map(),
		};
		cache.set(id, shelf);
		bus
			.subscribe(key, (envelope) => hear(shelf, envelope))
			.then(
				(unsubscribe) => {
					if (shelf.isDropped) return unsubscribe();
					shelf.unsubscribe = unsubscribe;
					shelf.isWatched = true;
				},
				// Not watched: asked anew the next time.
				() => cache.delete(id),
			);
		return shelf;
	}

	function isTrusted(entry: Entry<unknown>): boolean {
		if (bus.state !== 'connected') return false;
		return clock.monotonic() - entry.readAt <= leaseMs || (proofAgeMs?.() ?? Number.POSITIVE_INFINITY) <= leaseMs;
	}

	function trusted<T>(entry: Entry<T> | null | undefined): { value: T | null } | null {
		return entry !== null && entry !== undefined && isTrusted(entry) ? entry : null;
	}

	function slot<T>(shelf: Shelf, put: (entry: Entry<T>) => void): Slot<T> {
		const { version, isWatched } = shelf;
		const readAt = clock.monotonic();
		return {
			keep(value) {
				if (isWatched && !shelf.isDropped && shelf.version === version) put({ value, readAt });
			},
		};
	}

	/** Everything is forgotten; the subscriptions stay. */
	function clear(): void {
		for (const shelf of [...users.values(), ...rooms.values()]) forget(shelf);
	}

	const unlisten = await onLostEvents(bus, clear);

	return {
		user: (uid: UserId) => trusted(users.get(uid)?.user),
		room: (rid: RoomId) => trusted(rooms.get(rid)?.room),
		membership: (rid: RoomId, uid: UserId) => trusted(users.get(uid)?.memberships.get(rid)),

		/** To be called before a read begins; its result goes to `keep`. */
		userSlot(uid: UserId): Slot<UserFact> {
			const shelf = shelfOf(users, uid, `user:${uid}`);
			return slot(shelf, (entry) => (shelf.user = entry));
		},
		roomSlot(rid: RoomId): Slot<RoomFact> {
			const shelf = shelfOf(rooms, rid, `room:${rid}`);
			return slot(shelf, (entry) => (shelf.room = entry));
		},
		membershipSlot(rid: RoomId, uid: UserId): Slot<MembershipFact> {
			const shelf = shelfOf(users, uid, `user:${uid}`);
			return slot(shelf, (entry) => {
				if (shelf.memberships.size >= maxMembershipsPerUser) shelf.memberships.clear();
				shelf.memberships.set(rid, entry);
			});
		},

		stop(): void {
			unlisten();
			users.clear();
			rooms.clear();
		},
	};
}

export type AccessCache = Awaited<ReturnType<typeof accessCache>>;

function forget(shelf: Shelf): void {
	shelf.version += 1;
	shelf.user = null;
	shelf.room = null;
	shelf.memberships.clear();
}

function hear(shelf: Shelf, { header, parts }: Envelope): void {
	const { pos, prev } = header;
	if (pos !== null) {
		// An event of this key never came.
		if (prev !== null && shelf.lastPos !== null && prev > shelf.lastPos) forget(shelf);
		shelf.lastPos = pos;
	}
	for (const part of parts) hearPart(shelf, part);
}

function hearPart(shelf: Shelf, part: ReceivedPart): void {
	if (part.header.kind !== 'record') return;
	const { record, action } = part.header;
	if (record !== 'user' && record !== 'room' && record !== 'subscription') return;
	const body = decodeBody(part);
	if (record === 'subscription') {
		const { subscription, fields } = body as RecordBodies['subscription'];
		if (action === 'updated' && !decides(fields, deciding.subscription)) return;
		shelf.version += 1;
		shelf.memberships.delete(subscription.rid);
	} else if (record === 'room') {
		if (action === 'updated' && !decides((body as RecordBodies['room']).fields, deciding.room)) return;
		shelf.version += 1;
		shelf.room = null;
	} else {
		// Their paths do not name everything that changed.
		shelf.version += 1;
		shelf.user = null;
	}
}

function decides(fields: string[] | null, names: readonly string[]): boolean {
	return fields === null || fields.some((field) => names.includes(field));
}
