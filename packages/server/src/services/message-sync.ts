import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, RoomId, UserId } from '@rookery/protocol/records.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import type { SyncPage, SyncPageQuery, Tombstone } from './messages.ts';
import { behind } from './sync-overlap.ts';

type Deps = {
	messages: MessageRepository;
	authorization: AuthorizationApi;
	forClient(uid: UserId | null, messages: Message[]): Promise<Message[]>;
};

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

	/** What is gone for clients: messages in the trash, and those that are kept but hidden. In order of time. */
	async function findGone(rid: RoomId, span: Span, page: Page): Promise<Tombstone[]> {
		const deleted = await messages.findDeleted(rid, span, page);
		const hidden = await messages.findHidden(rid, span, page);
		const all = [...deleted, ...hidden].sort((a, b) => page.order * (a._deletedAt.getTime() - b._deletedAt.getTime()));
		return all.slice(0, page.limit);
	}

	async function changedSince(
		actor: Actor,
		rid: RoomId,
		since: Date,
	): Promise<{ updated: Message[]; deleted: Tombstone[] }> {
		await requireRead(rid, actor.uid);
		const after = behind(since);
		const updated = await messages.findChanged(rid, { after }, { order: -1 });
		const deleted = await findGone(rid, { after }, { order: 1 });
		return { updated: await forClient(actor.uid, updated), deleted };
	}

	async function changedPage(actor: Actor, query: SyncPageQuery): Promise<SyncPage> {
		const { rid, type, next, previous } = query;
		await requireRead(rid, actor.uid);
		const wanted = query.count === undefined || query.count === 0 ? usualPage : query.count;
		const from = next === undefined ? { order: -1 as const, time: previous ?? 0 } : { order: 1 as const, time: next };
		const count = Math.min(wanted, maxPage);
		if (type === 'DELETED') {
			const read: Read<Tombstone> = (span, page) => findGone(rid, span, page);
			const { items, cursor } = await pageOf(read, ({ _deletedAt }) => _deletedAt.getTime(), from, count);
			return { deleted: items, cursor };
		}
		const read: Read<Message> = (span, page) => messages.findChanged(rid, span, page);
		const { items, cursor } = await pageOf(read, ({ _updatedAt }) => _updatedAt.getTime(), from, count);
		return { updated: await forClient(actor.uid, items), cursor };
	}

	return { changedSince, changedPage };
}

type Span = { after?: Date; before?: Date };
type Page = { order: 1 | -1; limit?: number };
type Read<T> = (span: Span, page: Page & { limit: number }) => Promise<T[]>;

/** The span beyond a time, in the direction of the pages. */
function beyond(time: number, order: 1 | -1): Span {
	return order === 1 ? { after: new Date(time) } : { before: new Date(time) };
}

/**
 * A page from a time on. It never ends between two changes of one millisecond: the cursor, a time, could not tell them
 * apart.
 */
async function pageOf<T>(
	read: Read<T>,
	timeOf: (item: T) => number,
	{ order, time }: { order: 1 | -1; time: number },
	count: number,
): Promise<{ items: T[]; cursor: SyncPage['cursor'] }> {
	const found = await read(beyond(time, order), { order, limit: count + 1 });
	let items = found.slice(0, count);
	const [first, last, further] = [items[0], items.at(-1), found[count]];
	if (first === undefined || last === undefined) return { items, cursor: { next: null, previous: null } };
	const edge = timeOf(last);
	let isMore = further !== undefined;
	if (further !== undefined && timeOf(further) === edge) {
		const atEdge = { after: new Date(edge - 1), before: new Date(edge + 1) };
		const together = await read(atEdge, { order, limit: maxSameTime });
		items = [...items.filter((item) => timeOf(item) !== edge), ...together];
		isMore = (await read(beyond(edge, order), { order, limit: 1 })).length > 0;
	}
	const [onward, back] = [isMore ? String(edge) : null, String(timeOf(first))];
	return { items, cursor: order === 1 ? { next: onward, previous: back } : { next: back, previous: onward } };
}
