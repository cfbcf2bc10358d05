import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { attachments, idText, newMessageFields, optional } from '@rookery/protocol/message-input.ts';
import type { Message, Room } from '@rookery/protocol/records.ts';
import { freeForm } from '@rookery/protocol/free-form.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { qText } from './query.ts';
import { RestFailure, route } from './route.ts';

/** Sending is limited by its own rule. @see REST contract, 7 */
const sendRate = { rate: { calls: 5, perMs: 1_000 }, rateExempt: 'send-many-messages' } as const;

const sentTime = optional(
	z.union([z.string().max(64), z.number()]).transform((value, context) => {
		const date = new Date(value);
		if (!Number.isNaN(date.getTime())) return date;
		context.addIssue({ code: 'custom', message: 'must match format "iso-date-time"' });
		return z.NEVER;
	}),
);

/** `chat.sendMessage`: a message as a client builds it. */
export const chatSendMessage = route({
	post: 'chat.sendMessage',
	summary: 'Send a message',
	auth: 'user',
	...sendRate,
	body: z.object({
		message: optional(z.object({ ...newMessageFields, rid: optional(idText), ts: sentTime })),
		previewUrls: optional(z.array(z.string().max(8_192)).max(100)),
	}),
	run: async ({ actor, body: { message }, services }) => {
		if (message === undefined) {
			throw new ClientError('error-invalid-params', 'The "message" parameter must be provided.');
		}
		const { rid } = message;
		if (rid === undefined) throw new RestFailure(400, "The 'rid' property on the message object is missing.");
		const sent = await plainly(services.messages.send(actor, { ...message, rid }));
		return { message: await shown(services, actor, sent) };
	},
});

const targets = optional(z.union([z.string().max(1_024), z.array(z.string().max(1_024)).max(100)]));
const text = optional(z.string());

/** `chat.postMessage`: a message as bots and integrations send it, to one or several rooms by any name. */
export const chatPostMessage = route({
	post: 'chat.postMessage',
	summary: 'Post a message to a room, a channel name or a user',
	auth: 'user',
	...sendRate,
	body: z.object({
		roomId: targets,
		channel: targets,
		text,
		msg: text,
		alias: newMessageFields.alias,
		username: newMessageFields.alias,
		emoji: newMessageFields.emoji,
		icon_emoji: newMessageFields.emoji,
		avatar: newMessageFields.avatar,
		icon_url: newMessageFields.avatar,
		attachments: optional(attachments),
		tmid: newMessageFields.tmid,
		tshow: newMessageFields.tshow,
		parseUrls: newMessageFields.parseUrls,
		groupable: newMessageFields.groupable,
		bot: newMessageFields.bot,
		blocks: newMessageFields.blocks,
		customFields: newMessageFields.customFields,
	}),
	run: async ({ actor, body, services }) => {
		const given = body.roomId ?? body.channel;
		if (given === undefined) {
			const missing = ['roomId', 'channel'].map((name) => `must have required property '${name}'`);
			throw new ClientError('invalid-params', [...missing, 'must match a schema in anyOf'].join('\n '));
		}
		const list = [...new Set(typeof given === 'string' ? [given] : given)].filter((target) => target.trim() !== '');
		const [first] = list;
		if (first === undefined) throw new ClientError('invalid-channel');
		const posted = postedFields(body);
		const enter = (entered: Room): Promise<boolean> => services.rooms.join(actor, entered);
		// Most bots name a room by its id: the post itself finds it.
		const isId = body.roomId !== undefined || /^[0-9A-Za-z]{17,}$/.test(first);
		const direct = list.length === 1 && isId ? { ...posted, rid: first } : null;
		const known = direct === null ? null : await plainly(services.messages.sendIfRoom(actor, direct, enter));
		if (known !== null) return postAnswer(services, actor, first, known);
		const rooms = new Map<string, Room>();
		for (const target of list) {
			// Joining is left to the post, which reads the membership anyway. Nothing is posted unless every target exists.
			const room = await services.rooms.openTarget(actor, target, { joins: false });
			rooms.set(room._id, room);
		}
		let answered: Message | undefined;
		for (const room of rooms.values()) {
			const sent = await plainly(services.messages.send(actor, { ...posted, rid: room._id }, enter));
			answered ??= sent;
		}
		if (answered === undefined) throw new ClientError('invalid-channel');
		return postAnswer(services, actor, first, answered);
	},
});

async function postAnswer(services: CoreServices, actor: Actor, channel: string, message: Message) {
	return { ts: message.ts.getTime(), channel, message: await shown(services, actor, message) };
}

type PostBody = {
	text?: string | undefined;
	msg?: string | undefined;
	alias?: string | undefined;
	username?: string | undefined;
	emoji?: string | undefined;
	icon_emoji?: string | undefined;
	avatar?: string | undefined;
	icon_url?: string | undefined;
	attachments?: Record<string, unknown>[] | undefined;
	parseUrls?: boolean | undefined;
	groupable?: boolean | undefined;
	tmid?: string | undefined;
	tshow?: boolean | undefined;
	bot?: unknown;
	blocks?: Record<string, unknown>[] | undefined;
	customFields?: Record<string, unknown> | undefined;
};

/** Reads the old names of fields. An empty text counts as absent. */
function postedFields(body: PostBody) {
	const { tmid, tshow, bot, blocks, customFields } = body;
	const list = body.attachments?.map(({ msg, ...rest }) =>
		msg == null ? rest : { ...rest, text: rest['text'] ?? msg },
	);
	return {
		msg: body.text ?? body.msg ?? '',
		alias: (body.alias ?? body.username) || undefined,
		emoji: (body.emoji ?? body.icon_emoji) || undefined,
		avatar: (body.avatar ?? body.icon_url) || undefined,
		attachments: list,
		parseUrls: body.parseUrls ?? list === undefined,
		groupable: body.groupable ?? false,
		tmid,
		tshow,
		bot,
		blocks,
		customFields,
	};
}

/** `chat.update`: new text of a message, or new ciphertext. */
export const chatUpdate = route({
	post: 'chat.update',
	summary: 'Edit a message',
	auth: 'user',
	body: z.object({
		roomId: idText,
		msgId: idText,
		text,
		content: optional(freeForm),
		customFields: optional(freeForm),
		previewUrls: optional(z.array(z.string().max(8_192)).max(100)),
	}),
	run: async ({ actor, body, services }) => {
		await findInRoom(services, actor, body.msgId, body.roomId);
		const { text, content, customFields } = body;
		if (text === undefined && content === undefined) throw new RestFailure(400, "Match error: Missing key 'text'");
		const edit = { msg: text, content, customFields };
		const updated = await plainly(services.messages.update(actor, body.msgId, edit));
		return { message: await shown(services, actor, updated) };
	},
});

/** `chat.delete`: removes a message. */
export const chatDelete = route({
	post: 'chat.delete',
	summary: 'Delete a message',
	auth: 'user',
	body: z.object({ roomId: idText, msgId: idText, asUser: optional(z.boolean()) }),
	run: async ({ actor, body, services }) => {
		const { _id, rid, u } = await findInRoom(services, actor, body.msgId, body.roomId);
		if (body.asUser === true && u._id !== actor.uid) {
			if (!(await services.authorization.has(actor.uid, 'force-delete-message', rid))) {
				const permission = 'You must have the permission "force-delete-message" to delete other\'s message as them.';
				throw new RestFailure(400, `Unauthorized. ${permission}`);
			}
		}
		await plainly(services.messages.remove(actor, body.msgId));
		return { _id, ts: String(Date.now()), message: { _id, rid, u } };
	},
});

/** `chat.getMessage`: one message. */
export const chatGetMessage = route({
	get: 'chat.getMessage',
	summary: 'Get a message',
	auth: 'user',
	query: z.object({ msgId: qText.optional() }),
	run: async ({ actor, query, services }) => {
		if (query.msgId === undefined) throw new RestFailure(400, 'The "msgId" query parameter must be provided.');
		const message = await services.messages.find(actor, query.msgId);
		if (message === null) throw new RestFailure(400, {});
		return { message };
	},
});

/** `chat.react`: adds or takes back a reaction. */
export const chatReact = route({
	post: 'chat.react',
	summary: 'React to a message',
	auth: 'user',
	body: z.object({
		messageId: optional(z.string().max(256)),
		emoji: optional(z.string().max(256)),
		reaction: optional(z.string().max(256)),
		shouldReact: optional(z.boolean()),
	}),
	run: async ({ actor, body, services }) => {
		if (body.messageId === undefined || body.messageId.trim() === '') {
			throw new ClientError('error-messageid-param-not-provided', 'The required "messageId" param is missing.');
		}
		if ((await findReadable(services, actor, body.messageId)) === null) {
			const reason = 'The provided "messageId" does not match any existing message.';
			throw new ClientError('error-message-not-found', reason);
		}
		const emoji = body.emoji ?? body.reaction ?? '';
		if (emoji === '') {
			throw new ClientError('error-emoji-param-not-provided', 'The required "emoji" param is missing.');
		}
		await plainly(services.messages.react(actor, emoji, body.messageId, body.shouldReact));
		return {};
	},
});

/** What is not there and what he may not see answer alike. */
async function findReadable(services: CoreServices, actor: Actor, id: string): Promise<Message | null> {
	try {
		return await services.messages.find(actor, id);
	} catch (error) {
		if (error instanceof ClientError && error.code === 'error-not-allowed') return null;
		throw error;
	}
}

async function findInRoom(services: CoreServices, actor: Actor, id: string, rid: string): Promise<Message> {
	const message = await findReadable(services, actor, id);
	if (message === null) throw new RestFailure(400, `No message found with the id of "${id}".`);
	if (message.rid !== rid) {
		throw new RestFailure(400, 'The room id provided does not match where the message is from.');
	}
	return message;
}

async function shown(services: CoreServices, actor: Actor, message: Message): Promise<Message> {
	return (await services.messages.forClient(actor.uid, [message]))[0] ?? message;
}

/** Refusals whose text REST answers alone, without a code. @see REST endpoints 6 */
const plainCodes = new Set(['error-invalid-room', 'error-not-allowed', 'room_is_blocked', 'You_have_been_muted']);
const plainReasons = new Set([
	"You can't send messages because the room is readonly.",
	"You can't delete messages because the room is readonly.",
	'Not enough permission',
	"Cannot send system messages using 'chat.sendMessage'",
	'Only encrypted messages can have content updated.',
]);

async function plainly<T>(work: Promise<T>): Promise<T> {
	try {
		return await work;
	} catch (error) {
		if (!(error instanceof ClientError)) throw error;
		if (error.reason === undefined && plainCodes.has(String(error.code))) {
			throw new RestFailure(400, String(error.code));
		}
		if (error.reason !== undefined && plainReasons.has(error.reason)) throw new RestFailure(400, error.reason);
		throw error;
	}
}
