import { z } from 'zod';
import { ClientError, type ErrorCode } from '@rookery/protocol/errors.ts';
import type { Room } from '@rookery/protocol/records.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { qText } from './query.ts';
import { forbidden } from './route.ts';

/** How a request names a room. Blank texts count as not given. */
export type RoomRef = { roomId?: string | undefined; roomName?: string | undefined };

/** Parameters of a query that name a room. */
export const roomRefQuery = { roomId: qText.optional(), roomName: qText.optional() };

/** An id or a name in a body. */
export const bodyText = z.string().max(8192);

/** Parameters of a body that name a room. */
export const roomRefBody = { roomId: bodyText.optional(), roomName: bodyText.optional() };

/** What the three macros of the contract differ in. */
type RefKind = { types: Room['t'][] | null; missing: ErrorCode; unknown: string; title: string };

const channelKind: RefKind = {
	types: ['c'],
	missing: 'error-roomid-param-not-provided',
	unknown: 'channel',
	title: 'channel',
};
const groupKind: RefKind = {
	types: ['p'],
	missing: 'error-room-param-not-provided',
	unknown: 'group',
	title: 'private group',
};
const anyKind: RefKind = { ...channelKind, types: null };

/** Whether an archived room will do. */
type Archived = 'allowed' | 'refused';

/**
 * The public channel a request names.
 *
 * @throws ClientError `error-roomid-param-not-provided`, `error-room-not-found`, `error-room-archived`
 * @see REST endpoints 0.1, ChanRef
 */
export function channelOf(services: CoreServices, ref: RoomRef, archived: Archived): Promise<Room> {
	return roomOf(services, ref, channelKind, archived);
}

/**
 * The private group a request names. One that the caller may not access looks like none.
 *
 * @throws ClientError `error-room-param-not-provided`, `error-room-not-found`, `error-room-archived`
 * @see REST endpoints 0.1, GroupRef
 */
export async function groupOf(services: CoreServices, actor: Actor, ref: RoomRef, archived: Archived): Promise<Room> {
	const room = await roomOf(services, ref, groupKind, 'allowed');
	if (!(await services.authorization.canAccessRoom(room._id, actor.uid))) throw notFound(groupKind);
	if (archived === 'refused') refuseArchived(room, groupKind);
	return room;
}

/**
 * The private group a request names, without a look at who asks: the action judges.
 *
 * @throws ClientError as `groupOf`
 */
export function anyGroupOf(services: CoreServices, ref: RoomRef): Promise<Room> {
	return roomOf(services, ref, groupKind, 'allowed');
}

/** The room of any type a request names. @throws ClientError as `channelOf` @see REST endpoints 7, AnyRoomRef */
export function anyRoomOf(services: CoreServices, ref: RoomRef, archived: Archived): Promise<Room> {
	return roomOf(services, ref, anyKind, archived);
}

/** Refuses with "403u" whoever has no access to the room. */
export async function requireAccess(services: CoreServices, actor: Actor, room: Room): Promise<void> {
	if (!(await services.authorization.canAccessRoom(room._id, actor.uid))) throw forbidden();
}

/** Refuses with "403u" whoever may not read the room, as a preview neither. */
export async function requireReading(services: CoreServices, actor: Actor, room: Room): Promise<void> {
	if (!(await services.authorization.canReadRoom(room._id, actor.uid))) throw forbidden();
}

async function roomOf(services: CoreServices, ref: RoomRef, kind: RefKind, archived: Archived): Promise<Room> {
	const roomId = given(ref.roomId);
	const roomName = given(ref.roomName);
	if (roomId === undefined && roomName === undefined) {
		throw new ClientError(kind.missing, 'The parameter "roomId" or "roomName" is required');
	}
	const room = await services.rooms.findByRef({ roomId, roomName });
	if (room === null || (kind.types !== null && !kind.types.includes(room.t))) throw notFound(kind);
	if (archived === 'refused') refuseArchived(room, kind);
	return room;
}

function refuseArchived(room: Room, kind: RefKind): void {
	if (room.archived !== true) return;
	throw new ClientError('error-room-archived', `The ${kind.title}, ${room.name ?? ''}, is archived`);
}

function notFound(kind: RefKind): ClientError {
	return new ClientError(
		'error-room-not-found',
		`The required "roomId" or "roomName" param provided does not match any ${kind.unknown}`,
	);
}

function given(text: string | undefined): string | undefined {
	return text === undefined || text.trim() === '' ? undefined : text;
}
