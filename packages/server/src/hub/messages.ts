import type { Post, Publication } from '@rookery/protocol/events.ts';
import type { Message, RoomId } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';

/** Types of messages that people write: all others are the server's own. @see data model, 5 */
const writtenTypes: ReadonlySet<string> = new Set(['e2e', 'discussion-created']);

/**
 * A message was stored, edited or deleted: announces it in its room. Hidden and imported messages are silent, and so is
 * what goes together with its whole room.
 *
 * @param isRoomGone Whether a room was deleted a short time ago.
 * @see realtime contract 4.2, 4.5; data model 6.4
 */
export function messageEvents(change: Change<Message>, isRoomGone: (rid: RoomId) => boolean): Publication[] {
	if (change.operation === 'delete') return deletion(change, isRoomGone);
	const message = change.after;
	if (message === null || message.imported !== undefined) return [];
	if (message._hidden === true) return wasHidden(change) ? [disappearance(message)] : [];
	const version = message._updatedAt instanceof Date ? { version: message._updatedAt.getTime() } : {};
	const parts: Publication['parts'] = [
		{ kind: 'direct', stream: 'room-messages', event: message.rid, args: [message], ...version },
	];
	if (change.operation === 'insert' && isWritten(message)) {
		parts.push({ kind: 'record', record: 'post', action: 'inserted', body: postOf(message) });
	}
	return [{ key: `room:${message.rid}`, parts }];
}

function deletion({ before }: Change<Message>, isRoomGone: (rid: RoomId) => boolean): Publication[] {
	if (before === null || before._hidden === true || before.imported !== undefined) return [];
	return isRoomGone(before.rid) ? [] : [disappearance(before)];
}

/** `deleteMessage` for one that was visible before. */
function disappearance({ _id, rid }: Message): Publication {
	const event = `${rid}/deleteMessage`;
	return { key: `room:${rid}`, parts: [{ kind: 'direct', stream: 'notify-room', event, args: [{ _id }] }] };
}

/** Whether just this change hid the message: a deletion that keeps history. */
function wasHidden({ operation, before, updatedFields }: Change<Message>): boolean {
	if (operation === 'insert') return false;
	if (before !== null) return before._hidden !== true;
	return updatedFields?.includes('_hidden') ?? false;
}

function isWritten({ t }: Message): boolean {
	return t === undefined || writtenTypes.has(t);
}

/** What a streamer needs to make desktop notifications. */
function postOf(message: Message): Post {
	const { _id, rid, t, tmid, msg, u, replies, content } = message;
	const mentions = message.mentions ?? [];
	const named = new Set(mentions.map((mention) => mention._id));
	const post: Post = {
		_id,
		rid,
		msg,
		u,
		mentions: mentions.filter(isPerson).map((mention) => mention._id),
		all: named.has('all'),
		here: named.has('here'),
	};
	if (t !== undefined) post.t = t;
	if (tmid !== undefined) post.tmid = tmid;
	if (replies !== undefined) post.replies = replies;
	if (content !== undefined) post.content = content;
	return post;
}

function isPerson({ _id, type }: NonNullable<Message['mentions']>[number]): boolean {
	return type !== 'team' && _id !== 'all' && _id !== 'here';
}
