import type { RoomId, Subscription, UserId } from '@rookery/protocol/records.ts';

/**
 * A user's subscriptions as clients see them: effective counters (protocol `unread.ts`), never `rk`.
 */
export type SubscriptionsService = {
	/** All of a user's, in batches. */
	list(uid: UserId): Promise<Subscription[]>;
	/** Changed (also only by a post in the room) after a date, and removed since. */
	since(uid: UserId, since: Date): Promise<{ update: Subscription[]; remove: { _id: string; _deletedAt: Date }[] }>;
	find(uid: UserId, rid: RoomId): Promise<Subscription | null>;
};
