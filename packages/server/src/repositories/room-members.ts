import type { Collection, Db, Document } from 'mongodb';
import type { RoomId, Subscription, User, UserId, UserStatus } from '@rookery/protocol/records.ts';
import { literalPattern } from './literal-pattern.ts';

/** A member as lists show him. */
export type Member = Pick<
	User,
	'_id' | 'username' | 'name' | 'nickname' | 'status' | 'statusText' | 'avatarETag' | 'utcOffset' | '_updatedAt'
>;

export type MemberFilter = {
	/** Part of a username, name or another searched field, taken literally, without regard to case. */
	text?: string | undefined;
	/** Dotted names of fields of `users` that `text` is looked for in. */
	searchFields?: string[] | undefined;
	statuses?: UserStatus[] | undefined;
};

const projection = {
	_id: 1,
	username: 1,
	name: 1,
	nickname: 1,
	status: 1,
	statusText: 1,
	avatarETag: 1,
	utcOffset: 1,
	_updatedAt: 1,
} as const;

const batchSize = 1_000;

/** What `users` and `rocketchat_subscription` say together: members as people, and a user's own list of rooms. */
export function roomMemberRepository(db: Db) {
	const users: Collection<User> = db.collection('users');
	const subscriptions: Collection<Subscription> = db.collection('rocketchat_subscription');

	return {
		/** Ids of a room's members; pending invitations do not count. */
		async ids(rid: RoomId): Promise<UserId[]> {
			const found: UserId[] = [];
			const cursor = subscriptions.find({ rid, status: { $ne: 'INVITED' } }, { projection: { 'u._id': 1 }, batchSize });
			for await (const { u } of cursor) found.push(u._id);
			return found;
		},

		/** One page of these users, those online first, then by username; and how many match in all. */
		async list(
			uids: UserId[],
			filter: MemberFilter,
			page: { offset: number; count: number; username?: 1 | -1 },
		): Promise<{ members: Member[]; total: number }> {
			const match = memberQuery(uids, filter);
			const isOffline = { $cond: [{ $in: [{ $ifNull: ['$status', 'offline'] }, ['offline', 'disabled']] }, 1, 0] };
			const pipeline: Document[] = [
				{ $match: match },
				{ $project: { ...projection, isOffline } },
				{ $sort: { isOffline: 1, username: page.username ?? 1, _id: 1 } },
				{ $skip: page.offset },
				{ $limit: page.count },
				{ $unset: 'isOffline' },
			];
			const [members, total] = await Promise.all([
				users.aggregate<Member>(pipeline).toArray(),
				users.countDocuments(match as Parameters<typeof users.countDocuments>[0]),
			]);
			return { members, total };
		},

		/** Notes a channel or group in its new members' records (`__rooms`). Repeatable. */
		async addRoom(uids: UserId[], rid: RoomId): Promise<void> {
			for (let start = 0; start < uids.length; start += batchSize) {
				const batch = uids.slice(start, start + batchSize);
				await users.updateMany({ _id: { $in: batch }, __rooms: { $ne: rid } }, { $addToSet: { __rooms: rid } });
			}
		},

		/** Takes a room out of a user's record. */
		async removeRoom(uid: UserId, rid: RoomId): Promise<void> {
			await users.updateOne({ _id: uid, __rooms: rid }, { $pull: { __rooms: rid } });
		},

		/** Takes a deleted room out of everybody's record. */
		async removeRoomFromAll(rid: RoomId): Promise<void> {
			await users.updateMany({ __rooms: rid }, { $pull: { __rooms: rid } });
		},
	};
}

export type RoomMemberRepository = ReturnType<typeof roomMemberRepository>;

function memberQuery(uids: UserId[], filter: MemberFilter): Document {
	const conditions: Document[] = [{ _id: { $in: uids } }, { active: { $ne: false } }, { username: { $exists: true } }];
	if (filter.statuses !== undefined) conditions.push({ status: { $in: filter.statuses } });
	if (filter.text !== undefined && filter.text !== '') {
		const pattern = { $regex: literalPattern(filter.text), $options: 'i' };
		const fields = filter.searchFields ?? ['username', 'name'];
		conditions.push({ $or: fields.map((field) => ({ [field]: pattern })) });
	}
	return { $and: conditions };
}
