import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Room } from '@rookery/protocol/records.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { readDate, readFields } from './list-query.ts';
import { qText } from './query.ts';
import { freshAnswer, roomAnswer } from './room-reading.ts';
import { anyRoomOf, bodyText, requireAccess, roomRefBody, roomRefQuery } from './room-ref.ts';
import { forbidden, RestFailure, route } from './route.ts';
import { userOf, userRefQuery } from './user-ref.ts';

const roomIdBody = z.object({ roomId: bodyText });

/** Without a date everything and no `remove`. @see REST endpoints 7 */
export const roomsGet = route({
	get: 'rooms.get',
	summary: "The caller's rooms, or what changed of them since a date",
	auth: 'user',
	query: z.object({ updatedSince: qText.optional() }),
	run: async ({ actor, query, services }) => {
		if (query.updatedSince === undefined) return { update: await services.rooms.all(actor), remove: [] };
		const reason = 'The "updatedSince" query parameter must be a valid date.';
		return services.rooms.since(actor, readDate(query.updatedSince, ['error-updatedSince-param-invalid', reason]));
	},
});

/** An SDK sends `rid` in place of `roomId`. */
export const roomsInfo = route({
	get: 'rooms.info',
	summary: 'One room of any type',
	auth: 'user',
	query: z.object({ ...roomRefQuery, rid: qText.optional(), fields: qText.optional() }),
	run: async ({ actor, query, services }) => {
		const room = await anyRoomOf(services, { ...query, roomId: query.roomId ?? query.rid }, 'allowed');
		if (!(await services.authorization.canAccessRoom(room._id, actor.uid))) {
			throw new RestFailure(400, { error: 'not-allowed', errorType: 'Not Allowed' });
		}
		const select = readFields(query.fields);
		const parent = await parentOf(services, actor, room);
		return {
			room: select(await roomAnswer(services, actor, room)),
			...(parent === null ? {} : { parent }),
		};
	},
});

/** The room a discussion belongs to, where the caller may see it. */
async function parentOf(services: CoreServices, actor: Actor, room: Room): Promise<object | null> {
	if (room.prid === undefined) return null;
	const parent = await services.rooms.findReadable(actor, room.prid);
	if (parent === null) return null;
	const { _id, name, fname, t, prid, u } = parent;
	return { _id, name, fname, t, prid, u };
}

/** Answers the same when the caller is in the room already. */
export const roomsJoin = route({
	post: 'rooms.join',
	summary: 'Join a room',
	auth: 'user',
	body: z.object({ ...roomRefBody, joinCode: bodyText.optional() }),
	run: async ({ actor, body, services }) => {
		const room = await anyRoomOf(services, body, 'refused');
		await services.rooms.join(actor, room, body.joinCode);
		return { room: await freshAnswer(services, actor, room) };
	},
});

/** An SDK sends `rid` in place of `roomId`. */
export const roomsLeave = route({
	post: 'rooms.leave',
	summary: 'Leave a channel or private group',
	auth: 'user',
	body: z.object({ ...roomRefBody, rid: bodyText.optional() }),
	run: async ({ actor, body, services }) => {
		const room = await anyRoomOf(services, { ...body, roomId: body.roomId ?? body.rid }, 'refused');
		await services.rooms.leave(actor, room);
		return {};
	},
});

/** With its messages and memberships. */
export const roomsDelete = route({
	post: 'rooms.delete',
	summary: 'Delete a room of any type',
	auth: 'user',
	body: z.object({ roomId: bodyText.optional() }),
	run: async ({ actor, body, services }) => {
		if (body.roomId === undefined || body.roomId === '') {
			throw new RestFailure(400, "The 'roomId' param is required");
		}
		await services.rooms.deleteRoom(actor, body.roomId);
		return {};
	},
});

/** Also when it is there already. */
export const roomsOpen = route({
	post: 'rooms.open',
	summary: 'Show a room in the list of rooms',
	auth: 'user',
	body: roomIdBody,
	run: async ({ actor, body, services }) => {
		await requireAccess(services, actor, await anyRoomOf(services, body, 'allowed'));
		await services.rooms.open(actor, body.roomId);
		return {};
	},
});

/** Until the next post in it. */
export const roomsHide = route({
	post: 'rooms.hide',
	summary: 'Take a room out of the list of rooms',
	auth: 'user',
	body: roomIdBody,
	run: async ({ actor, body, services }) => {
		await requireAccess(services, actor, await anyRoomOf(services, body, 'allowed'));
		const own = await services.subscriptions.find(actor.uid, body.roomId);
		if (own !== null && !own.open) throw new RestFailure(400, 'error-room-already-hidden');
		await services.rooms.hide(actor, body.roomId);
		return {};
	},
});

/** Only for members. */
export const roomsFavorite = route({
	post: 'rooms.favorite',
	summary: "Make a room one of the caller's favourites, or not",
	auth: 'user',
	body: z.object({ ...roomRefBody, favorite: z.boolean().optional() }),
	run: async ({ actor, body, services }) => {
		if (body.favorite === undefined) throw new RestFailure(400, "The 'favorite' param is required");
		const room = await anyRoomOf(services, body, 'refused');
		await services.rooms.setFavorite(actor, room._id, body.favorite);
		return {};
	},
});

/** Also tells of rooms the caller may not see: names are unique over all of them. */
export const roomsNameExists = route({
	get: 'rooms.nameExists',
	summary: 'Whether a room name is taken',
	auth: 'user',
	query: z.object({ roomName: qText }),
	run: async ({ query, services }) => ({ exists: await services.rooms.nameExists(query.roomName) }),
});

/** For members of the room alone. */
export const roomsIsMember = route({
	get: 'rooms.isMember',
	summary: 'Whether a user is in a room',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...userRefQuery }),
	run: async ({ actor, query, services }) => {
		const room = await anyRoomOf(services, query, 'allowed');
		if (!(await services.rooms.isMember(actor.uid, room._id))) throw forbidden();
		const user = await userOf(services, query).catch((error: unknown) => {
			// The contract has this one as a bare text.
			const isUnknown = error instanceof ClientError && error.code === 'error-invalid-user';
			throw isUnknown ? new RestFailure(400, 'error-user-not-found') : error;
		});
		return { isMember: await services.rooms.isMember(user._id, room._id) };
	},
});

/** Only members who hold a role in it. */
export const roomsRoles = route({
	get: 'rooms.roles',
	summary: 'Roles in a room of any type',
	auth: 'user',
	query: z.object({ rid: qText }),
	run: async ({ actor, query, services }) => {
		const room = await anyRoomOf(services, { roomId: query.rid }, 'allowed');
		await requireAccess(services, actor, room);
		return { roles: await services.rooms.listRoles(room) };
	},
});
