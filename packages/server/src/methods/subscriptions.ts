import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { idText } from '@rookery/protocol/message-input.ts';
import { method } from './method.ts';

/** `subscriptions/get(updatedAt?)`: all of the caller's; with a date what changed since. Anonymous: none. */
export const subscriptionsGet = method('subscriptions/get', {
	auth: 'public',
	params: z.tuple([z.unknown().optional()]),
	run: async ({ actor, params: [updatedAt], services }) => {
		if (updatedAt instanceof Date) {
			return actor === null ? { update: [], remove: [] } : services.subscriptions.since(actor.uid, updatedAt);
		}
		return actor === null ? [] : services.subscriptions.list(actor.uid);
	},
});

/** `readMessages(rid, readThreads?)` */
export const readMessages = method('readMessages', {
	auth: 'user',
	params: z.tuple([idText, z.boolean().optional()]),
	run: async ({ actor, params: [rid, readThreads], services }) => {
		await services.subscriptions.read(actor, rid, readThreads);
		return undefined;
	},
});

/** `readThreads(tmid)` */
export const readThreads = method('readThreads', {
	auth: 'user',
	params: z.tuple([idText]),
	run: async ({ actor, params: [tmid], services }) => {
		await services.subscriptions.readThread(actor, tmid);
		return undefined;
	},
});

/** `unreadMessages(firstUnreadMessage?, rid?)`: one of the two; how many were marked. */
export const unreadMessages = method('unreadMessages', {
	auth: 'user',
	params: z.tuple([z.object({ _id: idText }).optional(), idText.optional()]),
	run: async ({ actor, params: [first, rid], services }) => {
		if (rid !== undefined && first === undefined) return services.subscriptions.markUnread(actor, { rid });
		if (first !== undefined && rid === undefined)
			return services.subscriptions.markUnread(actor, { messageId: first._id });
		throw new ClientError('error-action-not-allowed', 'Not allowed', {
			method: 'unreadMessages',
			action: 'Unread_messages',
		});
	},
});
