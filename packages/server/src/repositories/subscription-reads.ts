import type { Collection, Db, Document } from 'mongodb';
import type { MessageId, Room, RoomId, Subscription, UserId } from '@rookery/protocol/records.ts';
import { basesOf } from './subscriptions.ts';

/** What of a room decides how a member sees his subscription. */
export type RoomState = Pick<Room, '_id' | 't' | 'lm' | 'rk'>;

const batchSize = 1_000;

/**
 * How far a user has read, and what of a room he needs to see it. Bases never fall.
 * @see architecture 5, "Read"; data model 6.4
 */
export function subscriptionReadRepository(db: Db) {
	const subscriptions: Collection<Subscription> = db.collection('rocketchat_subscription');
	const rooms: Collection<Room> = db.collection('rocketchat_room');

	/** The counters of one room; null when it does not exist. */
	function roomState(rid: RoomId): Promise<RoomState | null> {
		return rooms.findOne<RoomState>({ _id: rid }, { projection: stateFields });
	}

	return {
		roomState,

		/** The counters of these rooms, in any order. */
		async roomStates(rids: RoomId[]): Promise<RoomState[]> {
			const found: RoomState[] = [];
			for (let start = 0; start < rids.length; start += batchSize) {
				const batch = rids.slice(start, start + batchSize);
				const cursor = rooms.find<RoomState>({ _id: { $in: batch } }, { projection: stateFields, batchSize });
				found.push(...(await cursor.toArray()));
			}
			return found;
		},

		/**
		 * The user has read the room up to its counters as given.
		 *
		 * @param readsThreads Threads count as read, too.
		 * @returns The new record; null when he is no member.
		 */
		read(uid: UserId, room: Pick<Room, '_id' | 'rk'>, readsThreads: boolean): Promise<Subscription | null> {
			const { s, n, u, g } = basesOf(room);
			const raised = (path: string, to: number): Document => ({ $max: [{ $ifNull: [`$${path}`, 0] }, to] });
			const threads = { $size: { $ifNull: ['$tunread', []] } };
			return subscriptions.findOneAndUpdate(
				{ rid: room._id, 'u._id': uid },
				[
					...(readsThreads ? [{ $unset: ['tunread', 'tunreadUser', 'tunreadGroup'] }] : []),
					{
						$set: {
							open: true,
							alert: { $gt: [threads, 0] },
							unread: 0,
							userMentions: 0,
							groupMentions: 0,
							ls: '$$NOW',
							_updatedAt: '$$NOW',
							'rk.s': raised('rk.s', s),
							'rk.n': raised('rk.n', n),
							'rk.u': raised('rk.u', u),
							'rk.g': raised('rk.g', g),
							'rk.h.s': raised('rk.h.s', s),
							'rk.h.n': raised('rk.h.n', n),
							'rk.x': { $filter: { input: { $ifNull: ['$rk.x', []] }, cond: { $gt: ['$$this.s', s] } } },
						},
					},
				],
				{ returnDocument: 'after' },
			);
		},

		/**
		 * The user has read a thread. With his last unread one the room's alert goes, too.
		 *
		 * @param room As just read: its counters become the alert base then.
		 * @returns false when the thread was not unread.
		 */
		async readThread(uid: UserId, room: Pick<Room, '_id' | 'rk'>, tmid: MessageId): Promise<boolean> {
			const { h } = basesOf(room);
			const isLast = { $eq: ['$tunread', []] };
			const raised = (path: string, to: number): Document => ({
				$cond: [isLast, { $max: [{ $ifNull: [`$${path}`, 0] }, to] }, { $ifNull: [`$${path}`, 0] }],
			});
			const without = (field: string): Document => ({
				$setDifference: [{ $ifNull: [`$${field}`, []] }, [{ $literal: tmid }]],
			});
			const result = await subscriptions.updateOne({ rid: room._id, 'u._id': uid, tunread: tmid }, [
				{
					$set: {
						tunread: without('tunread'),
						tunreadUser: without('tunreadUser'),
						tunreadGroup: without('tunreadGroup'),
						_updatedAt: '$$NOW',
					},
				},
				{
					$set: {
						alert: { $cond: [isLast, false, '$alert'] },
						'rk.h.s': raised('rk.h.s', h.s),
						'rk.h.n': raised('rk.h.n', h.n),
					},
				},
			]);
			return result.modifiedCount === 1;
		},

		/**
		 * Marks a room as unread from a time on: what he has seen ends there, or earlier. Counters stay.
		 *
		 * @returns 1, or 0 when the user is no member.
		 */
		async markUnread(uid: UserId, rid: RoomId, from: Date): Promise<number> {
			const result = await subscriptions.updateOne(
				{ rid, 'u._id': uid },
				{ $set: { open: true, alert: true }, $min: { ls: from }, $currentDate: { _updatedAt: true } },
			);
			return result.matchedCount;
		},
	};
}

export type SubscriptionReadRepository = ReturnType<typeof subscriptionReadRepository>;

const stateFields = { t: 1, lm: 1, 'rk.s': 1, 'rk.n': 1, 'rk.u': 1, 'rk.g': 1 } as const;
