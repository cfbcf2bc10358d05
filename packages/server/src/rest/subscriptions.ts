import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { idText, optional } from '@rookery/protocol/message-input.ts';
import { readDate } from './list-query.ts';
import { qText } from './query.ts';
import { route } from './route.ts';

/** `subscriptions.get`: all of the caller's, or what changed since a date. */
export const subscriptionsGet = route({
	get: 'subscriptions.get',
	summary: "The caller's subscriptions",
	auth: 'user',
	query: z.object({ updatedSince: qText.optional() }),
	run: async ({ actor, query, services }) => {
		if (query.updatedSince === undefined) return { update: await services.subscriptions.list(actor.uid), remove: [] };
		// The name in the text is the original's.
		const reason = 'The "lastUpdate" query parameter must be a valid date.';
		const since = readDate(query.updatedSince, ['error-roomId-param-invalid', reason]);
		return services.subscriptions.since(actor.uid, since);
	},
});

/** `subscriptions.getOne`: the caller's subscription to a room; null when he has none. */
export const subscriptionsGetOne = route({
	get: 'subscriptions.getOne',
	summary: "The caller's subscription to a room",
	auth: 'user',
	query: z.object({ roomId: qText }),
	run: async ({ actor, query, services }) => ({
		subscription: await services.subscriptions.find(actor.uid, query.roomId),
	}),
});

/** `subscriptions.read`: the caller has read a room. */
export const subscriptionsRead = route({
	post: 'subscriptions.read',
	summary: 'Mark a room as read',
	auth: 'user',
	body: z.object({ rid: optional(idText), roomId: optional(idText), readThreads: optional(z.boolean()) }),
	run: async ({ actor, body, services }) => {
		const rid = body.rid ?? body.roomId;
		if (rid === undefined) throw missing('rid', 'roomId');
		await services.subscriptions.read(actor, rid, body.readThreads);
		return {};
	},
});

/** `subscriptions.unread`: from a message on, or the whole room. */
export const subscriptionsUnread = route({
	post: 'subscriptions.unread',
	summary: 'Mark a room as unread',
	auth: 'user',
	body: z.object({ roomId: optional(idText), firstUnreadMessage: optional(z.object({ _id: idText })) }),
	run: async ({ actor, body, services }) => {
		const { roomId, firstUnreadMessage } = body;
		if (firstUnreadMessage !== undefined) {
			await services.subscriptions.markUnread(actor, { messageId: firstUnreadMessage._id });
		} else {
			if (roomId === undefined) throw missing('roomId', 'firstUnreadMessage');
			await services.subscriptions.markUnread(actor, { rid: roomId });
		}
		return {};
	},
});

function missing(...names: string[]): ClientError {
	const lines = names.map((name) => `must have required property '${name}'`);
	return new ClientError('invalid-params', [...lines, 'must match a schema in anyOf'].join('\n '));
}
