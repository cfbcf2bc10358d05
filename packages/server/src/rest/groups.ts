import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
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
import { anyGroupOf, groupOf, roomRefBody, roomRefQuery } from './room-ref.ts';
import { route } from './route.ts';
import { userListRefBody, userOf, userRefBody, usersOf } from './user-ref.ts';

/** @see REST endpoints 4 */
export const groupsCreate = route({
	post: 'groups.create',
	summary: 'Make a private group',
	auth: 'user',
	body: creationBody,
	run: async ({ actor, body, services }) => ({ group: await createRoom(services, actor, 'p', body, 'Body param') }),
});

/** The caller's own. */
export const groupsList = route({
	get: 'groups.list',
	summary: 'List the private groups the caller is in',
	auth: 'user',
	query: z.object(roomListQuery),
	run: ({ actor, query, services }) =>
		roomListOf(services, 'groups', query, (filter, page) => services.rooms.listJoined(actor, 'p', page, filter)),
});

/** A group the caller may not access looks like none. */
export const groupsInfo = route({
	get: 'groups.info',
	summary: 'One private group',
	auth: 'user',
	query: z.object(roomRefQuery),
	run: async ({ actor, query, services }) => {
		const room = await groupOf(services, actor, query, 'allowed');
		return { group: await roomAnswer(services, actor, room) };
	},
});

/** Found without a look at who asks: holders of `add-user-to-any-p-room` need not be in it. */
export const groupsInvite = route({
	post: 'groups.invite',
	summary: 'Add members to a private group',
	auth: 'user',
	body: z.object({ ...roomRefBody, ...userListRefBody }),
	run: async ({ actor, body, services }) => {
		const room = await anyGroupOf(services, body);
		const users = await usersOf(services, body);
		if (users.length === 0) {
			throw new ClientError('error-empty-invite-list', 'Cannot invite if no valid users are provided');
		}
		const uids = users.map(({ _id }) => _id);
		await services.rooms.addMembers(actor, room, uids);
		return { group: await freshAnswer(services, actor, room) };
	},
});

/** Ends somebody else's membership. */
export const groupsKick = route({
	post: 'groups.kick',
	summary: 'Remove a member from a private group',
	auth: 'user',
	body: z.object({ ...roomRefBody, ...userRefBody }),
	run: async ({ actor, body, services }) => {
		const room = await groupOf(services, actor, body, 'refused');
		const user = await userOf(services, body);
		await services.rooms.removeMember(actor, room, user._id);
		return { group: await freshAnswer(services, actor, room) };
	},
});

/** Answers the group as it was before: afterwards the caller may not see it. */
export const groupsLeave = route({
	post: 'groups.leave',
	summary: 'Leave a private group',
	auth: 'user',
	body: z.object(roomRefBody),
	run: async ({ actor, body, services }) => {
		const room = await groupOf(services, actor, body, 'refused');
		const before = await roomAnswer(services, actor, room);
		await services.rooms.leave(actor, room);
		return { group: before };
	},
});

/** With its messages and memberships. */
export const groupsDelete = route({
	post: 'groups.delete',
	summary: 'Delete a private group',
	auth: 'user',
	body: z.object(roomRefBody),
	run: async ({ actor, body, services }) => {
		const room = await groupOf(services, actor, body, 'allowed');
		await services.rooms.deleteRoom(actor, room._id);
		return {};
	},
});

/** Newest first. */
export const groupsHistory = route({
	get: 'groups.history',
	summary: 'Messages of a private group by time',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...historyQuery }),
	run: async ({ actor, query, services }) =>
		historyOf(services, actor, await groupOf(services, actor, query, 'allowed'), query),
});

/** Filtered and paged. */
export const groupsMessages = route({
	get: 'groups.messages',
	summary: 'List messages of a private group',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...messagesQuery }),
	run: async ({ actor, query, services }) =>
		messagesOf(services, actor, await groupOf(services, actor, query, 'allowed'), query),
});

/** Those online first. */
export const groupsMembers = route({
	get: 'groups.members',
	summary: 'List members of a private group',
	auth: 'user',
	query: z.object({ ...roomRefQuery, ...membersQuery }),
	run: async ({ actor, query, services }) =>
		membersOf(services, actor, await groupOf(services, actor, query, 'allowed'), query),
});

/** Only members who hold a role in it. */
export const groupsRoles = route({
	get: 'groups.roles',
	summary: 'Roles in a private group',
	auth: 'user',
	query: z.object(roomRefQuery),
	run: async ({ actor, query, services }) => ({
		roles: await services.rooms.listRoles(await groupOf(services, actor, query, 'allowed')),
	}),
});

/** Members with the role `moderator`. */
export const groupsModerators = route({
	get: 'groups.moderators',
	summary: 'Moderators of a private group',
	auth: 'user',
	query: z.object(roomRefQuery),
	run: async ({ actor, query, services }) => moderatorsOf(services, await groupOf(services, actor, query, 'allowed')),
});

/** Who of its members is not offline. */
export const groupsOnline = route({
	get: 'groups.online',
	summary: 'Members of a private group who are online',
	auth: 'user',
	query: z.object(onlineQuery),
	run: ({ actor, query, services }) => onlineOf(services, actor, query, { t: 'p', unknown: 'Group does not exists' }),
});
