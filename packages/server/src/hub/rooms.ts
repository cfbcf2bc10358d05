import type { Publication } from '@rookery/protocol/events.ts';
import type { Room } from '@rookery/protocol/records.ts';
import { publishedRoomFields } from '@rookery/protocol/room-view.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf, changedFields, touches, without } from './fields.ts';

/** A bare new date tells nobody anything. */
const visibleFields: ReadonlySet<string> = new Set(publishedRoomFields.filter((field) => field !== '_updatedAt'));

/** Counters every member's subscription is computed from. `rk.i` and `rk.p` are core's own. */
const counterPaths = /^rk(?:\.[snug])?$/;

/**
 * A room was created, changed or deleted: tells the streamers that have members of it. They make `rooms-changed` and the
 * members' `subscriptions-changed` of it themselves.
 *
 * @see realtime contract 4.6.2, 4.6.3; architecture 5, "Events"
 */
export function roomEvents(change: Change<Room>): Publication[] {
	const action = actionOf(change);
	const room = change.after ?? change.before;
	if (action === null) return [];
	if (action === 'removed') return [publication('removed', room ?? tombstone(change.id), null), ...accessEvent(change)];
	if (room === null || change.after === null) return [];
	const fields = action === 'inserted' ? null : visibleChange(change);
	if (fields?.length === 0) return accessEvent(change);
	return [publication(action, room, fields), ...avatarEvent(change, fields), ...accessEvent(change)];
}

/** Fields that decide about the readers of a room and of those that depend on it. */
const accessFields: ReadonlySet<string> = new Set(['t', 'teamId', 'teamMain', 'prid', 'abacAttributes']);

/** Readers of a discussion do not hear its parent's key, those of a team's channel not the team's. */
function accessEvent(change: Change<Room>): Publication[] {
	const action = actionOf(change);
	if (action !== 'updated' && action !== 'removed') return [];
	if (action === 'updated' && !touches(changedFields(change), accessFields)) return [];
	const room = change.after ?? change.before;
	// Nothing depends on a conversation between people.
	if (action === 'removed' && (room?.t === 'd' || room?.t === 'l' || room?.prid !== undefined)) return [];
	const body = { rid: change.id };
	return [{ key: 'all:permissions', parts: [{ kind: 'record', record: 'roomAccess', action, body }] }];
}

/** Published fields that changed, `rk` for its counters; null = unknown; empty = nothing anybody sees. */
function visibleChange(change: Change<Room>): string[] | null {
	const fields = changedFields(change);
	if (fields === null) return null;
	const isCounted = change.updatedPaths?.some((path) => counterPaths.test(path)) ?? fields.includes('rk');
	const seen = fields.filter((field) => (field === 'rk' ? isCounted : visibleFields.has(field)));
	return seen.length > 0 && fields.includes('_updatedAt') ? [...seen, '_updatedAt'] : seen;
}

function publication(action: 'inserted' | 'updated' | 'removed', room: Room, fields: string[] | null): Publication {
	return {
		key: `room:${room._id}`,
		parts: [{ kind: 'record', record: 'room', action, body: { room: withoutSecrets(room), fields } }],
	};
}

/** Without the password of the room, a visitor's token and core's own lists. */
function withoutSecrets(room: Room): Room {
	const copy: Room = without(room, ['joinCode']);
	if (room.v !== undefined) copy.v = without(room.v, ['token']);
	if (room.rk !== undefined) {
		const { s = 0, n = 0, u = 0, g = 0, i = [] } = room.rk;
		// The newest post: a streamer knows by it whose post moved the counters.
		copy.rk = { s, n, u, g, ...(i.length === 0 ? {} : { i: i.slice(-1) }) };
	}
	return copy;
}

/** Avatars are cached by their tag: everybody who is logged in hears of a new one. @see realtime contract 4.4 */
function avatarEvent({ operation, after }: Change<Room>, fields: string[] | null): Publication[] {
	if (operation !== 'update' || after === null || fields === null) return [];
	if (!touches(fields, new Set(['avatarETag']))) return [];
	const args = [{ rid: after._id, etag: after.avatarETag ?? null }];
	return [{ key: 'all:logged', parts: [{ kind: 'direct', stream: 'notify-logged', event: 'updateAvatar', args }] }];
}

/** For a room of which nothing but the id is known any more. */
function tombstone(_id: string): Room {
	return { _id, t: 'c', msgs: 0, usersCount: 0, _updatedAt: new Date(0) };
}
