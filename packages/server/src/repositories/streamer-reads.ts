import type { Collection, Db } from 'mongodb';
import type { Room, RoomId, Subscription, User, UserId } from '@rookery/protocol/records.ts';

/** What of a room decides how its members see their subscriptions and are notified. */
export type RoomFacts = Pick<Room, '_id' | 't' | 'name' | 'fname' | 'usersCount' | 'uids' | 'prid' | 'lm' | 'rk'>;

/** What of a user decides whether he is notified. */
export type UserFacts = Pick<User, '_id' | 'status' | 'statusConnection' | 'settings'>;

const batchSize = 1_000;
const factFields = {
	t: 1,
	name: 1,
	fname: 1,
	usersCount: 1,
	uids: 1,
	prid: 1,
	lm: 1,
	'rk.s': 1,
	'rk.n': 1,
	'rk.u': 1,
	'rk.g': 1,
} as const;

/**
 * All that the streamer reads: for its own logged-in users, many at once. It writes nothing.
 *
 * @see architecture 3, "Frames the streamer makes itself"
 */
export function streamerReads(db: Db) {
	const subscriptions: Collection<Subscription> = db.collection('rocketchat_subscription');
	const rooms: Collection<Room> = db.collection('rocketchat_room');
	const users: Collection<User> = db.collection('users');

	return {
		/** Who of these users is in which rooms; a pending invitation is no membership. */
		async memberships(uids: UserId[]): Promise<{ uid: UserId; rid: RoomId }[]> {
			const cursor = subscriptions.find<Pick<Subscription, 'rid' | 'u'>>(
				{ 'u._id': { $in: uids }, status: { $ne: 'INVITED' } },
				{ projection: { _id: 0, rid: 1, 'u._id': 1 }, batchSize },
			);
			const found: { uid: UserId; rid: RoomId }[] = [];
			for await (const { rid, u } of cursor) found.push({ uid: u._id, rid });
			return found;
		},

		/** The records of these users in one room, whole. */
		records(rid: RoomId, uids: UserId[]): Promise<Subscription[]> {
			return subscriptions.find({ rid, 'u._id': { $in: uids } }, { batchSize }).toArray();
		},

		/** Those of these rooms that exist, in any order. */
		async roomFacts(rids: RoomId[]): Promise<RoomFacts[]> {
			const found: RoomFacts[] = [];
			for (let start = 0; start < rids.length; start += batchSize) {
				const batch = rids.slice(start, start + batchSize);
				const cursor = rooms.find<RoomFacts>({ _id: { $in: batch } }, { projection: factFields, batchSize });
				found.push(...(await cursor.toArray()));
			}
			return found;
		},

		/** One room, whole; null when it does not exist. */
		room(rid: RoomId): Promise<Room | null> {
			return rooms.findOne({ _id: rid }, { projection: { joinCode: 0 } });
		},

		userFacts(uids: UserId[]): Promise<UserFacts[]> {
			const projection = { status: 1, statusConnection: 1, 'settings.preferences': 1 } as const;
			return users.find<UserFacts>({ _id: { $in: uids } }, { projection, batchSize }).toArray();
		},
	};
}

export type StreamerReads = ReturnType<typeof streamerReads>;
