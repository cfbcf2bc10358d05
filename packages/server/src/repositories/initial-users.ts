import type { Collection, Db } from 'mongodb';
import type { User, UserId } from '@rookery/protocol/records.ts';

/**
 * What the start-up asks of users: whether there is an administrator, and who would be one.
 * @see data model, 13
 */
export function initialUserRepository(db: Db) {
	const users: Collection<User> = db.collection('users');

	return {
		/** Whether anybody is an administrator, active or not. */
		async hasAdmin(): Promise<boolean> {
			return (await users.findOne({ roles: 'admin' }, { projection: { _id: 1 } })) !== null;
		},

		/** The person who has been here longest: no bot and no app; null where there is none. */
		async oldestPerson(): Promise<UserId | null> {
			const machines = ['bot', 'app'] as const;
			const oldest = await users.findOne(
				{ type: { $nin: [...machines] }, _id: { $ne: 'rocket.cat' } },
				{ sort: { createdAt: 1, _id: 1 }, projection: { _id: 1 } },
			);
			return oldest?._id ?? null;
		},

		/** Whether this user was stored before there was anybody to put him into the default rooms. */
		async joinsLater(uid: UserId): Promise<boolean> {
			return (await users.findOne({ _id: uid, 'rk.joinsLater': true }, { projection: { _id: 1 } })) !== null;
		},

		/** He is in the default rooms now. */
		async hasJoined(uid: UserId): Promise<void> {
			await users.updateOne({ _id: uid }, { $unset: { 'rk.joinsLater': true } });
		},
	};
}

export type InitialUserRepository = ReturnType<typeof initialUserRepository>;
