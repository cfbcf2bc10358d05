import type { User } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';
import { isEqual } from './fields.ts';

/** What a user's own clients may be told of his record. Never a credential. @see realtime contract 4.6.5 */
const ownPaths = [
	'name',
	'username',
	'emails',
	'status',
	'statusDefault',
	'statusText',
	'statusConnection',
	'statusSource',
	'statusExpiresAt',
	'avatarOrigin',
	'avatarETag',
	'avatarUrl',
	'utcOffset',
	'language',
	'settings.preferences',
	'roles',
	'active',
	'defaultRoom',
	'customFields',
	'statusLivechat',
	'livechat',
	'nickname',
	'bio',
	'requirePasswordChange',
	'requirePasswordChangeReason',
	'e2e.public_key',
	'extension',
	'lastLogin',
	'createdAt',
	'_updatedAt',
	'type',
	'oauth.authorizedClients',
	'inviteToken',
	'services.totp.enabled',
	'services.email2fa.enabled',
	'banners',
	'cloud',
	'openBusinessHours',
] as const;

/** Objects of which single keys are told, so that a client keeps the others. */
const keyedPaths: ReadonlySet<string> = new Set(['settings.preferences', 'customFields', 'banners']);

/** The two halves of a `userData` event: both are always there. */
export type UserData = { diff: Record<string, unknown>; unset: Record<string, 1> };

/** What of a change its user's clients are told. */
export function userDataOf(change: Change<User>): UserData {
	const data: UserData = { diff: {}, unset: {} };
	for (const path of changedPaths(change)) {
		const value = valueAt(change.after, path);
		if (value === undefined) data.unset[path] = 1;
		else data.diff[path] = value;
	}
	return data;
}

function changedPaths(change: Change<User>): Iterable<string> {
	if (change.updatedPaths === null) return replacedPaths(change);
	const told = new Set<string>();
	for (const changed of change.updatedPaths) {
		for (const own of ownPaths) {
			if (changed === own || own.startsWith(`${changed}.`)) told.add(own);
			else if (changed.startsWith(`${own}.`)) told.add(keyedPaths.has(own) ? firstKey(own, changed) : own);
		}
	}
	// What is told as a whole needs no single keys.
	return [...told].filter((path) => ![...keyedPaths].some((whole) => told.has(whole) && path.startsWith(`${whole}.`)));
}

/** A whole new record: what differs from the old one, or everything where the old one is unknown. */
function replacedPaths({ before, after }: Change<User>): string[] {
	return ownPaths.filter((path) => {
		const now = valueAt(after, path);
		return before === null ? now !== undefined : !isEqual(valueAt(before, path), now);
	});
}

function firstKey(own: string, changed: string): string {
	return `${own}.${changed.slice(own.length + 1).split('.', 1)[0]}`;
}

function valueAt(user: User | null, path: string): unknown {
	let value: unknown = user;
	for (const name of path.split('.')) {
		if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
		value = (value as Record<string, unknown>)[name];
	}
	return value;
}
