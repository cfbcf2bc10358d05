import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { PublicUser } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { qText } from './query.ts';

const bodyText = z.string().max(8192);

/** How a request names a user: looked at in this order. `user` is a username. */
export type UserRefParams = {
	userId?: string | undefined;
	username?: string | undefined;
	user?: string | undefined;
};

/** Parameters of a query that name a user. */
export const userRefQuery = { userId: qText.optional(), username: qText.optional(), user: qText.optional() };

/** Parameters of a body that name a user. */
export const userRefBody = { userId: bodyText.optional(), username: bodyText.optional(), user: bodyText.optional() };

/** Parameters of a body that name several users, beside those that name one. */
export const userListRefBody = {
	...userRefBody,
	userIds: z.array(bodyText).max(1000).optional(),
	usernames: z.array(bodyText).max(1000).optional(),
};

export type UserListRefParams = UserRefParams & { userIds?: string[] | undefined; usernames?: string[] | undefined };

/**
 * The user a request names.
 *
 * @throws ClientError `error-user-param-not-provided`, `error-invalid-user`
 * @see REST endpoints 0.1, UserRef
 */
export async function userOf(services: CoreServices, ref: UserRefParams): Promise<PublicUser> {
	const user = await find(services, ref);
	if (user === undefined) {
		throw new ClientError(
			'error-user-param-not-provided',
			'The required "userId" or "username" param was not provided',
		);
	}
	if (user === null) {
		throw new ClientError(
			'error-invalid-user',
			'The required "userId" or "username" param provided does not match any users',
		);
	}
	return user;
}

/**
 * The users a request names, each once. Unknown ones are left out, so that the list may be empty.
 *
 * @throws ClientError `error-users-params-not-provided` when it names nobody
 * @see REST endpoints 0.1, UserListRef
 */
export async function usersOf(services: CoreServices, ref: UserListRefParams): Promise<PublicUser[]> {
	const one = await find(services, ref);
	if (one === undefined && ref.userIds === undefined && ref.usernames === undefined) {
		throw new ClientError(
			'error-users-params-not-provided',
			'Please provide "userId" or "username" or "userIds" or "usernames" as param',
		);
	}
	const found = [
		...(one === undefined || one === null ? [] : [one]),
		...(await services.users.findByIds([...new Set(ref.userIds ?? [])])),
		...(await services.users.findByUsernames([...new Set(ref.usernames ?? [])])),
	];
	return [...new Map(found.map((user) => [user._id, user])).values()];
}

/** undefined: nobody was named. null: nobody fits. */
async function find(services: CoreServices, ref: UserRefParams): Promise<PublicUser | null | undefined> {
	if (ref.userId !== undefined && ref.userId !== '') return services.users.findById(ref.userId);
	const username = [ref.username, ref.user].find((name) => name !== undefined && name !== '');
	return username === undefined ? undefined : services.users.findByUsername(username);
}
