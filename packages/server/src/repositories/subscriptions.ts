import { MongoServerError, type Collection, type Db, type Document, type Filter } from 'mongodb';
import type { Room, RoomId, Subscription, UnreadCounters, UserId } from '@rookery/protocol/records.ts';
import { trashRepository, type Tombstone } from './trash.ts';

/** A membership to be stored: id, dates and bases are the repository's. */
export type NewSubscription = Omit<Subscription, '_id' | 'ts' | 'ls' | '_updatedAt' | 'rk'> & {
	_id: string;
	/** Also stores the time of joining (`ts`). Direct rooms have none. */
	hasJoinTime: boolean;
	/** `ls`, too: its user has seen the room (he made it). */
	isSeen?: boolean;
};

/** What the caller knows of a membership without its counters. */
export type Membership = Pick<Subscription, '_id' | 'rid' | 't' | 'ts' | 'roles' | 'u'>;

const batchSize = 1_000;

/**
 * Who is in which room: collection `rocketchat_subscription`, one document per user and room. Indexes: migrations.
 * @see data model, 4
 */
export function subscriptionRepository(db: Db) {
	const subscriptions: Collection<Subscription> = db.collection('rocketchat_subscription');
	const trash = trashRepository(db);

	return {
		/** The user's subscription to a room, or null. Point read. */
		find(uid: UserId, rid: RoomId): Promise<Subscription | null> {
			return subscriptions.findOne({ rid, 'u._id': uid });
		},

		/** All of a user's, whole records, in batches of at most 1,000. */
		async *listByUser(uid: UserId): AsyncGenerator<Subscription[]> {
			yield* batches(subscriptions.find({ 'u._id': uid }, { batchSize }));
		},

		/** All of a room's, whole records, in batches of at most 1,000. */
		async *listByRoom(rid: RoomId): AsyncGenerator<Subscription[]> {
			yield* batches(subscriptions.find({ rid }, { batchSize }));
		},

		/** The rooms a user is a member of; a pending invitation is no membership. */
		memberships(uid: UserId): Promise<Membership[]> {
			return subscriptions
				.find<Membership>({ 'u._id': uid, status: { $ne: 'INVITED' } }, { projection: membershipFields, batchSize })
				.toArray();
		},

		/** Members of a room who hold a role in it. */
		listWithRoles(rid: RoomId): Promise<Membership[]> {
			const filter: Filter<Subscription> = { rid, 'roles.0': { $exists: true } };
			return subscriptions.find<Membership>(filter, { projection: membershipFields, batchSize }).toArray();
		},

		/** Number of members; pending invitations do not count. Both counts are answered by indexes alone. */
		async countMembers(rid: RoomId): Promise<number> {
			const [all, invited] = await Promise.all([
				subscriptions.countDocuments({ rid }),
				subscriptions.countDocuments({ rid, status: 'INVITED' }),
			]);
			return all - invited;
		},

		/**
		 * Makes a user a member unless he is one. Two parallel calls make one record.
		 *
		 * @param room Its counters become the bases: nothing posted before is unread.
		 * @returns The record as stored; `isNew` false: it existed and was left as it is.
		 */
		async insert(
			subscription: NewSubscription,
			room: Pick<Room, 'rk'>,
		): Promise<{ subscription: Subscription; isNew: boolean }> {
			try {
				return await upsert(subscriptions, subscription, room);
			} catch (error) {
				if (!(error instanceof MongoServerError) || error.code !== 11_000) throw error;
				return upsert(subscriptions, subscription, room);
			}
		},

		/** Makes many users members, in batches. Who is one already stays as he is. */
		async insertMany(list: NewSubscription[], room: Pick<Room, 'rk'>): Promise<void> {
			for (let start = 0; start < list.length; start += batchSize) {
				const operations = list.slice(start, start + batchSize).map((entry) => {
					const { filter, pipeline } = upsertOf(entry, room);
					return { updateOne: { filter, update: pipeline, upsert: true } };
				});
				try {
					await subscriptions.bulkWrite(operations, { ordered: false });
				} catch (error) {
					// Lost against a parallel insert: the members exist now, and the repetition finds them.
					if (!(error instanceof MongoServerError) || error.code !== 11_000) throw error;
					await subscriptions.bulkWrite(operations, { ordered: false });
				}
			}
		},

		/** Shows a room in the user's list. @returns 1 when that changed something, else 0 */
		async open(uid: UserId, rid: RoomId): Promise<number> {
			const result = await subscriptions.updateOne(
				{ rid, 'u._id': uid },
				{ $set: { open: true }, $currentDate: { _updatedAt: true } },
			);
			return result.modifiedCount;
		},

		/**
		 * Takes a room out of the user's list until the next post: nothing up to now gives an alert.
		 *
		 * @param room As just read: its counters become the alert base.
		 * @returns 1, or 0 when the user is no member.
		 */
		async hide(uid: UserId, rid: RoomId, room: Pick<Room, 'rk'>): Promise<number> {
			const { s, n } = basesOf(room).h;
			const result = await subscriptions.updateOne(
				{ rid, 'u._id': uid },
				{
					$set: { open: false, alert: false },
					$max: { 'rk.h.s': s, 'rk.h.n': n },
					$currentDate: { _updatedAt: true },
				},
			);
			return result.matchedCount;
		},

		/** Marks a room as a favourite or not. @returns false when the user is no member */
		async setFavorite(uid: UserId, rid: RoomId, f: boolean): Promise<boolean> {
			const result = await subscriptions.updateOne(
				{ rid, 'u._id': uid },
				{ $set: { f }, $currentDate: { _updatedAt: true } },
			);
			return result.matchedCount === 1;
		},

		/**
		 * Ends a membership: the record moves into the trash.
		 *
		 * @returns false when it was gone already: of two parallel calls one gets true.
		 */
		async remove(subscription: Pick<Subscription, '_id'>): Promise<boolean> {
			return (await trash.moveToTrash('rocketchat_subscription', [subscription._id])) === 1;
		},

		/** Ends all memberships of a room. @returns how many */
		removeByRoom(rid: RoomId): Promise<number> {
			return trash.moveAllToTrash('rocketchat_subscription', { rid });
		},

		/** Memberships of a user that ended after a date (exclusive), oldest first. */
		removedSince(uid: UserId, since: Date): Promise<Tombstone[]> {
			return trash.deletedSince('rocketchat_subscription', since, { uid });
		},
	};
}

export type SubscriptionRepository = ReturnType<typeof subscriptionRepository>;

const membershipFields = { _id: 1, rid: 1, t: 1, ts: 1, roles: 1, u: 1 } as const;

async function* batches<T>(cursor: AsyncIterable<T>): AsyncGenerator<T[]> {
	let batch: T[] = [];
	for await (const document of cursor) {
		if (batch.push(document) < batchSize) continue;
		yield batch;
		batch = [];
	}
	if (batch.length > 0) yield batch;
}

/** The counters of a room as a subscription's bases. @see architecture 5, "Unread is a difference" */
export function basesOf({ rk }: Pick<Room, 'rk'>): UnreadCounters & { h: { s: number; n: number } } {
	const s = rk?.s ?? 0;
	const n = rk?.n ?? 0;
	return { s, n, u: rk?.u ?? 0, g: rk?.g ?? 0, h: { s, n } };
}

/** Stores the record only where there is none. A pipeline, because only there dates can be the database's time. */
function upsertOf(
	{ hasJoinTime, isSeen, ...fields }: NewSubscription,
	room: Pick<Room, 'rk'>,
): { filter: Filter<Subscription>; pipeline: Document[] } {
	const dates = {
		_updatedAt: '$$NOW',
		...(hasJoinTime ? { ts: '$$NOW' } : {}),
		...(isSeen === true ? { ls: '$$NOW' } : {}),
	};
	const fresh = { $mergeObjects: [{ $literal: { ...fields, rk: basesOf(room) } }, dates] };
	const isMissing = { $eq: [{ $type: '$_id' }, 'missing'] };
	return {
		filter: { rid: fields.rid, 'u._id': fields.u._id },
		pipeline: [{ $replaceWith: { $cond: [isMissing, fresh, '$$ROOT'] } }],
	};
}

async function upsert(
	subscriptions: Collection<Subscription>,
	subscription: NewSubscription,
	room: Pick<Room, 'rk'>,
): Promise<{ subscription: Subscription; isNew: boolean }> {
	const { filter, pipeline } = upsertOf(subscription, room);
	const result = await subscriptions.findOneAndUpdate(filter, pipeline, {
		upsert: true,
		returnDocument: 'after',
		includeResultMetadata: true,
	});
	if (result.value === null) throw new Error('an upsert returned no subscription');
	return { subscription: result.value, isNew: result.lastErrorObject?.['updatedExisting'] !== true };
}
