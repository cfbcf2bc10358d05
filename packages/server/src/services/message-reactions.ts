import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, MessageId, Room, RoomId, UserId } from '@rookery/protocol/records.ts';
import type { Actor } from './contracts.ts';
import type { ChangeDeps, MessageChanges } from './message-changes.ts';
import { checkVoice } from './message-rules.ts';

type Deps = Pick<ChangeDeps, 'messages' | 'posts' | 'authorization'> & {
	reach: MessageChanges['reach'];
	/** Tells a user on his screen why he was refused. */
	explain(uid: UserId, rid: RoomId, refusal: ClientError): void;
};

/** What may stand between the colons: it becomes the name of a field. */
const emojiName = /^[\p{L}\p{N}_+-]{1,64}$/u;
/** Different emojis that one message may carry. */
const maxEmojis = 200;

/** Reactions: each is one conditional write, so that clicks at once neither get lost nor count twice. */
export function messageReactions({ messages, posts, authorization, reach, explain }: Deps) {
	async function requireVoice(actor: Actor, room: Room): Promise<void> {
		try {
			await checkVoice(actor, room.reactWhenReadOnly === true ? { ...room, ro: false } : room, authorization);
		} catch (error) {
			if (error instanceof ClientError) explain(actor.uid, room._id, error);
			throw error;
		}
	}

	async function toggle(message: Message, emoji: string, username: string, shouldReact: boolean | undefined) {
		const present = Object.keys(message.reactions ?? {});
		const isFull = present.length >= maxEmojis && !present.includes(emoji);
		if (isFull && shouldReact !== false) throw invalidEmoji();
		return messages.setReaction(message._id, emoji, username, shouldReact);
	}

	/** @see MessagesService.react */
	return async function react(actor: Actor, emoji: string, id: MessageId, shouldReact?: boolean): Promise<void> {
		const found = await reach(actor, id);
		if (found === null || found.message.t === 'rm') {
			throw new ClientError('error-not-allowed', 'Not allowed', { method: 'setReaction' });
		}
		const name = emoji.replaceAll(':', '');
		if (!emojiName.test(name)) throw invalidEmoji();
		const { message, room } = found;
		if (room.archived === true) throw new ClientError('error-room-archived', 'The room is archived');
		await requireVoice(actor, room);
		const changed = await toggle(message, `:${name}:`, actor.username, shouldReact);
		if (changed !== null) await posts.replaceLast(room._id, id, changed);
	};
}

function invalidEmoji(): ClientError {
	return new ClientError('error-not-allowed', 'Invalid emoji provided.', { method: 'setReaction' });
}
