import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { ClientAction } from '@rookery/protocol/events.ts';
import type { Room, UserId } from '@rookery/protocol/records.ts';
import { publishedRoom, publishedRoomFields, type PublishedRoom } from '@rookery/protocol/room-view.ts';
import { ownEntry } from '@rookery/protocol/unread.ts';
import type { RoomFacts } from '../repositories/streamer-reads.ts';
import type { LocalRecords } from './local-records.ts';
import { remember, type FollowedRoom, type MembershipIndex, type MembershipSink } from './membership-index.ts';
import { isRecounted, viewOf, withOwnPosts, type SubscriptionCache } from './subscription-view.ts';

type Deps = {
	sink: MembershipSink;
	index: MembershipIndex;
	cache: SubscriptionCache;
	records: LocalRecords;
	/** How long members who have not opened a room wait for a second frame of it, in ms. */
	quietMs: number;
};

/** A change of one of these is told to members. */
const published: ReadonlySet<string> = new Set(publishedRoomFields.filter((field) => field !== '_updatedAt'));

/** Own posts remembered of one author and room. */
const maxOwnPosts = 16;

/**
 * What a changed room means for its local members: the room itself, and their own subscription where it looks different.
 * Who has the room open is told at once; the others at most once a second, then of the newest state.
 *
 * @see realtime contract 4.6.1 to 4.6.3; architecture 5, "Events"
 */
export function roomFrames({ sink, index, cache, records, quietMs }: Deps) {
	function onRoom(action: ClientAction, room: Room, fields: string[] | null): void {
		const { _id: rid } = room;
		const isPublic = action !== 'updated' || fields === null || fields.some((field) => published.has(field));
		const record = isPublic && action !== 'removed' ? publishedRoom(room) : null;
		const dataKey = `room-data/${rid}`;
		if (isPublic && sink.isHeard(dataKey)) {
			sink.emit([dataKey], 'room-data', rid, stringifyEjson([record ?? { _id: rid }]));
		}
		const state = index.rooms.get(rid);
		if (state === undefined) return;
		if (action === 'removed') return tellRoom(state.members, stringifyEjson(['removed', { _id: rid }]));
		const before = state.facts;
		state.facts = factsOf(room);
		countOwnPost(state, before, room);
		tell(state, action, record, before);
	}

	function tell(
		state: FollowedRoom,
		action: ClientAction,
		record: PublishedRoom | null,
		before: RoomFacts | null,
	): void {
		const isQuiet = state.quiet !== null;
		const now: UserId[] = [];
		const later: UserId[] = [];
		const isOpen = isQuiet ? sink.openIn(state.rid) : null;
		for (const uid of state.members) {
			if (isOpen === null || isOpen(uid)) now.push(uid);
			else later.push(uid);
		}
		if (record !== null) tellRoom(now, stringifyEjson([action, record]));
		recount(state, now, before);
		if (later.length > 0) postpone(state, later, record, before);
		if (!isQuiet && quietMs > 0) beQuiet(state);
	}

	function postpone(state: FollowedRoom, uids: UserId[], record: PublishedRoom | null, before: RoomFacts | null): void {
		state.untold ??= { record: null, before, uids: new Set() };
		if (record !== null) state.untold.record = record;
		for (const uid of uids) state.untold.uids.add(uid);
	}

	function beQuiet(state: FollowedRoom): void {
		state.quiet = setTimeout(() => {
			state.quiet = null;
			const { untold } = state;
			if (untold === null) return;
			state.untold = null;
			const waiting = [...untold.uids].filter((uid) => state.members.has(uid));
			if (untold.record !== null) tellRoom(waiting, stringifyEjson(['updated', untold.record]));
			recount(state, waiting, untold.before);
			beQuiet(state);
		}, quietMs).unref();
	}

	/** One encoding for all members: only the name of the event differs. */
	function tellRoom(uids: Iterable<UserId>, args: string): void {
		const bytes = Buffer.from(args);
		for (const uid of uids) {
			const key = index.keyOf(uid, 'rooms-changed');
			if (key !== null && sink.isHeard(key)) sink.emit([key], 'notify-user', `${uid}/rooms-changed`, bytes);
		}
	}

	/** Tells the members whose subscription looks different after a change of the room. */
	function recount(state: FollowedRoom, uids: UserId[], before: RoomFacts | null): void {
		const listening = uids.filter((uid) => {
			const key = index.keyOf(uid, 'subscriptions-changed');
			return key !== null && sink.isHeard(key);
		});
		records.each(state, listening, (record) => {
			const uid = record.u._id;
			const key = index.keyOf(uid, 'subscriptions-changed');
			if (key === null || (before !== null && !isRecounted(record, before, state.facts))) return;
			const args = stringifyEjson(['updated', viewOf(record, state.facts)]);
			sink.emit([key], 'notify-user', `${uid}/subscriptions-changed`, args);
		});
	}

	/**
	 * The newest post is one of a local user: core counts it apart in his record, which shows nothing and is therefore not
	 * announced. When it is not sure which post it was, his record is read again with the next event.
	 */
	function countOwnPost(state: FollowedRoom, before: RoomFacts | null, { rk }: Room): void {
		const s = rk?.s ?? 0;
		const steps = before === null ? Number.POSITIVE_INFINITY : s - (before.rk?.s ?? 0);
		if (steps <= 0) return;
		if (before === null || steps > 1) return forgetAuthors(state);
		const author = state.authors.get(rk?.i?.at(-1) ?? '');
		if (author === undefined || !state.members.has(author)) return;
		const moved = (name: 'n' | 'u' | 'g') => (rk?.[name] ?? 0) - (before.rk?.[name] ?? 0);
		const own = [...(state.own.get(author) ?? []), ownEntry(s, { s: 1, n: moved('n'), u: moved('u'), g: moved('g') })];
		remember(state.own, author, own.slice(-maxOwnPosts));
		const record = cache.get(author, state.rid);
		if (record !== undefined) cache.set(withOwnPosts(record, own));
	}

	function forgetAuthors(state: FollowedRoom): void {
		for (const author of state.authors.values()) cache.delete(author, state.rid);
	}

	return { onRoom };
}

/** What is kept of a room. */
export function factsOf({ _id, t, name, fname, usersCount, uids, prid, lm, rk }: Room): RoomFacts {
	const counters = rk === undefined ? undefined : { s: rk.s, n: rk.n, u: rk.u, g: rk.g };
	return { _id, t, name, fname, usersCount, uids, prid, lm, rk: counters };
}
