import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { qText } from './query.ts';
import { createRoom, creationBody } from './room-creation.ts';
import {
	freshAnswer,
	historyOf,
	historyQuery,
	membersOf,
	membersQuery,
	messagesOf,
	messagesQuery,
	moderatorsOf,
	onlineOf,
	onlineQuery,
	roomAnswer,
	roomListOf,
	roomListQuery,
} from './room-reading.ts';
import { bodyText, channelOf, requireAccess, requireReading, roomRefBody, roomRefQuery } from './room-ref.ts';
import { RestFailure, route } from './route.ts';
import { userListRefBody, userOf, userRefBody, usersOf } from './user-ref.ts';

/** @see REST endpoints 3 */
export const channelsCreate = route({
	post: 'channels.create',
	summary: 'Make a public channel',
	auth: 'user',
	body: creationBody,
	run: async ({ actor, body, services }) => ({ channel: await createRoom(services, actor, 'c', body, 'Param') }),
});

/** Channels of teams appear only where the caller is in them. */
export const channelsList = route({
	get: 'channels.list',
	summary: 'List public channels',
	auth: 'user',
	query: z.object({ ...roomListQuery, _id: qText.optional() }),
	run: ({ actor, query, services }) =>
		roomListOf(services, 'channels', query, (filter, page) => services.rooms.listChannels(actor, filter, page)),
});

/** The caller's own. */
export const channelsListJoined = route({
	get: 'channels.list.joined',
	summary: 'List the public channels the caller is in',
	auth: 'user',
	query: z.object(roomListQuery),
	run: ({ actor, query, services }) =>
		roomListOf(services, 'channels', query, (filter, page) => services.rooms.listJoined(actor, 'c', page, filter)),
});

/** Archived ones, too. */
export const channelsInfo = route({
	get: 'channels.info',
	summary: 'One public channel',
	auth: 'user',
	query: z.object(roomRefQuery),
	run: async ({ actor, query, services }) => {
		const room = await channelOf(services, query, 'allowed');
		if (!(await services.authorization.canAccessRoom(room._id, actor.uid))) {
			throw new ClientError('error-not-allowed', 'Not Allowed');
		}
		return { channel: await roomAnswer(services, actor, room) };
	},
});

/** Answers the same when the caller is in the channel already. */
export const channelsJoin = route({
	post: 'channels.join',
	summary: 'Join a public channel',
	auth: 'user',
	body: z.object({ ...roomRefBody, joinCode: bodyText.optional() }),
	run: async ({ actor, body, services }) => {
		const room = await channelOf(services, body, 'refused');
		await services.rooms.join(actor, room, body.joinCode);
		return { channel: await freshAnswer(services, actor, room) };
	},
});

/** Not for the last owner. */
export const channelsLeave = route({
	post: 'channels.leave',
	summary: 'Leave a public channel',
	auth: 'user',
	body: z.object(roomRefBody),
	run: async ({ actor, body, services }) => {
		const room = await channelOf(services, body, 'refused');
		await services.rooms.leave(actor, room);
		return { channel: await freshAnswer(services, actor, room) };
	},
});

/** Who is in the channel already stays as he is. The fields of one refusal are swapped, as in the original. */
export const channelsInvite = route({
	post: 'channels.invite',
	summary: 'Add members to a public channel',
	auth: 'user',
	body: z.object({ ...roomRefBody, ...userListRefBody }),
	run: async ({ actor, body, services }) => {
		const room = await channelOf(services, body, 'refused');
		const users = await usersOf(services, body);
		if (users.length === 0) {
			const error = { error: 'invalid-user-invite-list', errorType: 'Cannot invite if no users are provided' };
			throw new RestFailure(400, error);
		}
		const uids = users.map(({ _id }) => _id);
		await services.rooms.addMembers(actor, room, uids);
		return { channel: await freshAnswer(services, actor, room) };
	},
});

/** Ends somebody else's membership. */
export const channelsKick = route({
	post: 'channels.kick',
	summary: 'Remove a member from a public channel',
	auth: 'user',
	body: z.object({ ...roomRefBody, ...userRefBody }),
	run: async ({ actor, body, services }) => {
		const room = await channelOf(services, body, 'refused');
		const user = await userOf(services, body);
		await services.rooms.removeMember(actor, room, user._id);
		return { channel: await freshAnswer(services, actor, room) };
	},
});

/** With its messages and memberships. */
export const channelsDelete = route({
	post: 'channels.delete',
	summary: 'Delete a public channel',
	auth: 'user',
	body: z.object(roomRefBody),
	run: async ({ actor, body, services }) => {
		const room = await channelOf(services, body, 'allowed');
		await services.rooms.deleteRoom(actor, room._id);
		return {};
	},
});

/** Newest first. */
export const channelsHistory = route({
	get: 'channels.history',
	summary: 'Messages of a public channel by time',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...historyQuery }),
	run: async ({ actor, query, services }) => {
		const room = await channelOf(services, query, 'allowed');
		await requireReading(services, actor, room);
		return historyOf(services, actor, room, query);
	},
});

/** Filtered and paged. */
export const channelsMessages = route({
	get: 'channels.messages',
	summary: 'List messages of a public channel',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...messagesQuery }),
	run: async ({ actor, query, services }) => {
		const room = await channelOf(services, query, 'allowed');
		await requireAccess(services, actor, room);
		return messagesOf(services, actor, room, query);
	},
});

/** Those online first. */
export const channelsMembers = route({
	get: 'channels.members',
	summary: 'List members of a public channel',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...membersQuery }),
	run: async ({ actor, query, services }) => {
		const room = await channelOf(services, query, 'allowed');
		await requireAccess(services, actor, room);
		return membersOf(services, actor, room, query);
	},
});

/** Only members who hold a role in it. */
export const channelsRoles = route({
	get: 'channels.roles',
	summary: 'Roles in a public channel',
	auth: 'user',
	query: z.object(roomRefQuery),
	run: async ({ actor, query, services }) => {
		const room = await channelOf(services, query, 'refused');
		await requireAccess(services, actor, room);
		return { roles: await services.rooms.listRoles(room) };
	},
});

/** Members with the role `moderator`. */
export const channelsModerators = route({
	get: 'channels.moderators',
	summary: 'Moderators of a public channel',
	auth: 'user',
	query: z.object(roomRefQuery),
	run: async ({ actor, query, services }) => {
		const room = await channelOf(services, query, 'refused');
		await requireAccess(services, actor, room);
		return moderatorsOf(services, room);
	},
});

/** Who of its members is not offline. */
export const channelsOnline = route({
	get: 'channels.online',
	summary: 'Members of a public channel who are online',
	auth: 'user',
	query: z.object(onlineQuery),
	run: ({ actor, query, services }) => onlineOf(services, actor, query, { t: 'c', unknown: 'Channel does not exists' }),
});
