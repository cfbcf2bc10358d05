import type { Message, MessageId, Room, RoomId, UserId, UserRef } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { RoomPostRepository } from '../repositories/room-posts.ts';
import type { RoomRepository } from '../repositories/rooms.ts';
import type { SubscriptionReadRepository } from '../repositories/subscription-reads.ts';
import type { TrashRepository } from '../repositories/trash.ts';
import type { UserRepository } from '../repositories/users.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import { messageChanges } from './message-changes.ts';
import { messageComposer } from './message-composer.ts';
import { messageHistory } from './message-history.ts';
import { refusalNotice } from './message-notice.ts';
import { messagePosting } from './message-post.ts';
import { messageReactions } from './message-reactions.ts';
import { messageSettling } from './message-settle.ts';
import { messageSync } from './message-sync.ts';
import { messageView } from './message-view.ts';
import { postOutbox } from './post-outbox.ts';
import type { SettingsReader } from './settings.ts';

/** A page of a room's history. Dates bound `ts`; exclusive unless `inclusive`. */
export type HistoryQuery = {
	rid: RoomId;
	latest?: Date | undefined;
	oldest?: Date | undefined;
	inclusive?: boolean | undefined;
	offset?: number | undefined;
	/** Default 20, cut to `API_Upper_Count_Limit` (100); 0 = up to 10,000. */
	count?: number | undefined;
	/** Also `firstUnread` and `unreadNotLoaded`; unread is what is newer than `oldest`. */
	unreads?: boolean | undefined;
	/** When the caller last read the room: what is newer counts as unread, loaded or not. */
	lastSeen?: Date | undefined;
	/** Default true. false: thread replies are left out unless shown in the room. */
	showThreadMessages?: boolean | undefined;
};

/** Newest first. */
export type HistoryPage = { messages: Message[]; firstUnread?: Message; unreadNotLoaded?: number };

/** A list of a room's messages, filtered by what the client may ask for. */
export type MessageListQuery = {
	rid: RoomId;
	offset: number;
	/** 0 = up to 10,000. */
	count: number;
	/** Only these. */
	ids?: MessageId[] | undefined;
	/** Default `{ts: -1}`. Checked: `ts`, `_updatedAt`, `_id`, `tlm`, `tcount`, `pinnedAt`, `editedAt`, `msg`. */
	sort?: Record<string, 1 | -1> | undefined;
	mentionIds?: UserId[] | undefined;
	starredIds?: UserId[] | undefined;
	pinned?: boolean | undefined;
	/** A thread's replies; null = messages outside threads. */
	tmid?: MessageId | null | undefined;
};

export type MessageList = { messages: Message[]; count: number; offset: number; total: number };

/** A record that was deleted, for the `remove` half of sync answers. */
export type Tombstone = { _id: string; _deletedAt: Date };

export type SyncPageQuery = {
	rid: RoomId;
	type: 'UPDATED' | 'DELETED';
	/** Time of change in ms; one of the two. */
	next?: number | undefined;
	previous?: number | undefined;
	/** Default 20, at most 100. */
	count?: number | undefined;
};

export type SyncPage = {
	updated?: Message[];
	deleted?: Tombstone[];
	cursor: { next: string | null; previous: string | null };
};

/** What a client may change of a message. */
export type MessageEdit = Partial<
	Pick<Message, 'msg' | 'attachments' | 'customFields' | 'content' | 'blocks' | 'tmid'>
>;

/** What other services of core use of messages. The rest of the type is what routes and methods use. */
export type MessagesService = {
	/**
	 * Stores a message by an actor and everything that follows from it (unread counters, thread parent).
	 *
	 * @param message As the client sent it, already of the right shape.
	 * @param enter Makes the author a member of a public channel that he is not in, before he posts.
	 * @returns The stored message; the one stored before when author, room and `_id` are the same.
	 * @throws ClientError the codes of `chat.sendMessage`
	 */
	send(actor: Actor, message: NewMessage, enter?: (room: Room) => Promise<unknown>): Promise<Message>;
	/** As `send`, but null when there is no room of this id: for targets that may be something else. */
	sendIfRoom(actor: Actor, message: NewMessage, enter?: (room: Room) => Promise<unknown>): Promise<Message | null>;
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
	/**
	 * Repairs what a crash left between a message and its effects. May be repeated.
	 *
	 * @param uncounted Messages the caller knows to be in no version of the room's `rk.i`; others are found as far as the
	 *   room's own record shows them.
	 * @see CoreApi.settle
	 */
	settle(rid: RoomId, uncounted?: MessageId[]): Promise<void>;

	/**
	 * A page of a room's history, newest first, without hidden messages and hidden system messages.
	 *
	 * @param actor null = anonymous.
	 * @throws ClientError `error-not-allowed` when he may not read the room
	 */
	history(actor: Actor | null, query: HistoryQuery): Promise<HistoryPage>;
	/** A filtered list of a room's messages. @throws ClientError `error-not-allowed`, `error-invalid-sort` */
	list(actor: Actor | null, query: MessageListQuery): Promise<MessageList>;
	/** What is newer than a date, newest first, up to 10,000. @throws ClientError `error-not-allowed` */
	missed(actor: Actor | null, rid: RoomId, start: Date): Promise<Message[]>;
	/** What follows a date, oldest first. @throws ClientError `error-not-allowed` */
	following(actor: Actor, rid: RoomId, after: Date | undefined, count: number): Promise<Message[]>;
	/** A message with those around it; null when it does not exist. @throws ClientError `error-not-allowed` */
	surrounding(
		actor: Actor,
		id: MessageId,
		count: number,
	): Promise<{ messages: Message[]; moreBefore: boolean; moreAfter: boolean } | null>;
	/** One message the actor may read; null when unknown. @throws ClientError `error-not-allowed` */
	find(actor: Actor, id: MessageId): Promise<Message | null>;
	/** These messages; unknown ones are left out. @throws ClientError `error-not-allowed` when one may not be read */
	findMany(actor: Actor, ids: MessageId[]): Promise<Message[]>;
	/** The parent, then its replies, newest first; [] when unknown. @throws ClientError `error-not-allowed` */
	thread(actor: Actor, query: { tmid: MessageId; limit: number; skip: number }): Promise<Message[]>;
	/** Everything that changed or went after a date (10 s overlap). @throws ClientError `error-not-allowed` */
	changedSince(actor: Actor, rid: RoomId, since: Date): Promise<{ updated: Message[]; deleted: Tombstone[] }>;
	/** A page of changes. @throws ClientError `error-not-allowed` */
	changedPage(actor: Actor, query: SyncPageQuery): Promise<SyncPage>;
	/** Messages as this caller sees them: only his own star, real names where the setting asks for them. */
	forClient(uid: UserId | null, messages: Message[]): Promise<Message[]>;

	/**
	 * Changes a message's content.
	 *
	 * @returns The stored message, also when nothing changed.
	 * @throws ClientError `error-action-not-allowed`, `error-message-editing-blocked`, `error-message-same-as-tmid`,
	 *   `error-message-change-to-thread`, `error-message-size-exceeded`
	 */
	update(actor: Actor, id: MessageId, edit: MessageEdit): Promise<Message>;
	/** Deletes a message by the workspace's rules. @throws ClientError `error-action-not-allowed`, `error-invalid-message` */
	remove(actor: Actor, id: MessageId): Promise<Message>;
	/**
	 * Adds or takes back the actor's reaction.
	 *
	 * @param shouldReact undefined = toggle.
	 * @throws ClientError `error-not-allowed`
	 */
	react(actor: Actor, emoji: string, id: MessageId, shouldReact?: boolean): Promise<void>;
	/** Writes what is still to be noted about finished posts; call it when the process stops. */
	stop(): Promise<void>;
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

type Deps = {
	messages: MessageRepository;
	/** Effects of posts on rooms and subscriptions. */
	posts: RoomPostRepository;
	reads: SubscriptionReadRepository;
	rooms: Pick<RoomRepository, 'findById'>;
	users: Pick<UserRepository, 'findByUsernames'>;
	trash: Pick<TrashRepository, 'moveToTrash' | 'moveAllToTrash'>;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	bus: Pick<Bus, 'publish'>;
	clock: Clock;
	/** Makes a new document id. */
	ids: () => string;
	log: Log;
};

/** Messages: posting, reading, changing. Runs in: core. */
export function messagesService(given: Deps): MessagesService {
	const deps = { ...given, newId: given.ids };
	const outbox = postOutbox({ close: deps.posts.close, log: deps.log });
	const composer = messageComposer(deps);
	const forClient = messageView(deps);
	const explain = refusalNotice(deps);
	const posting = messagePosting({ ...deps, outbox, composer, explain });
	const changes = messageChanges({ ...deps, composer });

	return {
		send: posting.send,
		sendIfRoom: posting.sendIfRoom,
		postSystem: posting.postSystem,
		settle: messageSettling({ ...deps, posting }),
		async removeAll(rid) {
			await deps.trash.moveAllToTrash('rocketchat_message', { rid });
		},
		...messageHistory({ ...deps, forClient }),
		...messageSync({ ...deps, forClient }),
		forClient,
		update: changes.update,
		remove: changes.remove,
		react: messageReactions({ ...deps, reach: changes.reach, explain }),
		stop: outbox.flush,
	};
}
