import { ClientError } from '@rookery/protocol/errors.ts';
import type { MessageId, RoomId, Subscription, UserId } from '@rookery/protocol/records.ts';
import { effectiveSubscription, type ShownSubscription } from '@rookery/protocol/unread.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { RoomState, SubscriptionReadRepository } from '../repositories/subscription-reads.ts';
import type { SubscriptionRepository } from '../repositories/subscriptions.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import type { SettingsService } from './settings.ts';
import { behind } from './sync-overlap.ts';

/**
 * A user's subscriptions as clients see them: effective counters (protocol `unread.ts`), never `rk`.
 */
export type SubscriptionsService = {
	/** All of a user's, in batches. */
	list(uid: UserId): Promise<ShownSubscription[]>;
	/** Changed (also only by a post in the room) after a date (10 s overlap), and removed since. */
	since(
		uid: UserId,
		since: Date,
	): Promise<{ update: ShownSubscription[]; remove: { _id: string; _deletedAt: Date }[] }>;
	find(uid: UserId, rid: RoomId): Promise<ShownSubscription | null>;
	/**
	 * The actor has read a room: nothing posted up to now is unread.
	 *
	 * @param readsThreads Its threads, too.
	 * @throws ClientError `error-not-allowed`, `error-invalid-subscription`
	 */
	read(actor: Actor, rid: RoomId, readsThreads?: boolean): Promise<void>;
	/** The actor has read a thread. @throws ClientError `error-not-allowed` */
	readThread(actor: Actor, tmid: MessageId): Promise<void>;
	/**
	 * Marks a room as unread from a message on, or from its last one.
	 *
	 * @returns How many subscriptions were marked: 1.
	 * @throws ClientError `error-action-not-allowed`, `error-no-message-for-unread`, `error-not-allowed`
	 */
	markUnread(actor: Actor, from: { rid: RoomId } | { messageId: MessageId }): Promise<number>;
};

type Deps = {
	subscriptions: Pick<SubscriptionRepository, 'find' | 'listByUser' | 'removedSince'>;
	reads: SubscriptionReadRepository;
	messages: Pick<MessageRepository, 'findById' | 'findNewest'>;
	authorization: AuthorizationApi;
	settings: Pick<SettingsService, 'listPublic' | 'flag'>;
};

/** A user's rooms with what is unread in them. Runs in: core. */
export function subscriptionsService(deps: Deps): SubscriptionsService {
	const { subscriptions, reads, messages, authorization } = deps;

	/** A change of what counts as unread is a change of every subscription. */
	function settingsUpdatedAt(): { settingsUpdatedAt?: Date } {
		const times = deps.settings
			.listPublic()
			.filter(({ _id }) => _id === 'Unread_Count' || _id === 'Unread_Count_DM')
			.map(({ _updatedAt }) => _updatedAt.getTime());
		return times.length === 0 ? {} : { settingsUpdatedAt: new Date(Math.max(...times)) };
	}

	async function show(list: Subscription[]): Promise<ShownSubscription[]> {
		const states = await reads.roomStates([...new Set(list.map(({ rid }) => rid))]);
		const rooms = new Map<RoomId, RoomState>(states.map((room) => [room._id, room]));
		const settings = settingsUpdatedAt();
		return list.map((subscription) =>
			effectiveSubscription(subscription, rooms.get(subscription.rid) ?? null, settings),
		);
	}

	async function list(uid: UserId): Promise<ShownSubscription[]> {
		const shown: ShownSubscription[] = [];
		for await (const batch of subscriptions.listByUser(uid)) shown.push(...(await show(batch)));
		return shown;
	}

	async function requireAccess(actor: Actor, rid: RoomId, method: string): Promise<void> {
		if (await authorization.canAccessRoom(rid, actor.uid)) return;
		throw new ClientError('error-not-allowed', 'Not allowed', { method });
	}

	async function lastOf(rid: RoomId): Promise<Date> {
		const last = await messages.findNewest(rid);
		if (last !== null) return last.ts;
		throw new ClientError('error-no-message-for-unread', 'There are no messages to mark unread', {
			method: 'unreadMessages',
			action: 'Unread_messages',
		});
	}

	async function mark(actor: Actor, rid: RoomId, from: Date): Promise<number> {
		const marked = await reads.markUnread(actor.uid, rid, from);
		if (marked === 1) return marked;
		throw new ClientError('error-not-allowed', 'Not allowed', { method: 'unreadMessages' });
	}

	return {
		list,

		async since(uid, since) {
			const after = behind(since);
			const update = (await list(uid)).filter(({ _updatedAt }) => _updatedAt > after);
			const removed = await subscriptions.removedSince(uid, after);
			return { update, remove: removed.map(({ _id, _deletedAt }) => ({ _id, _deletedAt })) };
		},

		async find(uid, rid) {
			const found = await subscriptions.find(uid, rid);
			return found === null ? null : ((await show([found]))[0] ?? null);
		},

		async read(actor, rid, readsThreads = false) {
			await requireAccess(actor, rid, 'readMessages');
			const room = await reads.roomState(rid);
			if (room !== null && (await reads.read(actor.uid, room, readsThreads)) !== null) return;
			throw new ClientError('error-invalid-subscription', 'Invalid subscription', { method: 'readMessages' });
		},

		async readThread(actor, tmid) {
			const parent = deps.settings.flag('Threads_enabled', true) ? await messages.findById(tmid) : null;
			if (parent === null) throw new ClientError('error-not-allowed', 'Threads Disabled', { method: 'readThreads' });
			await requireAccess(actor, parent.rid, 'readThreads');
			const room = await reads.roomState(parent.rid);
			if (room !== null) await reads.readThread(actor.uid, room, tmid);
		},

		async markUnread(actor, from) {
			if ('rid' in from) {
				await requireAccess(actor, from.rid, 'unreadMessages');
				return mark(actor, from.rid, await lastOf(from.rid));
			}
			const message = await messages.findById(from.messageId);
			const isForeign = message !== null && message._hidden !== true && message.u._id !== actor.uid;
			if (!isForeign || !(await authorization.canAccessRoom(message.rid, actor.uid))) {
				throw new ClientError('error-action-not-allowed', 'Not allowed', {
					method: 'unreadMessages',
					action: 'Unread_messages',
				});
			}
			return mark(actor, message.rid, message.ts);
		},
	};
}
