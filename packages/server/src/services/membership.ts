import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { ClientAction, Post, PresenceChange } from '@rookery/protocol/events.ts';
import type { Room, RoomId, Subscription, User, UserId } from '@rookery/protocol/records.ts';
import { publishedRoom, publishedRoomFields } from '@rookery/protocol/room-view.ts';
import { ownEntry } from '@rookery/protocol/unread.ts';
import type { Log } from '../platform/log.ts';
import type { RoomFacts, StreamerReads } from '../repositories/streamer-reads.ts';
import type { AuthorizationApi } from './contracts.ts';
import { isNotified, notificationOf } from './desktop-notification.ts';
import {
	membershipIndex,
	remember,
	type FollowedRoom,
	type FollowedUser,
	type Hold,
	type MembershipIndex,
	type MembershipSink,
} from './membership-index.ts';
import { membershipLoader } from './membership-loader.ts';
import type { SettingsReader } from './settings.ts';
import { subscriptionCache, viewOf, withOwnPosts } from './subscription-view.ts';

export type { Hold, MembershipSink } from './membership-index.ts';

type Deps = {
	reads: StreamerReads;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	log: Log;
};

/**
 * The streamer's read side: which of its users are in which rooms, and the frames that follow from that
 * (`subscriptions-changed`, `rooms-changed`, `notification`, `__my_messages__`). Holds an index and a bounded cache; reads
 * only for its own users, in batches. Runs in: ddp-streamer.
 *
 * @see architecture 3, "Frames the streamer makes itself"; realtime contract 4.2, 4.6.1 to 4.6.4
 */
export type Membership = {
	/** Once, before anything else. */
	attach(sink: MembershipSink): void;
	/** Follows a local user's memberships until released. `ready`: index loaded, all his rooms are heard. */
	follow(uid: UserId): Hold;
	onSubscription(action: ClientAction, subscription: Subscription, fields: string[] | null): void;
	onRoom(action: ClientAction, room: Room, fields: string[] | null): void;
	onUser(user: Omit<User, 'services'>): void;
	onPresence(change: PresenceChange): void;
	onPost(post: Post): void;
	/** @param args EJSON `args` array of a `room-messages` event: bytes, spliced */
	onMessage(rid: RoomId, args: Uint8Array): void;
	/** Permissions or roles changed: what members may read is asked anew. @param uid null: everybody's */
	onRightsChanged(uid: UserId | null): void;
};

/** A published field is one whose change members are told of. */
const published: ReadonlySet<string> = new Set(publishedRoomFields.filter((field) => field !== '_updatedAt'));

const keyOf = (uid: UserId, event: string) => `notify-user/${uid}/${event}`;

export function membershipService({ reads, authorization, settings, log }: Deps): Membership {
	const cache = subscriptionCache();
	let sink: MembershipSink;
	let index: MembershipIndex;
	let loader: ReturnType<typeof membershipLoader>;

	function attach(given: MembershipSink): void {
		sink = given;
		index = membershipIndex(given.hear);
		loader = membershipLoader({ index, reads, authorization });
	}

	function follow(uid: UserId): Hold {
		const user = index.users.get(uid) ?? loader.open(uid, sink.hear(`user:${uid}`));
		user.holders += 1;
		let isHeld = true;
		return {
			ready: user.ready,
			release() {
				if (!isHeld) return;
				isHeld = false;
				user.holders -= 1;
				if (user.holders === 0) index.drop(user);
			},
		};
	}

	/** Failures of background reads: what they were for is told by the next event. */
	function background(work: Promise<void>): void {
		work.catch((error: unknown) => log.warn({ err: error }, 'records of local members could not be read'));
	}

	function toUser(uid: UserId, event: string, ...args: (string | Uint8Array)[]): void {
		sink.emit([keyOf(uid, event)], 'notify-user', `${uid}/${event}`, ...args);
	}

	// ---- subscriptions

	function onSubscription(action: ClientAction, record: Subscription, fields: string[] | null): void {
		const user = index.users.get(record.u._id);
		if (user === undefined) return;
		const { rid } = record;
		const isMember = action !== 'removed' && record.status !== 'INVITED';
		if (!user.isLoaded) {
			user.overrides.set(rid, isMember);
			return;
		}
		if (!isMember) return ended(user, record);
		const before = cache.get(user.uid, rid);
		cache.set(record);
		if (!user.rooms.has(rid)) return background(began(user, record));
		if (sink.isHeard(keyOf(user.uid, 'subscriptions-changed'))) changed(user, record, before, fields);
	}

	function ended(user: FollowedUser, { _id, rid, t, u }: Subscription): void {
		if (!user.rooms.has(rid)) return;
		index.leave(user, rid);
		cache.delete(user.uid, rid);
		toUser(user.uid, 'subscriptions-changed', stringifyEjson(['removed', { _id, u, rid, t }]));
	}

	/** A new membership: both records, once events of the room are sure to arrive. */
	async function began(user: FollowedUser, record: Subscription): Promise<void> {
		const { rid } = record;
		const state = index.enter(user, rid);
		await state.lease.ready;
		const room = await reads.room(rid);
		if (room !== null) state.facts ??= factsOf(room);
		if (!user.rooms.has(rid) || index.users.get(user.uid) !== user) return;
		const newest = cache.get(user.uid, rid) ?? record;
		toUser(user.uid, 'subscriptions-changed', '["inserted",', viewOf(newest, state.facts).text, ']');
		if (room !== null) toUser(user.uid, 'rooms-changed', stringifyEjson(['inserted', publishedRoom(room)]));
	}

	function changed(
		user: FollowedUser,
		record: Subscription,
		before: Subscription | undefined,
		fields: string[] | null,
	): void {
		const facts = index.rooms.get(record.rid)?.facts ?? null;
		const view = viewOf(record, facts);
		const isSame =
			before === undefined
				? fields !== null && fields.every((field) => field === '_updatedAt' || field === 'rk') && !countsMention(record)
				: viewOf(before, facts).fingerprint === view.fingerprint;
		if (!isSame) toUser(user.uid, 'subscriptions-changed', '["updated",', view.text, ']');
	}

	// ---- rooms

	function onRoom(action: ClientAction, room: Room, fields: string[] | null): void {
		const { _id: rid } = room;
		const isPublic = action !== 'updated' || fields === null || fields.some((field) => published.has(field));
		const record = action === 'removed' ? { _id: rid } : publishedRoom(room);
		const dataKey = `room-data/${rid}`;
		if (isPublic && sink.isHeard(dataKey)) sink.emit([dataKey], 'room-data', rid, stringifyEjson([record]));
		const state = index.rooms.get(rid);
		if (state === undefined) return;
		if (isPublic) {
			const listening = [...state.members].filter((uid) => sink.isHeard(keyOf(uid, 'rooms-changed')));
			const args = listening.length === 0 ? '' : stringifyEjson([action, record]);
			for (const uid of listening) toUser(uid, 'rooms-changed', args);
		}
		if (action === 'removed') return;
		const before = state.facts;
		state.facts = factsOf(room);
		countOwnPost(state, before, room);
		recount(state, before);
	}

	/** The newest post is one of a local user: his own record will count it apart, maybe only after this event. */
	function countOwnPost(state: FollowedRoom, before: RoomFacts | null, { rk }: Room): void {
		const s = rk?.s ?? 0;
		const author = state.authors.get(rk?.i?.at(-1) ?? '');
		if (before === null || author === undefined || !state.members.has(author) || s !== (before.rk?.s ?? 0) + 1) return;
		const moved = (name: 'n' | 'u' | 'g') => (rk?.[name] ?? 0) - (before.rk?.[name] ?? 0);
		const own = state.own.get(author) ?? [];
		own.push(ownEntry(s, { s: 1, n: moved('n'), u: moved('u'), g: moved('g') }));
		if (own.length > 16) own.shift();
		remember(state.own, author, own);
		const record = cache.get(author, state.rid);
		if (record !== undefined) cache.set(withOwnPosts(record, own));
	}

	/** Tells the members whose subscription looks different after a change of the room. */
	function recount(state: FollowedRoom, before: RoomFacts | null): void {
		const listening = [...state.members].filter((uid) => sink.isHeard(keyOf(uid, 'subscriptions-changed')));
		withRecords(state, listening, (record) => {
			const view = viewOf(record, state.facts);
			if (before !== null && viewOf(record, before).fingerprint === view.fingerprint) return;
			toUser(record.u._id, 'subscriptions-changed', '["updated",', view.text, ']');
		});
	}

	/** Runs with each member's record: at once where it is known, else after one read for all that are missing. */
	function withRecords(state: FollowedRoom, uids: UserId[], run: (record: Subscription) => void): void {
		const missing: UserId[] = [];
		for (const uid of uids) {
			const record = cache.get(uid, state.rid);
			if (record === undefined) missing.push(uid);
			else run(record);
		}
		if (missing.length > 0) background(readRecords(state, missing, run));
	}

	async function readRecords(state: FollowedRoom, uids: UserId[], run: (record: Subscription) => void): Promise<void> {
		for (const read of await reads.records(state.rid, uids)) {
			const uid = read.u._id;
			// An event that came meanwhile is newer; a membership that ended meanwhile is none.
			const record = cache.get(uid, state.rid) ?? withOwnPosts(read, state.own.get(uid));
			if (!state.members.has(uid) || index.rooms.get(state.rid) !== state) continue;
			cache.set(record);
			run(record);
		}
	}

	// ---- posts and messages

	function onPost(post: Post): void {
		const state = index.rooms.get(post.rid);
		if (state === undefined) return;
		remember(state.authors, post._id, post.u._id);
		if (post.t !== undefined && post.t !== 'e2e') return;
		const listening = [...state.members].filter(
			(uid) => uid !== post.u._id && sink.isHeard(keyOf(uid, 'notification')),
		);
		if (listening.length === 0) return;
		const rules = {
			defaultPreference: settings.text('Accounts_Default_User_Preferences_desktopNotifications', 'all'),
			maxRoomMembers: settings.number('Notifications_Max_Room_Members', 100),
			usesRealNames: settings.flag('UI_Use_Real_Name'),
		};
		withRecords(state, listening, (record) => {
			const user = index.users.get(record.u._id);
			if (user === undefined || state.facts === null) return;
			if (!isNotified(post, state.facts, record, user.facts, rules)) return;
			const notification = notificationOf(post, state.facts, record, rules.usesRealNames);
			toUser(user.uid, 'notification', stringifyEjson([notification]));
		});
	}

	function onMessage(rid: RoomId, args: Uint8Array): void {
		const state = index.rooms.get(rid);
		if (state?.facts === null || state === undefined) return;
		const keys: string[] = [];
		for (const uid of state.members) {
			const key = `room-messages/__my_messages__/${uid}`;
			if (sink.isHeard(key) && index.users.get(uid)?.denied.has(rid) === false) keys.push(key);
		}
		if (keys.length === 0) return;
		const { t, name } = state.facts;
		const extra = stringifyEjson({ roomParticipant: true, roomType: t, roomName: name });
		// The body is an array: its closing bracket makes room for one more element.
		sink.emit(keys, 'room-messages', '__my_messages__', args.subarray(0, args.length - 1), `,${extra}]`);
	}

	// ---- users

	function onUser(user: Omit<User, 'services'>): void {
		const followed = index.users.get(user._id);
		if (followed === undefined) return;
		const { _id, status, statusConnection, settings } = user;
		followed.facts = { _id, status, statusConnection, settings };
	}

	function onPresence({ uid, status, statusConnection }: PresenceChange): void {
		const followed = index.users.get(uid);
		if (followed !== undefined) followed.facts = { ...followed.facts, status, statusConnection };
	}

	function onRightsChanged(uid: UserId | null): void {
		const affected = uid === null ? [...index.users.values()] : [index.users.get(uid)];
		for (const user of affected) {
			if (user?.isLoaded === true && sink.isHeard(`room-messages/__my_messages__/${user.uid}`)) {
				background(loader.readDenied([user]));
			}
		}
	}

	return {
		attach,
		follow,
		onSubscription,
		onRoom,
		onUser,
		onPresence,
		onPost,
		onMessage,
		onRightsChanged,
	};
}

function factsOf({ _id, t, name, fname, usersCount, uids, prid, lm, rk }: Room): RoomFacts {
	const counters = rk === undefined ? undefined : { s: rk.s, n: rk.n, u: rk.u, g: rk.g };
	return { _id, t, name, fname, usersCount, uids, prid, lm, rk: counters };
}

/** Whether the newest post counted apart is one that mentions the user. */
function countsMention({ rk }: Subscription): boolean {
	return rk?.x?.at(-1)?.m === 1;
}
