import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, Room } from '@rookery/protocol/records.ts';
import { publishedRoomFields } from '@rookery/protocol/room-view.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import type { ChannelFilter, RoomPage } from '../services/room-read.ts';
import { readDate, readFields, readMessageQuery, readRoomFilter, readRoomName, readSort } from './list-query.ts';
import { pagingOf, pagingQuery, qBool, qInt, qList, qText } from './query.ts';
import { forbidden, RestFailure } from './route.ts';

/** Parameters of the `*.history` routes. @see REST endpoints 3, "History" */
export const historyQuery = {
	latest: qText.optional(),
	oldest: qText.optional(),
	inclusive: qBool.optional(),
	unreads: qBool.optional(),
	showThreadMessages: qBool.optional(),
	count: qInt().optional(),
	offset: qInt().optional(),
};

type HistoryParams = {
	[K in keyof typeof historyQuery]?: z.infer<(typeof historyQuery)[K]> | undefined;
};

/** Answers a `*.history` route. Whether the caller may read the room is decided before. */
export function historyOf(services: CoreServices, actor: Actor, room: Room, query: HistoryParams): Promise<object> {
	return services.messages.history(actor, {
		rid: room._id,
		latest: dateOf(query.latest),
		oldest: dateOf(query.oldest),
		inclusive: query.inclusive,
		unreads: query.unreads,
		showThreadMessages: query.showThreadMessages,
		count: query.count,
		offset: query.offset,
	});
}

/** Parameters of the `*.messages` routes. @see REST endpoints 3, "Messages" */
export const messagesQuery = {
	...pagingQuery,
	query: qText.optional(),
	fields: qText.optional(),
	mentionIds: idList().optional(),
	starredIds: idList().optional(),
	pinned: qBool.optional(),
};

type MessagesParams = {
	[K in keyof typeof messagesQuery]?: z.infer<(typeof messagesQuery)[K]> | undefined;
};

const messageSorts = ['ts', '_updatedAt', '_id', 'tlm', 'tcount', 'pinnedAt', 'editedAt', 'msg'];

/** Answers a `*.messages` route. Whether the caller may read the room is decided before. */
export async function messagesOf(
	services: CoreServices,
	actor: Actor,
	room: Room,
	query: MessagesParams,
	sorts: readonly string[] = messageSorts,
): Promise<{ messages: Message[]; count: number; offset: number; total: number }> {
	const asked = readMessageQuery(query.query);
	const select = readFields(query.fields);
	const page = await services.messages.list(actor, {
		rid: room._id,
		ids: asked.ids,
		...pagingOf(query, services.settings),
		sort: readSort(query.sort, sorts),
		mentionIds: query.mentionIds ?? asked.mentionIds,
		starredIds: query.starredIds ?? asked.starredIds,
		pinned: query.pinned ?? asked.pinned,
		tmid: asked.tmid,
	});
	return { ...page, messages: page.messages.map(select) };
}

const statuses = z.enum(['online', 'away', 'busy', 'offline']);

/** Parameters of the `*.members` routes. @see REST endpoints 3, "Members" */
export const membersQuery = {
	...pagingQuery,
	filter: qText.optional(),
	status: z
		.union([z.string(), z.array(z.string())])
		.transform((value) => (typeof value === 'string' ? value.split(',') : value))
		.pipe(z.array(statuses).max(4))
		.optional(),
};

type MembersParams = {
	[K in keyof typeof membersQuery]?: z.infer<(typeof membersQuery)[K]> | undefined;
};

/** Answers a `*.members` route. Whether the caller has access to the room is decided before. */
export async function membersOf(
	services: CoreServices,
	actor: Actor,
	room: Room,
	query: MembersParams,
): Promise<object> {
	if (!(await services.rooms.mayListMembers(actor, room))) throw forbidden();
	const { offset, count } = pagingOf(query, services.settings);
	const { members, total } = await services.rooms.listMembers(
		room,
		{ text: query.filter, statuses: query.status },
		{ offset, count, username: readSort(query.sort, ['username'])?.['username'] },
	);
	return { members, count: members.length, offset, total };
}

/** Parameters of lists of rooms. */
export const roomListQuery = { ...pagingQuery, query: qText.optional(), fields: qText.optional() };

type RoomListParams = { [K in keyof typeof roomListQuery]?: z.infer<(typeof roomListQuery)[K]> | undefined };

/**
 * Answers a list of rooms.
 *
 * @param name Of the list in the answer.
 * @param read Reads one page.
 */
export async function roomListOf(
	services: CoreServices,
	name: string,
	query: RoomListParams & { _id?: string | undefined },
	read: (
		filter: ChannelFilter,
		page: { offset: number; count: number; sort: Record<string, 1 | -1> | undefined },
	) => Promise<RoomPage | null>,
): Promise<object> {
	const { offset, count } = pagingOf(query, services.settings);
	const filter = { id: query._id, where: readRoomFilter(query.query, publishedRoomFields) };
	const select = readFields(query.fields);
	const page = await read(filter, { offset, count, sort: readSort(query.sort, publishedRoomFields) });
	if (page === null) throw forbidden();
	return { [name]: page.rooms.map(select), count: page.rooms.length, offset, total: page.total };
}

/** Those with the role `moderator`. */
export async function moderatorsOf(services: CoreServices, room: Room): Promise<object> {
	const roles = await services.rooms.listRoles(room);
	return { moderators: roles.filter(({ roles }) => roles.includes('moderator')).map(({ u }) => u) };
}

/** Parameters of the `*.online` routes: `_id`, or the `query` of older clients. */
export const onlineQuery = { _id: qText.optional(), query: qText.optional() };

/**
 * Answers a `*.online` route: members who are not offline.
 *
 * @throws RestFailure with the texts clients know; ClientError `error-not-allowed`, `error-invalid-query`
 */
export async function onlineOf(
	services: CoreServices,
	actor: Actor,
	query: { _id?: string | undefined; query?: string | undefined },
	kind: { t: 'c' | 'p'; unknown: string },
): Promise<object> {
	const asked = readRoomName(query.query);
	const roomId = query._id ?? asked.roomId;
	if (roomId === undefined && asked.roomName === undefined) throw new RestFailure(400, 'Invalid query');
	const room = await services.rooms.findByRef({ roomId, roomName: asked.roomName });
	if (room === null || room.t !== kind.t) throw new RestFailure(400, kind.unknown);
	const hasAccess = await services.authorization.canAccessRoom(room._id, actor.uid);
	if (!hasAccess || !(await services.rooms.mayListMembers(actor, room))) {
		throw new ClientError('error-not-allowed', 'Not Allowed');
	}
	const { members } = await services.rooms.listMembers(
		room,
		{ statuses: ['online', 'away', 'busy'] },
		{ offset: 0, count: 10_000 },
	);
	return { online: members.map(({ _id, username }) => ({ _id, username })) };
}

/** One room as REST answers it. */
export async function roomAnswer(services: CoreServices, actor: Actor, room: Room): Promise<object> {
	const [view] = await services.rooms.restView(actor.uid, [room]);
	if (view === undefined) throw new Error('a room has no view');
	return view;
}

/** The same room as it is stored now; as it was where it is gone. */
export async function freshAnswer(services: CoreServices, actor: Actor, room: Room): Promise<object> {
	return roomAnswer(services, actor, (await services.rooms.findByRef({ roomId: room._id })) ?? room);
}

/** A comma list, repeated keys, or a JSON array as text. */
function idList() {
	return z.union([qJsonList(), qList(100)]);
}

function qJsonList(): z.ZodType<string[]> {
	return z
		.string()
		.startsWith('[')
		.transform((text, context): unknown => {
			try {
				return JSON.parse(text);
			} catch {
				context.addIssue({ code: 'custom', message: 'must be array' });
				return z.NEVER;
			}
		})
		.pipe(z.array(z.string()).max(100));
}

function dateOf(text: string | undefined): Date | undefined {
	return text === undefined ? undefined : readDate(text, ['error-invalid-date', 'Invalid date']);
}
