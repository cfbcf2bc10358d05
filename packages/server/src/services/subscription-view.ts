import { LRUCache } from 'lru-cache';
import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { CountedApart, RoomId, Subscription, UserId } from '@rookery/protocol/records.ts';
import { publishedSubscription } from '@rookery/protocol/subscription-view.ts';
import { countApart, effectiveSubscription, shownCounters, type ShownSubscription } from '@rookery/protocol/unread.ts';
import type { RoomFacts } from '../repositories/streamer-reads.ts';

/** Memory for subscription records, in bytes; the least recently used go first. */
const cacheBytes = 64 * 1024 * 1024;

export type SubscriptionCache = ReturnType<typeof subscriptionCache>;

/** Subscription records of local users, as read or as events brought them. */
export function subscriptionCache() {
	const records = new LRUCache<string, Subscription>({
		maxSize: cacheBytes,
		// Objects take about four times their JSON; measured once on a record of 900 characters.
		sizeCalculation: (record) => 4 * JSON.stringify(record).length,
	});
	const keyOf = (uid: UserId, rid: RoomId) => `${rid}\n${uid}`;
	return {
		get: (uid: UserId, rid: RoomId): Subscription | undefined => records.get(keyOf(uid, rid)),
		set: (record: Subscription): void => void records.set(keyOf(record.u._id, record.rid), record),
		delete: (uid: UserId, rid: RoomId): void => void records.delete(keyOf(uid, rid)),
		clear: () => records.clear(),
	};
}

/**
 * A subscription as its user's clients see it.
 *
 * @param room null: counters unknown, the record is shown as stored.
 * @see realtime contract 4.6.1; architecture 5, "Unread is a difference"
 */
export function viewOf(record: Subscription, room: RoomFacts | null): ShownSubscription {
	return publishedSubscription(effectiveSubscription(record, room));
}

/** Whether two views differ in more than their date. */
export function looksDifferent(one: ShownSubscription, other: ShownSubscription): boolean {
	return stringifyEjson({ ...one, _updatedAt: null }) !== stringifyEjson({ ...other, _updatedAt: null });
}

/** Whether one record looks different beside two versions of its room. */
export function isRecounted(record: Subscription, before: RoomFacts | null, after: RoomFacts | null): boolean {
	const [one, other] = [shownCounters(record, before), shownCounters(record, after)];
	return (
		one.alert !== other.alert ||
		one.open !== other.open ||
		one.unread !== other.unread ||
		one.userMentions !== other.userMentions ||
		one.groupMentions !== other.groupMentions
	);
}

/** The record with posts of its own user that it does not count yet. */
export function withOwnPosts(record: Subscription, own: CountedApart[] = []): Subscription {
	return own.reduce(countApart, record);
}
