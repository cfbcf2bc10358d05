import type { Message, Room, RoomId, UserRef } from '@rookery/protocol/records.ts';
import type { Actor } from './contracts.ts';

/** What other services of core use of messages. The rest of the type is what routes and methods use. */
export type MessagesService = {
	/**
	 * Stores a message by an actor and everything that follows from it (unread counters, thread parent).
	 *
	 * @param message As the client sent it, already of the right shape.
	 * @returns The stored message; the one stored before when author, room and `_id` are the same.
	 * @throws ClientError the codes of `chat.sendMessage`
	 */
	send(actor: Actor, message: NewMessage): Promise<Message>;
	/** Stores a system message (`uj`, `au`, `r`, ...): no permission is asked, only `msgs` and `rk.s` move. */
	postSystem(
		t: string,
		room: Pick<Room, '_id'>,
		actor: UserRef,
		msg: string,
		extra?: Partial<Message>,
	): Promise<Message>;
	/** Removes all messages of a room that is being deleted. */
	removeAll(rid: RoomId): Promise<void>;
	/** Repairs what a crash left between a message and its effects. @see CoreApi.settle */
	settle(rid: RoomId): Promise<void>;
};

/** Fields a client may set on a new message. */
export type NewMessage = Pick<Message, 'rid'> &
	Partial<
		Pick<
			Message,
			| '_id'
			| 'msg'
			| 'ts'
			| 'tmid'
			| 'tshow'
			| 'alias'
			| 'avatar'
			| 'emoji'
			| 'attachments'
			| 'blocks'
			| 'groupable'
			| 'parseUrls'
			| 'customFields'
			| 'bot'
			| 'content'
			| 't'
			| 'e2e'
			| 'location'
		>
	>;
