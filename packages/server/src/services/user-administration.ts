import { createHash, timingSafeEqual } from 'node:crypto';
import { ClientError } from '@rookery/protocol/errors.ts';
import { isBlockedUsername, isValidUsername, publicCustomFields } from './accounts-rules.ts';
import type { Actor, NewUser } from './contracts.ts';
import type { UserDeps, UsersService } from './users.ts';
import { viewOf } from './user-views.ts';

/**
 * How `users.createToken` is switched on: by `CREATE_TOKENS_FOR_USERS_SECRET`, which callers must know, or without one
 * by `CREATE_TOKENS_FOR_USERS`. Off by default.
 */
export type TokenCreation = { enabled: boolean; secret: string | null };

type Administration = Pick<
	UsersService,
	'create' | 'createToken' | 'setUsername' | 'isUsernameFree' | 'logoutEverywhere'
>;

/** What administrators do to users, and users to their own name. */
export function userAdministration(deps: UserDeps): Administration {
	const { users, accounts, authorization, settings, tokenCreation } = deps;

	/** @returns The roles as ids: clients send names, too. */
	async function checkedRoles(actor: Actor, roles: string[]): Promise<string[]> {
		const known = await deps.roles();
		const ids = roles.map((role) => known.find(({ _id, name }) => _id === role || name === role)?._id);
		const valid = ids.filter((id) => id !== undefined);
		const method = 'insertOrUpdateUser';
		if (valid.length !== roles.length) {
			const details = { method, action: 'Assign_role' };
			throw new ClientError('error-action-not-allowed', 'The field Roles consist invalid role id', details);
		}
		if (valid.includes('admin') && !(await authorization.has(actor.uid, 'assign-admin-role'))) {
			const details = { method, action: 'Assign_admin' };
			throw new ClientError('error-action-not-allowed', 'Assigning admin is not allowed', details);
		}
		return [...new Set(valid)];
	}

	function refuseBlocked(username: string): void {
		if (!isBlockedUsername(username, settings)) return;
		throw new ClientError('error-blocked-username', `${username.slice(0, 200)} is blocked and can't be used!`);
	}

	return {
		async create(actor, { setRandomPassword, ...user }) {
			const method = 'insertOrUpdateUser';
			if (!(await authorization.has(actor.uid, 'create-user'))) {
				const details = { method, action: 'Adding_user' };
				throw new ClientError('error-action-not-allowed', 'Adding user is not allowed', details);
			}
			if (setRandomPassword === true) {
				throw new ClientError('error-email-send-failed', 'SMTP is not configured', { method });
			}
			refuseEmpty(user);
			const roles = user.roles === undefined ? {} : { roles: await checkedRoles(actor, user.roles) };
			const created = await accounts.createUser({ ...user, ...roles });
			return viewOf(created, 'full', publicCustomFields(settings));
		},

		async createToken(actor, uid, secret) {
			const isSwitchedOn =
				tokenCreation.secret === null ? tokenCreation.enabled : isSameText(secret ?? '', tokenCreation.secret);
			const mayFor = uid === actor.uid || (await authorization.has(actor.uid, 'user-generate-access-token'));
			if (!isSwitchedOn || !mayFor) {
				throw new ClientError('error-not-authorized', 'Not authorized', { method: 'createToken' });
			}
			return accounts.createToken(uid);
		},

		async setUsername(actor, username, silenced) {
			const present = await users.findById(actor.uid);
			if (present?.username === username) return username;
			// Renaming is another matter: messages, rooms and subscriptions hold the name.
			if (present === null || present.username !== undefined) {
				throw new ClientError('error-not-allowed', 'Not allowed', { method: 'setUsername' });
			}
			if (!isValidUsername(username, settings)) {
				const text = 'is not a valid username, use only letters, numbers, dots, hyphens and underscores';
				throw new ClientError('username-invalid', `${username.slice(0, 200)} ${text}`);
			}
			refuseBlocked(username);
			if ((await users.hasUsername(username)) || !(await users.setFirstUsername(actor.uid, username))) {
				const details = { method: 'setUsername' };
				throw new ClientError('error-field-unavailable', `<strong>${username}</strong> is already in use :(`, details);
			}
			await deps.joinDefaultRooms(actor.uid, silenced);
			return username;
		},

		async isUsernameFree(username) {
			refuseBlocked(username);
			return !(await users.hasUsername(username));
		},

		async logoutEverywhere(actor, uid) {
			if (uid !== actor.uid && !(await authorization.has(actor.uid, 'logout-other-user'))) {
				throw new ClientError('unauthorized');
			}
			if (await accounts.logoutEverywhere(uid)) return;
			throw new ClientError('error-invalid-user-id', 'Invalid user id', { method: 'logout' });
		},
	};
}

function refuseEmpty({ name, username, password }: NewUser): void {
	for (const [label, value] of [
		['Name', name],
		['Username', username],
		['Password', password],
	] as const) {
		if (value !== undefined && value.trim() !== '') continue;
		throw new ClientError('error-the-field-is-required', `The field ${label} is required`, {
			method: 'insertOrUpdateUser',
			field: label,
		});
	}
}

/** In constant time. */
function isSameText(given: string, expected: string): boolean {
	const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();
	return timingSafeEqual(digest(given), digest(expected));
}
