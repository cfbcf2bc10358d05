import type { Collection, Db, Filter } from 'mongodb';
import type { User, UserId, UserStatus } from '@rookery/protocol/records.ts';

/** What decides about a user's visible status, and what is told with it. */
export type UserPresence = Pick<
	User,
	'_id' | 'username' | 'name' | 'roles' | 'status' | 'statusDefault' | 'statusConnection' | 'statusText'
>;

/** The stored status that a write replaces. Absent = the field is missing or null. */
export type StoredStatus = Pick<User, 'status' | 'statusDefault' | 'statusConnection'>;

/** The fields a write sets; those not given stay. */
export type NewStatus = {
	status: UserStatus;
	statusConnection?: UserStatus;
	statusDefault?: UserStatus;
	statusText?: string;
};

const projection = {
	username: 1,
	name: 1,
	roles: 1,
	status: 1,
	statusDefault: 1,
	statusConnection: 1,
	statusText: 1,
} as const;

/** The presence fields of the collection `users`. Presence uses it. @see realtime contract 5.1 */
export function userStatusRepository(db: Db) {
	const users: Collection<User> = db.collection('users');

	return {
		/** Presence of these users, in any order; unknown ones are left out. */
		findPresence(uids: UserId[]): Promise<UserPresence[]> {
			if (uids.length === 0) return Promise.resolve([]);
			return users.find<UserPresence>({ _id: { $in: uids } }, { projection }).toArray();
		},

		/** Who is stored as connected. By the index on `statusConnection`. */
		async findConnected(): Promise<UserId[]> {
			const connected: UserStatus[] = ['online', 'away', 'busy'];
			const found = await users
				.find<{ _id: UserId }>({ statusConnection: { $in: connected } }, { projection: { _id: 1 } })
				.toArray();
			return found.map(({ _id }) => _id);
		},

		/**
		 * Stores a status for users whose stored one is still the given one.
		 *
		 * @returns How many they were.
		 */
		async replaceStatus(uids: UserId[], from: StoredStatus, to: NewStatus): Promise<number> {
			const filter: Filter<User> = {
				_id: { $in: uids },
				status: { $eq: from.status ?? null },
				statusDefault: { $eq: from.statusDefault ?? null },
				statusConnection: { $eq: from.statusConnection ?? null },
			} as Filter<User>;
			const { matchedCount } = await users.updateMany(filter, { $set: to, $currentDate: { _updatedAt: true } });
			return matchedCount;
		},
	};
}

export type UserStatusRepository = ReturnType<typeof userStatusRepository>;
