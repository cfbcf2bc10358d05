import type { Collection, Db, Document } from 'mongodb';
import type { LoginToken, User, UserId } from '@rookery/protocol/records.ts';
import { chooseExact, ignoringCase } from './users.ts';

/** How a client names the account it logs in to. An `email` may in fact be a username. */
export type LoginName = { by: 'id' | 'username' | 'email'; value: string };

/** What the login checks need of a user. `bcrypt` null = has no password. */
export type LoginUser = Pick<User, '_id' | 'username' | 'name' | 'roles' | 'active' | 'type' | 'emails'> & {
	bcrypt: string | null;
	hasTotp: boolean;
	hasEmail2fa: boolean;
};

/** A user and those of his tokens that were asked for. */
export type TokenOwner = LoginUser & { lastLogin: Date | null; tokens: LoginToken[] };

/** Login tokens kept per user; personal access tokens do not count. */
const maxLoginTokens = 50;

const loginProjection = {
	username: 1,
	name: 1,
	roles: 1,
	active: 1,
	type: 1,
	emails: 1,
	lastLogin: 1,
	'services.password.bcrypt': 1,
	'services.totp.enabled': 1,
	'services.email2fa.enabled': 1,
} as const;

const allTokens = { $ifNull: ['$services.resume.loginTokens', []] };
const isPersonal = { $eq: ['$$token.type', 'personalAccessToken'] };

/**
 * The secret half of the collection `users`: `services.password` and `services.resume`. Only accounts uses it.
 * @see data model, 7
 */
export function userCredentialRepository(db: Db) {
	const users: Collection<User> = db.collection('users');

	return {
		/** The account of a login attempt, or null. One read, whichever way it is named. */
		async findForLogin({ by, value }: LoginName): Promise<LoginUser | null> {
			if (by === 'id') {
				const user = await users.findOne({ _id: value }, { projection: loginProjection });
				return user === null ? null : loginUserOf(user);
			}
			const filter =
				by === 'username' ? { username: value } : { $or: [{ 'emails.address': value }, { username: value }] };
			const found = await users
				.find(filter, { projection: loginProjection, collation: ignoringCase, limit: 10 })
				.toArray();
			const user = chooseLogin(found, by, value);
			return user === null ? null : loginUserOf(user);
		},

		/** The owners of these token hashes, each with the tokens that were asked for. One indexed read. */
		async findByTokens(hashes: string[]): Promise<TokenOwner[]> {
			const tokens = {
				$filter: { input: allTokens, as: 'token', cond: { $in: ['$$token.hashedToken', { $literal: hashes }] } },
			};
			const found = await users
				.find<User & { tokens: LoginToken[] }>(
					{ 'services.resume.loginTokens.hashedToken': { $in: hashes } },
					{ projection: { ...loginProjection, tokens } },
				)
				.toArray();
			return found.map((user) => ({
				...loginUserOf(user),
				lastLogin: user.lastLogin ?? null,
				tokens: user.tokens,
			}));
		},

		/**
		 * Stores a new login token of an active user; the oldest goes when there are 50. Sets `lastLogin`.
		 *
		 * @param expected.bcrypt The password hash that was proven: nothing is stored when it was changed since.
		 * @param expected.hashedToken A token the user must hold: the new one gets its date.
		 * @returns The token's date; null when the user is gone, inactive, or not as expected.
		 */
		async addToken(
			uid: UserId,
			hashedToken: string,
			expected: { bcrypt?: string; hashedToken?: string } = {},
		): Promise<Date | null> {
			const { bcrypt, hashedToken: present } = expected;
			const filter = {
				_id: uid,
				active: true,
				...(bcrypt === undefined ? {} : { 'services.password.bcrypt': bcrypt }),
				...(present === undefined
					? {}
					: {
							'services.resume.loginTokens': { $elemMatch: { hashedToken: present, when: { $type: 'date' as const } } },
						}),
			};
			const after = await users.findOneAndUpdate(filter, tokenPipeline(hashedToken, present), {
				projection: { newest: { $arrayElemAt: [allTokens, -1] } },
				returnDocument: 'after',
			});
			return (after as { newest?: LoginToken } | null)?.newest?.when ?? null;
		},

		/** Removes one token. @returns false when the user did not hold it. */
		async removeToken(uid: UserId, hashedToken: string): Promise<boolean> {
			const { modifiedCount } = await users.updateOne(
				{ _id: uid, 'services.resume.loginTokens.hashedToken': hashedToken },
				{ $pull: { 'services.resume.loginTokens': { hashedToken } }, $currentDate: { _updatedAt: true } },
			);
			return modifiedCount === 1;
		},

		/**
		 * Removes all login tokens but one, personal access tokens excepted.
		 *
		 * @returns The hashes that stopped being valid.
		 */
		async removeOtherTokens(uid: UserId, keep: string): Promise<string[]> {
			const kept = {
				$filter: {
					input: allTokens,
					as: 'token',
					cond: { $or: [isPersonal, { $eq: ['$$token.hashedToken', { $literal: keep }] }] },
				},
			};
			const before = await users.findOneAndUpdate(
				{ _id: uid },
				[{ $set: { 'services.resume.loginTokens': kept, _updatedAt: '$$NOW' } }],
				{ projection: { 'services.resume.loginTokens': 1 }, returnDocument: 'before' },
			);
			return (before?.services?.resume?.loginTokens ?? [])
				.filter(({ type, hashedToken }) => type !== 'personalAccessToken' && hashedToken !== keep)
				.map(({ hashedToken }) => hashedToken);
		},

		/** Removes every token, personal ones included. @returns false when there is no such user. */
		async removeAllTokens(uid: UserId): Promise<boolean> {
			const { matchedCount } = await users.updateOne(
				{ _id: uid },
				{ $set: { 'services.resume.loginTokens': [] }, $currentDate: { _updatedAt: true } },
			);
			return matchedCount === 1;
		},

		/** A stronger hash of the same password. Nothing happens when the password was changed since. */
		async replaceHash(uid: UserId, former: string, bcrypt: string): Promise<void> {
			await users.updateOne(
				{ _id: uid, 'services.password.bcrypt': former },
				{ $set: { 'services.password.bcrypt': bcrypt }, $currentDate: { _updatedAt: true } },
			);
		},

		/**
		 * A new password: a pending reset ends, and all tokens but `keep`, personal ones included.
		 *
		 * @returns The hashes that stopped being valid; null when there is no such user.
		 */
		async setPassword(uid: UserId, bcrypt: string, keep: string | null): Promise<string[] | null> {
			const kept = {
				$filter: {
					input: allTokens,
					as: 'token',
					cond: { $eq: ['$$token.hashedToken', { $literal: keep ?? '' }] },
				},
			};
			const before = await users.findOneAndUpdate(
				{ _id: uid },
				[
					{
						$set: {
							'services.password.bcrypt': { $literal: bcrypt },
							'services.resume.loginTokens': kept,
							_updatedAt: '$$NOW',
						},
					},
					{ $unset: ['services.password.reset', 'services.password.enroll'] },
				],
				{ projection: { 'services.resume.loginTokens': 1 }, returnDocument: 'before' },
			);
			if (before === null) return null;
			const tokens = before.services?.resume?.loginTokens ?? [];
			return tokens.map(({ hashedToken }) => hashedToken).filter((hash) => hash !== keep);
		},

		/** Notes that these users came back with a token. No client follows this field: `_updatedAt` stays. */
		async touchLastLogin(uids: UserId[]): Promise<void> {
			await users.updateMany({ _id: { $in: uids } }, { $currentDate: { lastLogin: true } });
		},

		/** Which credentials a user has, without any secret; null when there is no such user. */
		async kindsOf(
			uid: UserId,
		): Promise<{ password: boolean; totp: boolean; email2fa: boolean; services: string[] } | null> {
			const services = { $map: { input: { $objectToArray: { $ifNull: ['$services', {}] } }, in: '$$this.k' } };
			const user = await users.findOne<User & { names: string[] }>(
				{ _id: uid },
				{ projection: { ...loginProjection, names: services } },
			);
			if (user === null) return null;
			const { bcrypt, hasTotp, hasEmail2fa } = loginUserOf(user);
			return { password: bcrypt !== null, totp: hasTotp, email2fa: hasEmail2fa, services: user.names };
		},
	};
}

export type UserCredentialRepository = ReturnType<typeof userCredentialRepository>;

/** Keeps personal tokens and the newest 49 others, then adds the new one at the end. */
function tokenPipeline(hashedToken: string, present: string | undefined): Document[] {
	const others = (personal: boolean) => ({
		$filter: { input: allTokens, as: 'token', cond: personal ? isPersonal : { $not: [isPersonal] } },
	});
	const presentToken = {
		$first: {
			$filter: { input: allTokens, as: 'token', cond: { $eq: ['$$token.hashedToken', { $literal: present ?? '' }] } },
		},
	};
	const when = present === undefined ? '$$NOW' : { $getField: { field: 'when', input: presentToken } };
	const newest = {
		$slice: [{ $sortArray: { input: others(false), sortBy: { when: 1 } } }, -(maxLoginTokens - 1)],
	};
	const tokens = { $concatArrays: [others(true), newest, [{ when, hashedToken: { $literal: hashedToken } }]] };
	return [{ $set: { 'services.resume.loginTokens': tokens, lastLogin: '$$NOW', _updatedAt: '$$NOW' } }];
}

/** An exact address, then the only similar one, then the same for the username. */
function chooseLogin(found: User[], by: 'username' | 'email', value: string): User | null {
	if (by === 'email') {
		const wanted = value.toLowerCase();
		const has = (user: User, fits: (address: string) => boolean) =>
			user.emails?.some(({ address }) => fits(address)) === true;
		const owners = found.filter((user) => has(user, (address) => address.toLowerCase() === wanted));
		const owner = chooseExact(owners, (user) => has(user, (address) => address === value));
		if (owner !== null || owners.length > 0) return owner;
	}
	return chooseExact(found, (user) => user.username === value);
}

function loginUserOf(user: User): LoginUser {
	const { _id, username, name, roles, active, type, emails, services } = user;
	return {
		_id,
		roles: roles ?? [],
		active,
		type,
		...(username === undefined ? {} : { username }),
		...(name === undefined ? {} : { name }),
		...(emails === undefined ? {} : { emails }),
		bcrypt: services?.password?.bcrypt ?? null,
		hasTotp: services?.totp?.enabled === true,
		hasEmail2fa: services?.email2fa?.enabled === true,
	};
}
