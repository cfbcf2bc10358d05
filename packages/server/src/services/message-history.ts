import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, MessageId, Room, RoomId, UserId } from '@rookery/protocol/records.ts';
import type { MessageRepository, MessageScope } from '../repositories/messages.ts';
import type { RoomRepository } from '../repositories/rooms.ts';
import type { SubscriptionReadRepository } from '../repositories/subscription-reads.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import type { HistoryPage, HistoryQuery, MessageList, MessageListQuery } from './messages.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	messages: MessageRepository;
	rooms: Pick<RoomRepository, 'findById'>;
	reads: Pick<SubscriptionReadRepository, 'readThread' | 'roomState'>;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	forClient(uid: UserId | null, messages: Message[]): Promise<Message[]>;
};

/** What one answer holds at most, where the client asked for everything. */
const everything = 10_000;
const usualPage = 20;
const sortable = new Set(['ts', '_updatedAt', '_id', 'tlm', 'tcount', 'pinnedAt', 'editedAt', 'msg']);

/** Reading what was written: histories, lists, single messages, threads. */
export function messageHistory({ messages, rooms, reads, authorization, settings, forClient }: Deps) {
	async function requireRead(rid: RoomId, uid: UserId | null): Promise<void> {
		if (!(await authorization.canReadRoom(rid, uid))) throw new ClientError('error-not-allowed', 'Not allowed');
	}

	/** How many messages a page holds. @param count As asked for; 0 = all */
	function limitOf(count: number | undefined): number {
		if (count === 0 && settings.flag('API_Allow_Infinite_Count', true)) return everything;
		return Math.min(count || usualPage, Math.max(1, settings.number('API_Upper_Count_Limit', 100)));
	}

	/** The room's own choice of hidden system messages, else the workspace's. */
	function hiddenTypes(room: Pick<Room, 'sysMes'> | null): string[] {
		const own = room?.sysMes;
		const chosen = Array.isArray(own) ? own : settings.get('Hide_System_Messages');
		const types = Array.isArray(chosen) ? chosen.filter((type) => typeof type === 'string') : [];
		return types.flatMap((type) => (type === 'mute_unmute' ? ['user-muted', 'user-unmuted'] : [type]));
	}

	/** What the reader has not seen and the page does not hold. */
	async function unreadInfo(scope: MessageScope, seen: Date, page: Message[]): Promise<Partial<HistoryPage>> {
		const earliest = page.at(-1);
		if (earliest === undefined || earliest.ts <= seen) return { unreadNotLoaded: 0 };
		const gap: MessageScope = { ...scope, after: seen, before: earliest.ts, inclusive: false };
		const unreadNotLoaded = await messages.countInRoom(gap, everything);
		if (unreadNotLoaded === 0) return { unreadNotLoaded };
		const [firstUnread] = await messages.findInRoom(gap, { sort: { ts: 1 }, limit: 1 });
		return firstUnread === undefined ? { unreadNotLoaded } : { unreadNotLoaded, firstUnread };
	}

	async function history(actor: Actor | null, query: HistoryQuery): Promise<HistoryPage> {
		const uid = actor?.uid ?? null;
		await requireRead(query.rid, uid);
		const scope: MessageScope = {
			rid: query.rid,
			before: query.latest,
			after: query.oldest,
			inclusive: query.inclusive,
			withoutTypes: hiddenTypes(await rooms.findById(query.rid)),
			withoutThreads: query.showThreadMessages === false,
		};
		const page = { sort: { ts: -1 as const }, skip: query.offset, limit: limitOf(query.count) };
		const found = await messages.findInRoom(scope, page);
		const seen = query.lastSeen ?? (query.unreads === true ? query.oldest : undefined);
		const nothing: Partial<HistoryPage> = query.unreads === true ? { unreadNotLoaded: 0 } : {};
		const info = seen === undefined ? nothing : await unreadInfo(scope, seen, found);
		const [shown, first] = [await forClient(uid, found), info.firstUnread];
		return {
			messages: shown,
			...info,
			...(first === undefined ? {} : { firstUnread: (await forClient(uid, [first]))[0] ?? first }),
		};
	}

	async function list(actor: Actor | null, query: MessageListQuery): Promise<MessageList> {
		const uid = actor?.uid ?? null;
		await requireRead(query.rid, uid);
		const { rid, ids, mentionIds, starredIds, pinned, tmid } = query;
		const scope: MessageScope = { rid, ids, mentionIds, starredIds: ownStarOnly(starredIds, uid), pinned, tmid };
		const limit = query.count === 0 ? everything : Math.min(query.count, everything);
		const sort = sortOf(query.sort);
		const found = await messages.findInRoom(scope, { sort, skip: query.offset, limit });
		const total = await messages.countInRoom(scope);
		return { messages: await forClient(uid, found), count: found.length, offset: query.offset, total };
	}

	async function find(actor: Actor, id: MessageId): Promise<Message | null> {
		const message = await messages.findById(id);
		if (message === null || message._hidden === true) return null;
		await requireRead(message.rid, actor.uid);
		return (await forClient(actor.uid, [message]))[0] ?? null;
	}

	return {
		history,
		list,
		find,

		async missed(actor: Actor | null, rid: RoomId, start: Date): Promise<Message[]> {
			const uid = actor?.uid ?? null;
			await requireRead(rid, uid);
			const withoutTypes = hiddenTypes(await rooms.findById(rid));
			const scope = { rid, after: start, withoutTypes };
			return forClient(uid, await messages.findInRoom(scope, { sort: { ts: -1 }, limit: everything }));
		},

		async following(actor: Actor, rid: RoomId, after: Date | undefined, count: number): Promise<Message[]> {
			await requireRead(rid, actor.uid);
			const withoutTypes = hiddenTypes(await rooms.findById(rid));
			const found = await messages.findInRoom({ rid, after, withoutTypes }, { sort: { ts: 1 }, limit: limitOf(count) });
			return forClient(actor.uid, found);
		},

		async surrounding(actor: Actor, id: MessageId, count: number) {
			const centre = await find(actor, id);
			if (centre === null) return null;
			const scope = { rid: centre.rid, withoutTypes: hiddenTypes(await rooms.findById(centre.rid)) };
			const half = Math.max(1, Math.floor((limitOf(count) - 1) / 2));
			const before = { ...scope, before: centre.ts };
			const after = { ...scope, after: centre.ts };
			const older = await messages.findInRoom(before, { sort: { ts: -1 }, limit: half + 1 });
			const newer = await messages.findInRoom(after, { sort: { ts: 1 }, limit: half + 1 });
			const around = [...older.slice(0, half), centre, ...newer.slice(0, half)];
			return {
				messages: await forClient(actor.uid, around),
				moreBefore: older.length > half,
				moreAfter: newer.length > half,
			};
		},

		async findMany(actor: Actor, ids: MessageId[]): Promise<Message[]> {
			const found = (await messages.findByIds(ids)).filter(({ _hidden }) => _hidden !== true);
			const rids = [...new Set(found.map(({ rid }) => rid))];
			const readable = await authorization.readableRooms(rids, actor.uid);
			if (readable.length < rids.length) throw new ClientError('error-not-allowed', 'Not allowed');
			return forClient(actor.uid, found);
		},

		async thread(actor: Actor, query: { tmid: MessageId; limit: number; skip: number }): Promise<Message[]> {
			if (!settings.flag('Threads_enabled', true)) throw new ClientError('error-not-allowed', 'Threads Disabled');
			const parent = await find(actor, query.tmid);
			if (parent === null) return [];
			const page = { sort: { ts: -1 as const }, skip: query.skip, limit: limitOf(query.limit) };
			const replies = await messages.findInRoom({ rid: parent.rid, tmid: parent._id }, page);
			const room = await reads.roomState(parent.rid);
			if (room !== null) await reads.readThread(actor.uid, room, parent._id);
			return [parent, ...(await forClient(actor.uid, replies))];
		},
	};
}

/** Who starred what is known to himself alone. */
function ownStarOnly(ids: UserId[] | undefined, uid: UserId | null): UserId[] | undefined {
	return ids?.filter((id) => id === uid);
}

function sortOf(sort: MessageListQuery['sort']): Record<string, 1 | -1> {
	const wanted = Object.entries(sort ?? { ts: -1 });
	if (wanted.every(([field, way]) => sortable.has(field) && (way === 1 || way === -1))) {
		return Object.fromEntries(wanted) as Record<string, 1 | -1>;
	}
	throw new ClientError('error-invalid-sort', `Invalid sort parameter provided: "${JSON.stringify(sort)}"`, {
		helperMethod: 'parseJsonQuery',
	});
}
