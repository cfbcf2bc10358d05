import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { ClientAction, Post, PresenceChange } from '@rookery/protocol/events.ts';
import type { Room, RoomId, Subscription, User, UserId } from '@rookery/protocol/records.ts';
import { publishedRoom } from '@rookery/protocol/room-view.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { StreamerReads } from '../repositories/streamer-reads.ts';
import type { AuthorizationApi } from './contracts.ts';
import { isNotified, notificationOf } from './desktop-notification.ts';
import { localRecords, retried, type LocalRecords } from './local-records.ts';
import {
	membershipIndex,
	remember,
	type FollowedUser,
	type Hold,
	type MembershipIndex,
	type MembershipSink,
	type OwnEvent,
} from './membership-index.ts';
import { membershipLoader } from './membership-loader.ts';
import { myMessages, type MyMessages } from './my-messages.ts';
import type { SettingsReader } from './settings.ts';
import { factsOf, roomFrames } from './room-frames.ts';
import { looksDifferent, subscriptionCache, viewOf } from './subscription-view.ts';

export type { Hold, MembershipSink } from './membership-index.ts';

type Deps = {
	reads: StreamerReads;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	clock: Clock;
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
	/** As `follow`, and sends the user the messages of all rooms he may access. */
	followMessages(uid: UserId): Hold;
	onSubscription(action: ClientAction, subscription: Subscription, fields: string[] | null): void;
	onRoom(action: ClientAction, room: Room, fields: string[] | null): void;
	onUser(user: Omit<User, 'services'>): void;
	onPresence(change: PresenceChange): void;
	onPost(post: Post): void;
	/** A message of any room, heard once. @param args EJSON `args` array of a `room-messages` event: bytes, spliced */
	onMessage(rid: RoomId, args: Uint8Array): void;
	/** Whether `onAnyRoom` wants to hear of a room. */
	knowsRoom(rid: RoomId): boolean;
	/** As `onRoom`, from what is heard of all rooms. */
	onAnyRoom(action: ClientAction, room: Room, fields: string[] | null): void;
	/** Permissions or roles changed: what users may read is asked anew. */
	onRightsChanged(): void;
};

/** How long members who have not opened a room wait for a second frame of it, in ms. */
const quietMs = 1_000;

/** Makes the streamer's read side. */
export function membershipService({ reads, authorization, settings, clock, log }: Deps): Membership {
	const cache = subscriptionCache();
	let sink: MembershipSink;
	let index: MembershipIndex;
	let loader: ReturnType<typeof membershipLoader>;
	let records: LocalRecords;
	let rooms: ReturnType<typeof roomFrames>;
	let messages: MyMessages;

	function attach(given: MembershipSink): void {
		sink = given;
		index = membershipIndex(given.hear);
		loader = membershipLoader({ index, reads });
		records = localRecords({ reads, cache, index, onFailure: (uids) => given.restart(uids), log });
		rooms = roomFrames({ sink: given, index, cache, records, quietMs });
		messages = myMessages({ sink: given, index, reads, authorization, clock, log });
	}

	function follow(uid: UserId): Hold {
		const user = index.users.get(uid) ?? loader.open(uid, sink.hear(`user:${uid}`));
		user.holders += 1;
		return new UserHold(user, letGo);
	}

	function letGo(user: FollowedUser): void {
		user.holders -= 1;
		if (user.holders === 0) index.drop(user);
	}

	function followMessages(uid: UserId): Hold {
		const [member, all] = [follow(uid), messages.follow(uid)];
		return {
			ready: Promise.all([member.ready, all.ready]).then(() => undefined),
			release() {
				member.release();
				all.release();
			},
		};
	}

	/** Work that nobody waits for. When it fails, the user's sockets are asked to come again. */
	function inBackground(uid: UserId, work: Promise<void>): void {
		work.catch((error: unknown) => {
			log.error({ err: error }, 'memberships of a local user could not be read');
			sink.restart([uid]);
		});
	}

	function isHeard(uid: UserId, event: OwnEvent): boolean {
		const key = index.keyOf(uid, event);
		return key !== null && sink.isHeard(key);
	}

	function toUser(uid: UserId, event: OwnEvent, ...args: (string | Uint8Array)[]): void {
		const key = index.keyOf(uid, event);
		if (key !== null) sink.emit([key], 'notify-user', `${uid}/${event}`, ...args);
	}

	function onSubscription(action: ClientAction, record: Subscription, fields: string[] | null): void {
		const user = index.users.get(record.u._id);
		if (user === undefined) return;
		const { rid } = record;
		if (action !== 'updated' || fields === null || fields.includes('roles') || fields.includes('status')) {
			messages.onMembership(user.uid);
		}
		const isMember = action !== 'removed' && record.status !== 'INVITED';
		if (!user.isLoaded) {
			(user.overrides ??= new Map()).set(rid, isMember);
			return;
		}
		if (!isMember) return ended(user, record);
		const before = cache.get(user.uid, rid);
		cache.set(record);
		if (!index.isIn(user.uid, rid)) return inBackground(user.uid, began(user, record));
		if (isHeard(user.uid, 'subscriptions-changed')) changed(user, record, before, fields);
	}

	function ended(user: FollowedUser, { _id, rid, t, u }: Subscription): void {
		if (!index.isIn(user.uid, rid)) return;
		index.leave(user, rid);
		cache.delete(user.uid, rid);
		toUser(user.uid, 'subscriptions-changed', stringifyEjson(['removed', { _id, u, rid, t }]));
	}

	/** A new membership: both records, once events of the room are sure to arrive. */
	async function began(user: FollowedUser, record: Subscription): Promise<void> {
		const { rid } = record;
		const state = index.enter(user, rid);
		await state.lease.ready;
		const room = await retried(() => reads.room(rid));
		if (room !== null) state.facts ??= factsOf(room);
		if (!index.isIn(user.uid, rid) || index.users.get(user.uid) !== user) return;
		const newest = cache.get(user.uid, rid) ?? record;
		toUser(user.uid, 'subscriptions-changed', stringifyEjson(['inserted', viewOf(newest, state.facts)]));
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
				: !looksDifferent(viewOf(before, facts), view);
		if (!isSame) toUser(user.uid, 'subscriptions-changed', stringifyEjson(['updated', view]));
	}

	function onPost(post: Post): void {
		const state = index.rooms.get(post.rid);
		if (state === undefined) return;
		remember(state.authors, post._id, post.u._id);
		if (post.t !== undefined && post.t !== 'e2e') return;
		const listening = [...state.members].filter((uid) => uid !== post.u._id && isHeard(uid, 'notification'));
		if (listening.length === 0) return;
		const rules = {
			defaultPreference: settings.text('Accounts_Default_User_Preferences_desktopNotifications', 'all'),
			maxRoomMembers: settings.number('Notifications_Max_Room_Members', 100),
			usesRealNames: settings.flag('UI_Use_Real_Name'),
		};
		records.each(state, listening, (record) => {
			const user = index.users.get(record.u._id);
			if (user === undefined || state.facts === null) return;
			if (!isNotified(post, state.facts, record, user.facts, rules)) return;
			const notification = notificationOf(post, state.facts, record, rules.usesRealNames);
			toUser(user.uid, 'notification', stringifyEjson([notification]));
		});
	}

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

	return {
		attach,
		follow,
		followMessages,
		onSubscription,
		onRoom: (action, room, fields) => rooms.onRoom(action, room, fields),
		onUser,
		onPresence,
		onPost,
		onMessage: (rid, args) => messages.onMessage(rid, args),
		knowsRoom: (rid) => messages.knows(rid),
		onAnyRoom: (action, room, fields) => messages.onRoom(action, room, fields),
		onRightsChanged: () => messages.onRightsChanged(),
	};
}

/** One who follows a user: there are several of each socket. */
class UserHold implements Hold {
	private user: FollowedUser | null;
	private readonly letGo: (user: FollowedUser) => void;
	readonly ready: Promise<void>;

	constructor(user: FollowedUser, letGo: (user: FollowedUser) => void) {
		this.user = user;
		this.letGo = letGo;
		this.ready = user.ready;
	}

	release(): void {
		const { user } = this;
		this.user = null;
		if (user !== null) this.letGo(user);
	}
}

/** Whether the newest post counted apart is one that mentions the user. */
function countsMention({ rk }: Subscription): boolean {
	return rk?.x?.at(-1)?.m === 1;
}
