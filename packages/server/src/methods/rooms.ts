import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { freeForm } from '@rookery/protocol/free-form.ts';
import type { Room } from '@rookery/protocol/records.ts';
import { roomExtraData } from '@rookery/protocol/room-request.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { method } from './method.ts';

const id = z.string().max(1024);
const roomName = z.string().max(8192);
const usernames = z.array(z.string().max(255)).max(1000);
const creation = z.tuple([roomName, usernames.optional(), z.boolean().optional(), freeForm.optional(), roomExtraData]);

/** A room the caller may access. @throws ClientError `error-not-allowed`, also when there is none */
async function accessible(services: CoreServices, actor: Actor, rid: string, name: string): Promise<Room> {
	const room = await services.rooms.findByRef({ roomId: rid });
	if (room !== null && (await services.authorization.canAccessRoom(rid, actor.uid))) return room;
	throw new ClientError('error-not-allowed', 'Not allowed', { method: name });
}

/** A room, whoever asks: the action that follows judges. @throws ClientError `error-invalid-room` */
async function existing(services: CoreServices, rid: string, name: string): Promise<Room> {
	const room = await services.rooms.findByRef({ roomId: rid });
	if (room === null) throw new ClientError('error-invalid-room', 'Invalid room', { method: name });
	return room;
}

async function published(services: CoreServices, actor: Actor | null, room: Room): Promise<object> {
	const [view] = await services.rooms.publishedView(actor?.uid ?? null, [room]);
	return { ...view };
}

/** `rooms/get(updatedAt?)`: what is no date counts as absent. @see realtime contract 3.5 */
export const roomsGet = method('rooms/get', {
	auth: 'public',
	params: z.tuple([z.unknown().optional()]),
	run: ({ actor, params: [updatedAt], services }) => {
		if (!(updatedAt instanceof Date)) return services.rooms.all(actor);
		return actor === null ? Promise.resolve({ update: [], remove: [] }) : services.rooms.since(actor, updatedAt);
	},
});

/** `getRoomIdByNameOrId(nameOrId)` */
export const getRoomIdByNameOrId = method('getRoomIdByNameOrId', {
	auth: 'user',
	params: z.tuple([roomName]),
	run: ({ actor, params: [nameOrId], services }) => services.rooms.idByNameOrId(actor, nameOrId),
});

/** `getRoomNameById(rid)` */
export const getRoomNameById = method('getRoomNameById', {
	auth: 'user',
	params: z.tuple([id]),
	run: async ({ actor, params: [rid], services }) => (await accessible(services, actor, rid, 'getRoomNameById')).name,
});

/** `getRoomById(rid)` */
export const getRoomById = method('getRoomById', {
	auth: 'user',
	params: z.tuple([id]),
	run: async ({ actor, params: [rid], services }) =>
		published(services, actor, await accessible(services, actor, rid, 'getRoomById')),
});

/** `getRoomByTypeAndName(t, nameOrId)`: the web client's addresses. */
export const getRoomByTypeAndName = method('getRoomByTypeAndName', {
	auth: 'public',
	params: z.tuple([z.string().max(10), roomName]),
	run: async ({ actor, params: [t, nameOrId], services }) => {
		if (t !== 'c' && t !== 'p' && t !== 'd') {
			throw new ClientError('error-invalid-room', 'Invalid room', { method: 'getRoomByTypeAndName' });
		}
		return published(services, actor, await services.rooms.findByTypeAndName(actor, t, nameOrId));
	},
});

/** `roomNameExists(name)` */
export const roomNameExists = method('roomNameExists', {
	auth: 'user',
	params: z.tuple([roomName]),
	run: ({ params: [name], services }) => services.rooms.nameExists(name),
});

function creator(t: 'c' | 'p') {
	return async (actor: Actor, params: z.infer<typeof creation>, services: CoreServices): Promise<object> => {
		const [name, members, readOnly, customFields, extraData] = params;
		const room = await services.rooms.create(actor, { t, name, members, readOnly, customFields, extraData });
		return { ...(await published(services, actor, room)), rid: room._id };
	};
}

/** `createChannel(name, members?, readOnly?, customFields?, extraData?)` @see realtime contract 3.8 */
export const createChannel = method('createChannel', {
	auth: 'user',
	params: creation,
	run: ({ actor, params, services }) => creator('c')(actor, params, services),
});

/** `createPrivateGroup(name, members?, readOnly?, customFields?, extraData?)` */
export const createPrivateGroup = method('createPrivateGroup', {
	auth: 'user',
	params: creation,
	run: ({ actor, params, services }) => creator('p')(actor, params, services),
});

/** `createDirectMessage(...usernames)`; an SDK reads `rid`. */
export const createDirectMessage = method('createDirectMessage', {
	auth: 'user',
	params: z.tuple([z.string().max(255)]).rest(z.string().max(255)),
	run: async ({ actor, params, services }) => {
		const { room } = await services.rooms.createDirect(actor, params);
		return { ...(await published(services, actor, room)), rid: room._id };
	},
});

/** `joinRoom(rid, joinCode?)`: true, or nothing when the caller was in it. */
export const joinRoom = method('joinRoom', {
	auth: 'user',
	params: z.tuple([id, z.string().max(1024).optional()]),
	run: async ({ actor, params: [rid, joinCode], services }) => {
		const room = await existing(services, rid, 'joinRoom');
		return (await services.rooms.join(actor, room, joinCode)) ? true : undefined;
	},
});

/** `leaveRoom(rid)` */
export const leaveRoom = method('leaveRoom', {
	auth: 'user',
	params: z.tuple([id]),
	run: async ({ actor, params: [rid], services }) =>
		services.rooms.leave(actor, await existing(services, rid, 'leaveRoom')),
});

/** `joinDefaultChannels(silenced?)` */
export const joinDefaultChannels = method('joinDefaultChannels', {
	auth: 'user',
	params: z.tuple([z.boolean().optional()]),
	run: ({ actor, params: [silenced], services }) => services.rooms.joinDefaultRooms(actor.uid, silenced === true),
});

/** `addUsersToRoom({rid, users})` */
export const addUsersToRoom = method('addUsersToRoom', {
	auth: 'user',
	params: z.tuple([z.object({ rid: id, users: usernames })]),
	run: async ({ actor, params: [{ rid, users }], services }) => {
		const room = await existing(services, rid, 'addUsersToRoom');
		await services.rooms.addMembersByName(actor, room, users);
		return true;
	},
});

/** `addUserToRoom({rid, username})` */
export const addUserToRoom = method('addUserToRoom', {
	auth: 'user',
	params: z.tuple([z.object({ rid: id, username: z.string().max(255) })]),
	run: async ({ actor, params: [{ rid, username }], services }) => {
		const room = await existing(services, rid, 'addUserToRoom');
		await services.rooms.addMembersByName(actor, room, [username]);
		return true;
	},
});

/** `removeUserFromRoom({rid, username})` */
export const removeUserFromRoom = method('removeUserFromRoom', {
	auth: 'user',
	params: z.tuple([z.object({ rid: id, username: z.string().max(255) })]),
	run: async ({ actor, params: [{ rid, username }], services }) => {
		const room = await existing(services, rid, 'removeUserFromRoom');
		const user = await services.users.findByUsername(username);
		await services.rooms.removeMember(actor, room, user?._id ?? '');
		return true;
	},
});

/** `eraseRoom(rid)`: how many rooms were deleted. */
export const eraseRoom = method('eraseRoom', {
	auth: 'user',
	params: z.tuple([id]),
	run: async ({ actor, params: [rid], services }) => {
		await services.rooms.deleteRoom(actor, rid);
		return 1;
	},
});

/** `openRoom(rid)` */
export const openRoom = method('openRoom', {
	auth: 'user',
	params: z.tuple([id]),
	run: ({ actor, params: [rid], services }) => services.rooms.open(actor, rid),
});

/** `hideRoom(rid)` */
export const hideRoom = method('hideRoom', {
	auth: 'user',
	params: z.tuple([id]),
	run: ({ actor, params: [rid], services }) => services.rooms.hide(actor, rid),
});

/** `toggleFavorite(rid, f)` */
export const toggleFavorite = method('toggleFavorite', {
	auth: 'user',
	params: z.tuple([id, z.boolean()]),
	run: ({ actor, params: [rid, isFavorite], services }) => services.rooms.setFavorite(actor, rid, isFavorite),
});

/** `getRoomRoles(rid)` */
export const getRoomRoles = method('getRoomRoles', {
	auth: 'user',
	params: z.tuple([id]),
	run: async ({ actor, params: [rid], services }) =>
		services.rooms.listRoles(await accessible(services, actor, rid, 'getRoomRoles')),
});

const memberPage = z.object({ limit: z.int().min(0).optional(), skip: z.int().min(0).optional() });

/** `getUsersOfRoom(rid, showAll?, {limit?, skip?}?, filter?)`: without `showAll` nobody who is offline. */
export const getUsersOfRoom = method('getUsersOfRoom', {
	auth: 'user',
	params: z.tuple([id, z.boolean().optional(), memberPage.optional(), z.string().max(256).optional()]),
	run: async ({ actor, params: [rid, showAll, page, text], services }) => {
		const room = await accessible(services, actor, rid, 'getUsersOfRoom');
		if (!(await services.rooms.mayListMembers(actor, room))) {
			throw new ClientError('error-not-allowed', 'Not allowed', { method: 'getUsersOfRoom' });
		}
		const statuses = showAll === true ? undefined : (['online', 'away', 'busy'] as const);
		const limit = page?.limit === undefined || page.limit === 0 ? 100 : Math.min(page.limit, 100);
		const { members, total } = await services.rooms.listMembers(
			room,
			{ text, statuses: statuses === undefined ? undefined : [...statuses] },
			{ offset: page?.skip ?? 0, count: limit },
		);
		return { total, records: members };
	},
});

/** `channelsList(filter, type, limit?, sort?)` */
export const channelsList = method('channelsList', {
	auth: 'user',
	params: z.tuple([
		z.string().max(256),
		z.enum(['public', 'private', 'all']),
		z.int().min(1).optional(),
		z.enum(['name', 'msgs']).optional(),
	]),
	run: async ({ actor, params: [filter, type, limit, sort], services }) => {
		const key = sort ?? 'name';
		const count = Math.min(limit ?? 100, 100);
		const order: Record<string, 1 | -1> = key === 'name' ? { name: 1 } : { msgs: -1 };
		const page = { offset: 0, count, sort: order };
		const part = filter === '' ? {} : { namePart: filter };
		const open = type === 'private' ? null : await services.rooms.listChannels(actor, part, page);
		const own = type === 'public' ? null : await services.rooms.listJoined(actor, 'p', page, part);
		const found = [...(open?.rooms ?? []), ...(own?.rooms ?? [])].sort((a, b) =>
			key === 'name' ? (a.name ?? '').localeCompare(b.name ?? '') : b.msgs - a.msgs,
		);
		return { channels: found.slice(0, count).map(({ _id, name, t }) => ({ _id, name, t })) };
	},
});
