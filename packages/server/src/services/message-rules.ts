import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, Room } from '@rookery/protocol/records.ts';
import type { PostScene } from '../repositories/room-posts.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import { lengthOf } from './message-parts.ts';
import type { NewMessage } from './messages.ts';
import type { SettingsReader } from './settings.ts';

type Rights = { authorization: AuthorizationApi; settings: SettingsReader };

/** How far a client's clock may be off before its messages are refused. */
const clockToleranceMs = 60_000;
/** JSON text of everything free in a message (attachments, blocks, custom fields). */
const maxFreeBytes = 256 * 1024;
/** Emoji short names count as one character, but not without end. */
const maxStretch = 8;

/**
 * What is wrong with a new message whatever the room.
 *
 * @throws ClientError `invalid-params`, `error-not-allowed`, `error-message-size-exceeded`
 */
export function checkContent(message: NewMessage, settings: SettingsReader): void {
	if (message.tshow === true && message.tmid === undefined) {
		throw new ClientError('invalid-params', 'tshow provided but missing tmid');
	}
	if (message.tmid !== undefined && !settings.flag('Threads_enabled', true)) {
		throw new ClientError('error-not-allowed', 'not-allowed', { method: 'sendMessage' });
	}
	if (message.t !== undefined && message.t !== 'e2e') {
		throw new ClientError('error-not-allowed', "Cannot send system messages using 'chat.sendMessage'");
	}
	checkSize(message, settings);
}

/** @throws ClientError `error-message-size-exceeded` */
export function checkSize(message: Partial<NewMessage>, settings: SettingsReader): void {
	const limit = settings.number('Message_MaxAllowedSize', 5_000);
	const texts = [message.msg, ...(message.attachments ?? []).flatMap(({ text, description }) => [text, description])];
	const free = JSON.stringify([message.attachments, message.blocks, message.customFields]).length;
	const isTooLong = (text: unknown): boolean =>
		typeof text === 'string' && (text.length > limit * maxStretch || lengthOf(text) > limit);
	if (free > maxFreeBytes || texts.some(isTooLong)) {
		throw new ClientError('error-message-size-exceeded', 'Message size exceeds Message_MaxAllowedSize', {
			method: 'sendMessage',
		});
	}
}

/**
 * Whether this user may write into this room now.
 *
 * @param mayAccess What authorization says of the room and the user: asked while the room is read.
 * @throws ClientError `error-not-allowed`, `room_is_blocked`, `error-room-archived`, `You_have_been_muted`
 * @see REST endpoints 6, `chat.sendMessage`
 */
export async function checkWritable(
	actor: Actor,
	{ room, author }: Pick<PostScene, 'room' | 'author'>,
	mayAccess: boolean,
	{ authorization }: Pick<Rights, 'authorization'>,
): Promise<void> {
	if (!mayAccess) throw new ClientError('error-not-allowed');
	if (author?.blocked === true || author?.blocker === true) throw new ClientError('room_is_blocked');
	if (room.archived === true) throw new ClientError('error-room-archived', 'The room is archived');
	await checkVoice(actor, room, authorization);
}

/**
 * Whether this user is silenced in a room: muted, or without a voice where it is read-only.
 *
 * @throws ClientError `error-not-allowed`, `You_have_been_muted`
 */
export async function checkVoice(actor: Actor, room: Room, authorization: AuthorizationApi): Promise<void> {
	if (room.ro === true && room.unmuted?.includes(actor.username) !== true) {
		if (!(await authorization.has(actor.uid, 'post-readonly', room._id))) {
			throw new ClientError('error-not-allowed', "You can't send messages because the room is readonly.");
		}
	}
	if (room.muted?.includes(actor.username) === true) throw new ClientError('You_have_been_muted');
}

/**
 * What a message asks for beyond its text: the time of the client, another name, everybody's attention.
 *
 * @throws ClientError `error-message-ts-out-of-sync`, `error-not-allowed`, `error-action-not-allowed`
 */
export async function checkClaims(
	actor: Actor,
	message: NewMessage & { names: { all: boolean; here: boolean } },
	{ room, now }: Pick<PostScene, 'room' | 'now'>,
	{ authorization }: Pick<Rights, 'authorization'>,
): Promise<void> {
	// Against the database's clock: a process's own may be minutes off.
	if (message.ts !== undefined && Math.abs(message.ts.getTime() - now.getTime()) > clockToleranceMs) {
		throw new ClientError('error-message-ts-out-of-sync', 'Message timestamp is out of sync', {
			method: 'sendMessage',
			message_ts: message.ts,
			server_ts: now,
		});
	}
	const isDisguised = [message.alias, message.avatar, message.emoji].some(
		(value) => value !== undefined && value !== '',
	);
	if (isDisguised && !(await authorization.has(actor.uid, 'message-impersonate', room._id))) {
		throw new ClientError('error-not-allowed', 'Not enough permission');
	}
	await checkGroupMentions(actor, message.names, room, authorization);
}

/** @throws ClientError `error-action-not-allowed` */
export async function checkGroupMentions(
	actor: Actor,
	names: { all: boolean; here: boolean },
	room: Room,
	authorization: AuthorizationApi,
): Promise<void> {
	for (const who of ['all', 'here'] as const) {
		if (!names[who] || (await authorization.has(actor.uid, `mention-${who}`, room._id))) continue;
		throw new ClientError('error-action-not-allowed', `Notify ${who} in this room not allowed`, {
			action: `Notify_${who}`,
		});
	}
}

/** Whether a span of minutes since a message has passed; 0 minutes = no limit. */
export function isPast(message: Pick<Message, 'ts'>, minutes: number, nowMs: number): boolean {
	return minutes > 0 && nowMs - message.ts.getTime() > minutes * 60_000;
}
