import type { User } from '@rookery/protocol/records.ts';
import type { PublicUser } from './contracts.ts';

/** Who looks at a user: anybody logged in, a holder of `view-full-other-user-info`, the user himself. */
export type ViewerClass = 'other' | 'full' | 'self';

/** A user as one viewer may see him. */
export type UserView = { _id: string; username?: string; name?: string } & Record<string, unknown>;

const forAll = [
	'_id',
	'username',
	'name',
	'nickname',
	'bio',
	'status',
	'statusText',
	'type',
	'active',
	'utcOffset',
	'reason',
	'avatarETag',
	'extension',
	'federated',
] as const satisfies (keyof User)[];

const forFull = [
	'emails',
	'statusConnection',
	'statusDefault',
	'createdAt',
	'lastLogin',
	'requirePasswordChange',
	'requirePasswordChangeReason',
	'roles',
	'avatarOrigin',
	'inactiveReason',
	'_updatedAt',
] as const satisfies (keyof User)[];

const forSelf = ['settings', 'language', 'defaultRoom', 'statusLivechat'] as const satisfies (keyof User)[];

/** Fields of the entries of `users.list`, by viewer. */
export const listFields = {
	other: ['_id', 'username', 'name', 'status', 'active', 'avatarETag', 'type', 'nameInsensitive'],
	full: ['emails', 'roles', 'lastLogin'],
} as const;

/**
 * What a viewer may see of a user. Nothing of a field that is not named here goes out.
 *
 * @param publicFields Names of the custom fields that everybody may see.
 * @see REST endpoints 2, `users.info`
 */
export function viewOf(user: PublicUser, viewer: ViewerClass, publicFields: string[]): UserView {
	const names: readonly (keyof PublicUser)[] = {
		other: forAll,
		full: [...forAll, ...forFull],
		self: [...forAll, ...forFull, ...forSelf],
	}[viewer];
	const view: Record<string, unknown> = {};
	for (const name of names) if (user[name] !== undefined) view[name] = user[name];
	const { customFields } = user;
	if (customFields === undefined) return view as UserView;
	const shown = Object.entries(customFields).filter(([name]) => viewer !== 'other' || publicFields.includes(name));
	if (shown.length > 0) view['customFields'] = Object.fromEntries(shown);
	return view as UserView;
}
