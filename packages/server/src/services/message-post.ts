import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, MessageId, Room, RoomId, UserId, UserRef } from '@rookery/protocol/records.ts';
import { maxCountedApart } from '@rookery/protocol/unread.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { Counted, PostScene, RoomPostRepository } from '../repositories/room-posts.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import { partsOfMessage, type MessageComposer } from './message-composer.ts';
import { isHighlighted } from './message-parts.ts';
import { checkClaims, checkContent, checkWritable } from './message-rules.ts';
import type { NewMessage } from './messages.ts';
import { effectsOf, namedUsers, namesEverybody, type PostEffects } from './post-effects.ts';
import type { PostOutbox } from './post-outbox.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	messages: MessageRepository;
	posts: RoomPostRepository;
	composer: MessageComposer;
	outbox: PostOutbox;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	/** Tells a user on his screen why he was refused. */
	explain(uid: UserId, rid: RoomId, refusal: ClientError): void;
	/** A new random id. */
	newId: () => string;
};

/**
 * Posting. The stored message is the commit; everything after it can be repeated from it.
 * @see architecture 5
 */
export function messagePosting(deps: Deps) {
	const { messages, posts, composer, outbox, settings } = deps;

	/** Room and thread a message goes to: a reply goes where its thread is. */
	async function placeOf(actor: Actor, message: NewMessage): Promise<{ rid: RoomId; parent: Message | null }> {
		if (message.tmid === undefined) return { rid: message.rid, parent: null };
		const named = await messages.findById(message.tmid);
		const parent = named?.tmid === undefined ? named : await messages.findById(named.tmid);
		const isThere = parent !== null && parent._hidden !== true;
		// A thread in a room he may not see is none for him, whatever room he names beside it.
		const isHis = isThere && (parent.rid === message.rid || (await canAccess(parent.rid, actor)));
		if (!isHis) throw new ClientError('error-invalid-message', 'Invalid message');
		return { rid: parent.rid, parent };
	}

	function canAccess(rid: RoomId, actor: Actor): Promise<boolean> {
		return deps.authorization.canAccessRoom(rid, actor.uid);
	}

	/** @returns null when there is no such room */
	async function prepare(actor: Actor, message: NewMessage, enter?: (room: Room) => Promise<unknown>) {
		checkContent(message, settings);
		const { rid, parent } = await placeOf(actor, message);
		const [found, mayAccess] = await Promise.all([posts.findScene(rid, actor.uid), canAccess(rid, actor)]);
		if (found === null) return null;
		await checkWritable(actor, found, mayAccess, deps);
		let scene = found;
		if (enter !== undefined && scene.author === null && scene.room.t === 'c') {
			await enter(scene.room);
			const entered = await posts.findScene(rid, actor.uid);
			if (entered === null) return null;
			scene = entered;
		}
		const parts = partsOfMessage(message);
		await checkClaims(actor, { ...message, names: parts }, scene, deps);
		const whole = { ...message, rid, _id: message._id ?? deps.newId() };
		return { scene, parent, unsent: await composer.compose(actor, whole, parts, parent?._id) };
	}

	/** Effects of a stored message by the record of its room. */
	function effects(message: Message, { room, highlights }: Pick<PostScene, 'room' | 'highlights'>): PostEffects {
		const highlighted = highlights.filter(({ words }) => isHighlighted(message.msg, words)).map(({ uid }) => uid);
		return effectsOf(message, room, settings, message.t === 'e2e' ? [] : highlighted);
	}

	/** Step 2. @returns null when somebody else has counted the message */
	async function count(message: Message, effect: PostEffects, author: PostScene['author']): Promise<Counted | null> {
		const done = outbox.take(message.rid);
		try {
			return await posts.count(message, {
				isShownInRoom: effect.isShownInRoom,
				moved: effect.moved,
				keepsLast: settings.flag('Store_Last_Message', true),
				hasFollowUp: hasFollowUp(effect, author),
				done,
			});
		} catch (error) {
			for (const id of done) outbox.add(message.rid, id);
			throw error;
		}
	}

	/** Step 3. Every part may be repeated. */
	async function follow(message: Message, effect: PostEffects, counted: Counted, author: PostScene['author']) {
		const { rid, u } = message;
		const { s, openFrom } = counted;
		if (effect.moved.n === 1 && author !== null) await posts.addApart(rid, [u._id], effect.forAuthor(s), false);
		if (effect.mentioned.length > 0) await posts.addApart(rid, effect.mentioned, effect.forMentioned(s), true);
		const folding = [...effect.mentioned, ...((author?.rk?.x?.length ?? 0) >= maxCountedApart ? [u._id] : [])];
		if (folding.length > 0) await posts.foldApart(rid, folding, openFrom);
		if (effect.isReply) await followThread(message, author !== null);
	}

	async function followThread(message: Message, isMember: boolean): Promise<void> {
		const { rid, tmid, u } = message;
		if (tmid === undefined) return;
		const root = await messages.findById(tmid);
		const starter = root === null || root.replies !== undefined ? [] : [root.u._id];
		const mentioned = namedUsers(message);
		const parent = await messages.recountThread(tmid, [...new Set([...starter, ...mentioned, u._id])]);
		const followers = (parent?.replies ?? []).filter((uid) => uid !== u._id);
		if (followers.length > 0) {
			await posts.markThreadUnread(rid, tmid, followers, { mentioned, isGroup: namesEverybody(message) });
		}
		if (isMember) await posts.markReplied(rid, u._id);
	}

	/** Steps 2 and 3 of a message that was stored just now. */
	async function countAndFollow(message: Message, scene: Pick<PostScene, 'room' | 'highlights' | 'author'>) {
		const effect = effects(message, scene);
		const counted = await count(message, effect, scene.author);
		if (counted === null || !hasFollowUp(effect, scene.author)) return;
		await follow(message, effect, counted, scene.author);
		outbox.add(message.rid, message._id);
	}

	/** @returns null when there is no such room */
	async function post(
		actor: Actor,
		message: NewMessage,
		enter?: (room: Room) => Promise<unknown>,
	): Promise<Message | null> {
		const prepared = await prepare(actor, message, enter);
		if (prepared === null) return null;
		const { scene, unsent } = prepared;
		const { stored, isNew } = await messages.insertOnce(unsent, scene.newest);
		if (isNew) await countAndFollow(stored, scene);
		else if (!isSamePost(stored, unsent)) throw new ClientError('error-not-allowed');
		return stored;
	}

	/** Runs a post; a refusal is also shown to its author on his screen. */
	async function explained<T>(actor: Actor, { rid }: NewMessage, run: () => Promise<T>): Promise<T> {
		try {
			return await run();
		} catch (error) {
			if (error instanceof ClientError) deps.explain(actor.uid, rid, error);
			throw error;
		}
	}

	return {
		/** @see MessagesService.send */
		send(actor: Actor, message: NewMessage, enter?: (room: Room) => Promise<unknown>): Promise<Message> {
			return explained(actor, message, async () => {
				const sent = await post(actor, message, enter);
				if (sent === null) throw new ClientError('error-invalid-room');
				return sent;
			});
		},

		/** @see MessagesService.sendIfRoom */
		sendIfRoom(actor: Actor, message: NewMessage, enter?: (room: Room) => Promise<unknown>): Promise<Message | null> {
			return explained(actor, message, () => post(actor, message, enter));
		},

		/** @see MessagesService.postSystem */
		async postSystem(
			t: string,
			room: Pick<Room, '_id'>,
			actor: UserRef,
			msg: string,
			extra: Partial<Message> = {},
		): Promise<Message> {
			const u = { _id: actor._id, ...(actor.username === undefined ? {} : { username: actor.username }) };
			const { ts: _ts, _updatedAt, ...more } = extra;
			const unsent = { _id: deps.newId(), t, rid: room._id, msg, u, groupable: false, ...more };
			const { stored } = await messages.insertOnce(unsent, await posts.newestTime(room._id));
			await posts.count(stored, systemPost);
			return stored;
		},

		/** Counts a message that a crash left uncounted, and completes it. */
		async recount(message: Message): Promise<void> {
			const scene = await posts.findScene(message.rid, message.u._id);
			if (scene !== null) await countAndFollow(message, scene);
		},

		/** Completes a message that is counted already. @param counted Its number in the room. */
		async complete(id: MessageId, counted: Counted): Promise<void> {
			const message = await messages.findById(id);
			if (message === null) return;
			const scene = await posts.findScene(message.rid, message.u._id);
			if (scene === null) return;
			await follow(message, effects(message, scene), counted, scene.author);
		},
	};
}

export type MessagePosting = ReturnType<typeof messagePosting>;

const systemPost = {
	isShownInRoom: false,
	moved: { s: 1, n: 0, u: 0, g: 0 },
	keepsLast: false,
	hasFollowUp: false,
	done: [],
};

/** Whether a stored message is what a repeated send stands for. What was hidden since is gone for clients. */
function isSamePost(stored: Message, { u, rid }: Pick<Message, 'u' | 'rid'>): boolean {
	return stored.u._id === u._id && stored.rid === rid && stored._hidden !== true;
}

function hasFollowUp(effect: PostEffects, author: PostScene['author']): boolean {
	return effect.isReply || effect.mentioned.length > 0 || (effect.moved.n === 1 && author !== null);
}
