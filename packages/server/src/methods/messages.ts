import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { attachments, idText, newMessageFields, optional } from '@rookery/protocol/message-input.ts';
import { freeForm } from '@rookery/protocol/free-form.ts';
import type { Message } from '@rookery/protocol/records.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { method } from './method.ts';

const date = z.date();
/** A date that clients also send as something else, which then counts as absent. */
const looseDate = z.unknown().transform((value) => (value instanceof Date ? value : undefined));
const count = z.number().int().min(0);

/** `sendMessage(message)`: the stored message. */
export const sendMessage = method('sendMessage', {
	auth: 'user',
	params: z.tuple([z.object({ ...newMessageFields, rid: idText, ts: optional(date) })]),
	run: async ({ actor, params: [message], services }) => {
		const sent = await services.messages.send(actor, message);
		return (await services.messages.forClient(actor.uid, [sent]))[0];
	},
});

/** `updateMessage({_id, rid, msg, ...})` */
export const updateMessage = method('updateMessage', {
	auth: 'user',
	params: z.tuple([
		z.object({
			_id: idText,
			rid: optional(idText),
			msg: optional(z.string()),
			tmid: optional(idText),
			attachments: optional(attachments),
			customFields: optional(freeForm),
			content: optional(freeForm),
			blocks: optional(z.array(freeForm).max(100)),
		}),
	]),
	run: async ({ actor, params: [{ _id, rid, tmid, msg, content, customFields }], services }) => {
		// Clients send the whole record back: only what they may edit counts, and its thread only when it differs.
		const stored = await findIn(services, actor, _id, rid);
		if (stored === null) throw new ClientError('error-invalid-message', 'Invalid message', { method: 'updateMessage' });
		const moved = tmid === stored.tmid ? undefined : tmid;
		await services.messages.update(actor, _id, {
			...(msg === undefined ? {} : { msg }),
			...(moved === undefined ? {} : { tmid: moved }),
			...(content === undefined ? {} : { content }),
			...(customFields === undefined ? {} : { customFields }),
		});
		return undefined;
	},
});

/** `deleteMessage({_id})` */
export const deleteMessage = method('deleteMessage', {
	auth: 'user',
	params: z.tuple([z.object({ _id: idText, rid: optional(idText) })]),
	run: async ({ actor, params: [{ _id, rid }], services }) => {
		if (rid !== undefined && (await findIn(services, actor, _id, rid)) === null) {
			const details = { method: 'deleteMessage', action: 'Delete_message' };
			throw new ClientError('error-action-not-allowed', 'Not allowed', details);
		}
		await services.messages.remove(actor, _id);
		return undefined;
	},
});

/** `setReaction(emoji, messageId, shouldReact?)`: false when the caller is muted. */
export const setReaction = method('setReaction', {
	auth: 'user',
	params: z.tuple([z.string().max(256), idText, z.boolean().optional()]),
	run: async ({ actor, params: [emoji, id, shouldReact], services }) => {
		try {
			await services.messages.react(actor, emoji, id, shouldReact);
			return undefined;
		} catch (error) {
			if (error instanceof ClientError && error.code === 'You_have_been_muted') return false;
			throw error;
		}
	},
});

/** `loadHistory(rid, end?, limit = 20, lastSeen?, showThreadMessages = true)`: false without access. */
export const loadHistory = method('loadHistory', {
	auth: 'public',
	params: z.tuple([idText, looseDate.optional(), count.optional(), looseDate.optional(), z.boolean().optional()]),
	run: async ({ actor, params: [rid, latest, limit, lastSeen, showThreadMessages], services }) => {
		if (!(await mayRead(services, actor, rid))) return false;
		const page = await services.messages.history(actor, { rid, latest, count: limit, lastSeen, showThreadMessages });
		return { unreadNotLoaded: 0, ...page };
	},
});

/** `loadMissedMessages(rid, start)`: everything newer, newest first; false without access. */
export const loadMissedMessages = method('loadMissedMessages', {
	auth: 'public',
	params: z.tuple([idText, date]),
	run: async ({ actor, params: [rid, start], services }) => {
		if (!(await mayRead(services, actor, rid))) return false;
		return services.messages.missed(actor, rid, start);
	},
});

/** `loadNextMessages(rid, end?, limit = 20)`: oldest first; false without access. */
export const loadNextMessages = method('loadNextMessages', {
	auth: 'user',
	params: z.tuple([idText, looseDate.optional(), count.optional()]),
	run: async ({ actor, params: [rid, after, limit], services }) => {
		if (!(await mayRead(services, actor, rid))) return false;
		return { messages: await services.messages.following(actor, rid, after, limit ?? 20) };
	},
});

/** `loadSurroundingMessages({_id, rid?}, limit = 50)`: false without access. */
export const loadSurroundingMessages = method('loadSurroundingMessages', {
	auth: 'user',
	params: z.tuple([z.object({ _id: idText, rid: optional(idText) }), count.optional()]),
	run: async ({ actor, params: [{ _id, rid }, limit], services }) => {
		if ((await findIn(services, actor, _id, rid)) === null) return false;
		return (await services.messages.surrounding(actor, _id, limit ?? 50)) ?? false;
	},
});

/** `getSingleMessage(id)`: nothing when unknown. */
export const getSingleMessage = method('getSingleMessage', {
	auth: 'user',
	params: z.tuple([idText]),
	run: async ({ actor, params: [id], services }) => (await services.messages.find(actor, id)) ?? undefined,
});

/** `getMessages([ids])` */
export const getMessages = method('getMessages', {
	auth: 'user',
	params: z.tuple([z.array(idText).max(1_000)]),
	run: ({ actor, params: [ids], services }) => services.messages.findMany(actor, ids),
});

/** `getThreadMessages({tmid, limit?, skip?})`: the parent, then replies, newest first. */
export const getThreadMessages = method('getThreadMessages', {
	auth: 'user',
	params: z.tuple([z.object({ tmid: idText, limit: optional(count), skip: optional(count) })]),
	run: ({ actor, params: [{ tmid, limit, skip }], services }) =>
		services.messages.thread(actor, { tmid, limit: Math.min(limit || 100, 100), skip: skip ?? 0 }),
});

/** `getChannelHistory({rid, latest?, oldest?, ...})`: false without access. */
export const getChannelHistory = method('getChannelHistory', {
	auth: 'user',
	params: z.tuple([
		z.object({
			rid: idText,
			latest: optional(date),
			oldest: optional(date),
			inclusive: optional(z.boolean()),
			offset: optional(count),
			count: optional(count),
			unreads: optional(z.boolean()),
			showThreadMessages: optional(z.boolean()),
		}),
	]),
	run: async ({ actor, params: [query], services }) => {
		if (!(await mayRead(services, actor, query.rid))) return false;
		return services.messages.history(actor, query);
	},
});

/** `messages/get(rid, {lastUpdate?, latestDate?, oldestDate?, inclusive?, count?, unreads?})` */
export const messagesGet = method('messages/get', {
	auth: 'user',
	params: z.tuple([
		idText,
		z
			.object({
				lastUpdate: looseDate.optional(),
				latestDate: looseDate.optional(),
				oldestDate: looseDate.optional(),
				inclusive: optional(z.boolean()),
				count: optional(count),
				unreads: optional(z.boolean()),
			})
			.optional(),
	]),
	run: async ({ actor, params: [rid, given], services }) => {
		const { lastUpdate, latestDate, oldestDate, inclusive, count, unreads } = given ?? {};
		if (!(await mayRead(services, actor, rid))) {
			throw new ClientError('error-not-allowed', 'Not allowed', { method: 'messages/get' });
		}
		if (lastUpdate !== undefined) return services.messages.changedSince(actor, rid, lastUpdate);
		const span = { latest: latestDate, oldest: oldestDate };
		return services.messages.history(actor, { rid, ...span, inclusive, count, unreads });
	},
});

/** A message the caller may read, in the room he names beside it, if he does; else null. */
async function findIn(
	services: CoreServices,
	actor: Actor,
	id: string,
	rid: string | undefined,
): Promise<Message | null> {
	try {
		const message = await services.messages.find(actor, id);
		return rid === undefined || message?.rid === rid ? message : null;
	} catch (error) {
		if (error instanceof ClientError && error.code === 'error-not-allowed') return null;
		throw error;
	}
}

function mayRead(services: CoreServices, actor: Actor | null, rid: string): Promise<boolean> {
	return services.authorization.canReadRoom(rid, actor?.uid ?? null);
}
