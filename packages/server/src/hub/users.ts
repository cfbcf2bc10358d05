import type { EventPart, Publication } from '@rookery/protocol/events.ts';
import type { User } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf, changedFields, touches, without } from './fields.ts';
import { userDataOf, type UserData } from './user-data.ts';

/** Presence publishes these itself. @see realtime contract 5.4 */
const presenceFields: ReadonlySet<string> = new Set([
	'status',
	'statusConnection',
	'statusDefault',
	'statusText',
	'statusSource',
	'statusExpiresAt',
	'statusId',
	'previousState',
	'_updatedAt',
]);

/** Never on the bus: credentials, keys, and what only core works with. */
const secretFields = ['services', 'e2e', 'inviteToken', 'importIds', '__rooms'] as const;

const nameFields: ReadonlySet<string> = new Set(['name', 'username']);
const avatarFields: ReadonlySet<string> = new Set(['avatarETag']);

/**
 * A user's record changed: for his own sessions (`userData`), for everybody who shows his name or avatar, and for the
 * sockets whose login token has ended.
 *
 * @see realtime contract 4.4, 4.6.5, 4.6.6, 5.4
 */
export function userEvents(change: Change<User>): Publication[] {
	const action = actionOf(change);
	if (action === null) return [];
	if (action === 'removed') return [ended(change)];
	const user = change.after;
	if (user === null) return [];
	const fields = action === 'updated' ? changedFields(change) : null;
	if (fields !== null && fields.every((field) => presenceFields.has(field))) return [];
	const parts: EventPart[] = [];
	const data = action === 'updated' ? userDataOf(change) : { diff: {}, unset: {} };
	if (action === 'inserted' || tellsAnything(data)) parts.push(recordPart(action, user, data));
	if (action === 'updated') parts.push(...logoutParts(change, fields));
	const own: Publication[] = parts.length === 0 ? [] : [{ key: `user:${user._id}`, parts }];
	return action === 'updated' ? [...own, ...announcement(user, fields)] : own;
}

function recordPart(action: 'inserted' | 'updated' | 'removed', user: User, { diff, unset }: UserData): EventPart {
	return { kind: 'record', record: 'user', action, body: { user: without(user, secretFields), diff, unset } };
}

/** A bare new date tells nobody anything. */
function tellsAnything({ diff, unset }: UserData): boolean {
	return Object.keys(unset).length > 0 || Object.keys(diff).some((path) => path !== '_updatedAt');
}

/** The user is gone: his sockets, too. */
function ended({ id, before }: Change<User>): Publication {
	const parts: EventPart[] = [logoutPart(id, null, 'removed')];
	if (before !== null) parts.unshift(recordPart('removed', before, { diff: {}, unset: {} }));
	return { key: `user:${id}`, parts };
}

function logoutParts({ before, after }: Change<User>, fields: string[] | null): EventPart[] {
	if (after === null) return [];
	if (touches(fields, new Set(['active'])) && !after.active && (before?.active ?? true)) {
		return [logoutPart(after._id, null, 'deactivated')];
	}
	if (!touches(fields, new Set(['services']))) return [];
	const valid = tokensOf(after);
	// Without the version before nobody knows which went: only "none is left" is certain. Sockets find out the rest when
	// they prove their token again.
	if (before === null) return valid.size === 0 && fields !== null ? [logoutPart(after._id, null, 'revoked')] : [];
	const gone = [...tokensOf(before)].filter((token) => !valid.has(token));
	return gone.length === 0 ? [] : [logoutPart(after._id, gone, 'revoked')];
}

function logoutPart(uid: string, hashedTokens: string[] | null, reason: string): EventPart {
	return { kind: 'record', record: 'logout', action: 'removed', body: { uid, hashedTokens, reason } };
}

function tokensOf({ services }: User): Set<string> {
	return new Set((services?.resume?.loginTokens ?? []).map((token) => token.hashedToken));
}

/** What everybody who is logged in hears. */
function announcement(user: User, fields: string[] | null): Publication[] {
	const parts: EventPart[] = [];
	const { _id, name, username } = user;
	if (fields !== null && touches(fields, nameFields)) {
		const args = [{ _id, name, username }];
		parts.push({ kind: 'direct', stream: 'notify-logged', event: 'Users:NameChanged', args });
	}
	if (fields !== null && touches(fields, avatarFields) && username !== undefined) {
		const args = [{ username, etag: user.avatarETag ?? null }];
		parts.push({ kind: 'direct', stream: 'notify-logged', event: 'updateAvatar', args });
	}
	return parts.length === 0 ? [] : [{ key: 'all:logged', parts }];
}
