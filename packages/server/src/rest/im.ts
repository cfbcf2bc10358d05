import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Room } from '@rookery/protocol/records.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { qText } from './query.ts';
import {
	historyOf,
	historyQuery,
	membersOf,
	membersQuery,
	messagesOf,
	messagesQuery,
	roomAnswer,
	roomListOf,
	roomListQuery,
} from './room-reading.ts';
import { bodyText, requireAccess } from './room-ref.ts';
import { RestFailure, route, type Route } from './route.ts';

/** How a request names a direct room; either may hold a room id, a username or a user id. */
type DirectRef = { roomId?: string | undefined; username?: string | undefined };

const directRefQuery = { roomId: qText.optional(), username: qText.optional() };
const directRefBody = { roomId: bodyText.optional(), username: bodyText.optional() };

/**
 * The direct room a request names; one with an existing user is made when there is none.
 *
 * @throws ClientError `error-room-param-not-provided`, `invalid-channel`, `error-not-allowed`
 */
async function directOf(services: CoreServices, actor: Actor, ref: DirectRef, source: string): Promise<Room> {
	const target = [ref.roomId, ref.username].find((text) => text !== undefined && text.trim() !== '');
	if (target === undefined) {
		throw new ClientError('error-room-param-not-provided', `${source} param "roomId" or "username" is required`);
	}
	return services.rooms.openDirect(actor, target);
}

/** The direct room of this id. @throws ClientError `error-room-param-not-provided`, `error-room-not-found` */
async function directById(services: CoreServices, actor: Actor, roomId: string | undefined): Promise<Room> {
	if (roomId === undefined || roomId.trim() === '') {
		throw new ClientError('error-room-param-not-provided', 'Body param "roomId" is required');
	}
	const room = await services.rooms.findByRef({ roomId });
	if (room === null || room.t !== 'd') {
		throw new ClientError(
			'error-room-not-found',
			'The required "roomId" param provided does not match any direct message',
		);
	}
	await requireAccess(services, actor, room);
	return room;
}

const oneOfUsernames = [
	"must have required property 'username'",
	"must have required property 'usernames'",
	'must match exactly one schema in oneOf',
].join('\n ');

const createBody = z
	.object({
		username: bodyText.min(1).optional(),
		usernames: bodyText.min(1).optional(),
		excludeSelf: z.boolean().optional(),
	})
	.refine(({ username, usernames }) => (username === undefined) !== (usernames === undefined), {
		message: oneOfUsernames,
	});

async function create(services: CoreServices, actor: Actor, body: z.infer<typeof createBody>): Promise<object> {
	const names = body.usernames?.split(',') ?? [body.username ?? ''];
	try {
		const { room } = await services.rooms.createDirect(actor, names, body.excludeSelf);
		return { room: { ...(await roomAnswer(services, actor, room)), rid: room._id } };
	} catch (error) {
		const isTooMany = error instanceof ClientError && error.code === 'error-direct-message-max-user-exceeded';
		// The contract has this one as a bare text.
		throw isTooMany ? new RestFailure(400, error.code as string) : error;
	}
}

/** The routes of direct messages under one of their two first words. @see REST endpoints 5 */
function directRoutes(word: 'im' | 'dm'): Route[] {
	return [
		route({
			post: `${word}.create`,
			summary: 'Find or make a direct room',
			auth: 'user',
			body: createBody,
			rate: { calls: 10, perMs: 60_000 },
			rateExempt: 'send-many-messages',
			run: ({ actor, body, services }) => create(services, actor, body),
		}),
		route({
			get: `${word}.list`,
			summary: 'List the direct rooms the caller is in',
			auth: 'user',
			query: z.object(roomListQuery),
			run: ({ actor, query, services }) =>
				roomListOf(services, 'ims', query, (filter, page) => services.rooms.listJoined(actor, 'd', page, filter)),
		}),
		route({
			get: `${word}.history`,
			summary: 'Messages of a direct room by time',
			auth: 'user',
			query: z.object({ ...directRefQuery, ...historyQuery }),
			run: async ({ actor, query, services }) =>
				historyOf(services, actor, await accessible(services, actor, query), query),
		}),
		route({
			get: `${word}.messages`,
			summary: 'List messages of a direct room',
			auth: 'user',
			query: z.object({ ...directRefQuery, ...messagesQuery }),
			run: async ({ actor, query, services }) =>
				messagesOf(services, actor, await accessible(services, actor, query), query, ['ts']),
		}),
		route({
			get: `${word}.members`,
			summary: 'List members of a direct room',
			auth: 'user',
			query: z.object({ ...directRefQuery, ...membersQuery }),
			run: async ({ actor, query, services }) =>
				membersOf(services, actor, await directOf(services, actor, query, 'Query'), query),
		}),
		...placeRoutes(word),
	];
}

/** The caller's own place in a direct room, and its end. */
function placeRoutes(word: 'im' | 'dm'): Route[] {
	return [
		route({
			post: `${word}.open`,
			summary: 'Show a direct room in the list of rooms',
			auth: 'user',
			body: z.object({ roomId: bodyText.optional() }),
			run: async ({ actor, body, services }) => {
				const room = await directById(services, actor, body.roomId);
				await services.rooms.open(actor, room._id);
				return {};
			},
		}),
		route({
			post: `${word}.close`,
			summary: 'Take a direct room out of the list of rooms',
			auth: 'user',
			body: z.object({ roomId: bodyText.optional() }),
			run: async ({ actor, body, services }) => {
				const room = await directById(services, actor, body.roomId);
				const own = await services.subscriptions.find(actor.uid, room._id);
				if (own === null) throw new RestFailure(400, 'The user is not subscribed to the room');
				if (!own.open) {
					throw new RestFailure(400, 'The direct message room, is already closed to the sender');
				}
				await services.rooms.hide(actor, room._id);
				return {};
			},
		}),
		route({
			post: `${word}.delete`,
			summary: 'Delete a direct room',
			auth: 'user',
			body: z.object(directRefBody),
			run: async ({ actor, body, services }) => {
				const room = await services.rooms.findByRef({ roomId: body.roomId });
				const isForeign = room?.t === 'd' && (await services.authorization.has(actor.uid, 'view-room-administration'));
				const { _id } = isForeign ? room : await directOf(services, actor, body, 'Body');
				await services.rooms.deleteRoom(actor, _id);
				return {};
			},
		}),
	];
}

/** As `directOf` for reading: refuses with "403u". */
async function accessible(services: CoreServices, actor: Actor, ref: DirectRef): Promise<Room> {
	const byId = ref.roomId === undefined ? null : await services.rooms.findByRef({ roomId: ref.roomId });
	if (byId?.t === 'd') {
		await requireAccess(services, actor, byId);
		return byId;
	}
	return directOf(services, actor, ref, 'Query');
}

/** Every route of this file, under both words. */
export const imRoutes = [...directRoutes('im'), ...directRoutes('dm')];
