import { MongoServerError, type Collection, type Db, type Document, type Filter } from 'mongodb';
import type { User, UserId } from '@rookery/protocol/records.ts';
import { literalPattern } from './literal-pattern.ts';

/** A user without credentials, keys and our own fields: all that leaves this repository. */
export type UserRecord = Omit<User, 'services' | 'e2e' | 'rk'>;

/** A condition on one field of a user, built anew for the database: values are scalars. */
export type UserCondition = {
	field: string;
	test:
		| { is: 'equal'; value: string | number | boolean | null }
		| { is: 'different'; value: string | number | boolean | null }
		| { is: 'oneOf'; values: (string | number | boolean)[] }
		| { is: 'present'; value: boolean }
		/** Literal text, not a pattern. */
		| { is: 'containing'; text: string; ignoreCase: boolean; atStart: boolean; atEnd: boolean };
};

/** Conditions joined by `all` (and) or `any` (or). */
export type UserFilter = { all: UserFilter[] } | { any: UserFilter[] } | UserCondition;

export type UserListQuery = {
	filter: UserFilter | null;
	/** Fields of the answer in order of weight. `name` and `username` sort without regard to case. */
	sort: [field: string, direction: 1 | -1][];
	offset: number;
	count: number;
	/** Names of the fields to answer with. */
	fields: string[];
};

/** How a user enters the database. `services` holds only the password hash. */
export type NewUserRecord = Omit<UserRecord, 'createdAt' | '_updatedAt'> & { services: User['services'] };

/** What `insert` says: done, or which of the unique fields somebody else holds. */
export type InsertOutcome = 'inserted' | 'username-taken' | 'email-taken';

/** Compares names as Rocket.Chat's case-insensitive indexes do. */
export const ignoringCase = { locale: 'en', strength: 2 } as const;

/** Everything but what must not leave the repository. */
export const recordProjection = { services: 0, e2e: 0, rk: 0 } as const;

/** A name or an address in the form in which two of them are compared. */
export function foldName(text: string): string {
	return text.normalize('NFKC').toLowerCase();
}

/** Of several records that differ only in case, the one that fits exactly; of one, that one; else none. */
export function chooseExact<T>(found: T[], isExact: (entry: T) => boolean): T | null {
	return found.find(isExact) ?? (found.length === 1 ? (found[0] ?? null) : null);
}

/**
 * Users as records: collection `users`. Credentials are read and written by `user-credentials.ts` alone.
 * Indexes: migrations/001-indexes.ts.
 */
export function userRepository(db: Db) {
	const users: Collection<User> = db.collection('users');

	return {
		/** One user, or null. Point read. */
		findById(uid: UserId): Promise<UserRecord | null> {
			return users.findOne<UserRecord>({ _id: uid }, { projection: recordProjection });
		},

		/** Users of these ids, in any order. */
		findByIds(uids: UserId[]): Promise<UserRecord[]> {
			if (uids.length === 0) return Promise.resolve([]);
			return users.find<UserRecord>({ _id: { $in: uids } }, { projection: recordProjection }).toArray();
		},

		/** The user of this name without regard to case; the exact one where several differ only in case. */
		async findByUsername(username: string): Promise<UserRecord | null> {
			const found = await users
				.find<UserRecord>({ username }, { projection: recordProjection, collation: ignoringCase, limit: 10 })
				.toArray();
			return chooseExact(found, (user) => user.username === username);
		},

		/** Users of these names without regard to case, in any order; unknown ones are left out. */
		findByUsernames(usernames: string[]): Promise<UserRecord[]> {
			if (usernames.length === 0) return Promise.resolve([]);
			return users
				.find<UserRecord>(
					{ username: { $in: usernames } },
					{ projection: recordProjection, collation: ignoringCase, limit: 10_000 },
				)
				.toArray();
		},

		/** Whether anybody has this name in any case. */
		async hasUsername(username: string): Promise<boolean> {
			return (await users.findOne({ username }, { projection: { _id: 1 }, collation: ignoringCase })) !== null;
		},

		/** Whether anybody has this address in any case. */
		async hasEmail(email: string): Promise<boolean> {
			const filter = { 'emails.address': email };
			return (await users.findOne(filter, { projection: { _id: 1 }, collation: ignoringCase })) !== null;
		},

		/** The user with this address without regard to case, verified or not. */
		async findByEmail(email: string): Promise<UserRecord | null> {
			const found = await users
				.find<UserRecord>(
					{ 'emails.address': email },
					{ projection: recordProjection, collation: ignoringCase, limit: 10 },
				)
				.toArray();
			return chooseExact(found, (user) => user.emails?.some(({ address }) => address === email) === true);
		},

		/** A page of users and how many match. */
		async list({ filter, sort, offset, count, fields }: UserListQuery): Promise<{ users: Document[]; total: number }> {
			const match = filter === null ? {} : filterOf(filter);
			const page = await users
				.aggregate([
					{ $match: match },
					{ $set: { nameInsensitive: { $toLower: '$name' }, usernameInsensitive: { $toLower: '$username' } } },
					{ $sort: sortOf(sort) },
					{ $skip: offset },
					{ $limit: count },
					{ $project: Object.fromEntries(fields.map((field) => [field, 1])) },
				])
				.toArray();
			return { users: page, total: await users.countDocuments(match as Filter<User>) };
		},

		/**
		 * Stores a new user. Name and addresses are unique without regard to case; of several at once one wins.
		 *
		 * @param options.joinsLater Somebody has still to put him into the default rooms. @see `InitialUserRepository`
		 * @returns What is taken: then nothing was stored.
		 */
		async insert(user: NewUserRecord, { joinsLater = false } = {}): Promise<InsertOutcome> {
			const { _id, ...fields } = user;
			const emails = (user.emails ?? []).map(({ address }) => foldName(address));
			const rk = {
				...(user.username === undefined ? {} : { username: foldName(user.username) }),
				...(emails.length === 0 ? {} : { emails }),
				...(joinsLater ? { joinsLater } : {}),
			};
			try {
				await users.updateOne(
					{ _id },
					{ $setOnInsert: { ...fields, rk }, $currentDate: { createdAt: true, _updatedAt: true } },
					{ upsert: true },
				);
				return 'inserted';
			} catch (error) {
				const taken = takenField(error);
				if (taken === null) throw error;
				return taken;
			}
		},

		/**
		 * Gives a user his first name.
		 *
		 * @returns false when somebody else holds it, he has one by now, or there is no such user.
		 */
		async setFirstUsername(uid: UserId, username: string): Promise<boolean> {
			try {
				const { matchedCount } = await users.updateOne(
					{ _id: uid, username: { $exists: false } },
					{ $set: { username, 'rk.username': foldName(username) }, $currentDate: { _updatedAt: true } },
				);
				return matchedCount === 1;
			} catch (error) {
				if (takenField(error) === null) throw error;
				return false;
			}
		},

		/**
		 * Users as a list of who is there shows them, at most 10,000.
		 *
		 * @param scope Those of these ids, those changed since, or all; always without those who are offline, but for
		 *   `since`: who left is news.
		 */
		listPresence(scope: { ids: UserId[] } | { since: Date } | 'all'): Promise<UserRecord[]> {
			const present = {
				username: { $exists: true },
				status: { $in: ['online' as const, 'away' as const, 'busy' as const] },
			};
			const filter: Filter<User> =
				scope === 'all'
					? present
					: 'ids' in scope
						? { _id: { $in: scope.ids }, ...present }
						: { _updatedAt: { $gt: scope.since }, username: { $exists: true } };
			return users
				.find<UserRecord>(filter, {
					projection: { username: 1, name: 1, status: 1, utcOffset: 1, statusText: 1, avatarETag: 1, roles: 1 },
					limit: 10_000,
				})
				.toArray();
		},

		/** Whether a user with this role exists, active or not. */
		async hasRole(role: string): Promise<boolean> {
			return (await users.findOne({ roles: role }, { projection: { _id: 1 } })) !== null;
		},

		/** Gives a role to an existing user and activates him. @returns false when there is no such user. */
		async grantRole(uid: UserId, role: string): Promise<boolean> {
			const { matchedCount } = await users.updateOne(
				{ _id: uid },
				{ $addToSet: { roles: role }, $set: { active: true }, $currentDate: { _updatedAt: true } },
			);
			return matchedCount === 1;
		},
	};
}

export type UserRepository = ReturnType<typeof userRepository>;

/** Which unique field a failed write names; null when it failed for another reason. */
function takenField(error: unknown): 'username-taken' | 'email-taken' | null {
	if (!(error instanceof MongoServerError) || error.code !== 11000) return null;
	const fields = Object.keys((error['keyPattern'] as object | undefined) ?? {});
	if (fields.includes('username') || fields.includes('rk.username')) return 'username-taken';
	return fields.includes('emails.address') || fields.includes('rk.emails') ? 'email-taken' : null;
}

/** Ends in `_id`, so that pages neither overlap nor leave a gap. */
function sortOf(sort: UserListQuery['sort']): Record<string, 1 | -1> {
	const keys: Record<string, 1 | -1> = {};
	for (const [field, direction] of sort) {
		keys[field === 'name' || field === 'username' ? `${field}Insensitive` : field] = direction;
	}
	return { ...keys, _id: keys['_id'] ?? 1 };
}

/** Conditions as the database reads them. */
export function filterOf(filter: UserFilter): Document {
	if ('all' in filter) return filter.all.length === 0 ? {} : { $and: filter.all.map(filterOf) };
	if ('any' in filter) return { $or: filter.any.map(filterOf) };
	const { field, test } = filter;
	if (test.is === 'equal') return { [field]: { $eq: test.value } };
	if (test.is === 'different') return { [field]: { $ne: test.value } };
	if (test.is === 'oneOf') return { [field]: { $in: test.values } };
	if (test.is === 'present') return { [field]: { $exists: test.value } };
	const text = literalPattern(test.text);
	const pattern = `${test.atStart ? '^' : ''}${text}${test.atEnd ? '$' : ''}`;
	return { [field]: { $regex: pattern, $options: test.ignoreCase ? 'i' : '' } };
}
