import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, RoomId, UserId } from '@rookery/protocol/records.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import type { SyncPage, SyncPageQuery, Tombstone } from './messages.ts';

type Deps = {
	messages: MessageRepository;
	authorization: AuthorizationApi;
	forClient(uid: UserId | null, messages: Message[]): Promise<Message[]>;
};

/** Answers go back this much before the date asked for: clocks differ, and commits come late. */
const overlapMs = 10_000;
const maxPage = 100;
const usualPage = 20;
/** Changes of one and the same millisecond that a page may hold beyond its length. */
const maxSameTime = 1_000;

/**
 * What changed in a room since a client was there.
 * @see REST endpoints 6, `chat.syncMessages`; security contract REL-6
 */
export function messageSync({ messages, authorization, forClient }: Deps) {
	async function requireRead(rid: RoomId, uid: UserId): Promise<void> {
		if (await authorization.canReadRoom(rid, uid)) return;
		throw new ClientError('error-not-allowed', 'Not allowed', { method: 'messages/get' });
	}

	async function changedSince(
		actor: Actor,
		rid: RoomId,
		since: Date,
	): Promise<{ updated: Message[]; deleted: Tombstone[] }> {
		await requireRead(rid, actor.uid);
		const after = new Date(since.getTime() - overlapMs);
		const updated = await messages.findChanged(rid, { after }, { order: -1 });
		const deleted = await messages.findDeleted(rid, { after }, { order: 1 });
		const hidden = await messages.findHiddenSince(rid, after);
		return { updated: await forClient(actor.uid, updated), deleted: [...deleted, ...hidden] };
	}

	async function changedPage(actor: Actor, query: SyncPageQuery): Promise<SyncPage> {
		const { rid, type, next, previous } = query;
		await requireRead(rid, actor.uid);
		const isForward = next !== undefined;
		const span = isForward ? { after: new Date(next) } : { before: new Date(previous ?? 0) };
		const order = isForward ? (1 as const) : (-1 as const);
		const count = Math.min(query.count === undefined || query.count === 0 ? usualPage : query.count, maxPage);
		const limit = count + 1;
		if (type === 'DELETED') {
			const found = await messages.findDeleted(rid, span, { order, limit: limit + maxSameTime });
			const { page, cursor } = cut(found, ({ _deletedAt }) => _deletedAt.getTime(), count, isForward);
			return { deleted: page, cursor };
		}
		const found = await messages.findChanged(rid, span, { order, limit });
		const last = found[count - 1];
		const sameTime = last === undefined ? [] : await messages.findChangedAt(rid, last._updatedAt, maxSameTime);
		const known = new Set(found.map(({ _id }) => _id));
		const whole = [...found.slice(0, count), ...sameTime.filter(({ _id }) => !known.has(_id)), ...found.slice(count)];
		const { page, cursor } = cut(whole, ({ _updatedAt }) => _updatedAt.getTime(), count, isForward);
		return { updated: await forClient(actor.uid, page), cursor };
	}

	return { changedSince, changedPage };
}

/**
 * A page never ends between two changes of one millisecond: the cursor, a time, could not tell them apart.
 *
 * @param found In order; more than `count` when there is a further page.
 */
function cut<T>(
	found: T[],
	timeOf: (item: T) => number,
	count: number,
	isForward: boolean,
): { page: T[]; cursor: SyncPage['cursor'] } {
	const last = found[count - 1];
	const end = last === undefined ? found.length : found.findLastIndex((item) => timeOf(item) === timeOf(last)) + 1;
	const page = found.slice(0, end);
	const edge = page.at(-1);
	const start = page[0];
	const onward = edge !== undefined && end < found.length ? String(timeOf(edge)) : null;
	const back = start === undefined ? null : String(timeOf(start));
	return { page, cursor: isForward ? { next: onward, previous: back } : { next: back, previous: onward } };
}
