import type { Collection, Db, Document, Filter } from 'mongodb';
import type {
	CountedApart,
	Message,
	MessageId,
	Room,
	RoomId,
	Subscription,
	UnreadCounters,
	UserId,
} from '@rookery/protocol/records.ts';
import { maxCountedApart } from '@rookery/protocol/unread.ts';

/** What a post needs to know, read by one command. */
export type PostScene = {
	room: Room;
	/** The database's time. */
	now: Date;
	/** `ts` of the newest message of the room; null = there is none. */
	newest: Date | null;
	/** The author's membership; null = he is no member. */
	author: Subscription | null;
	/** Other members who have highlight words. */
	highlights: { uid: UserId; words: string[] }[];
};

/** What a stored message moves in its room's record. */
export type PostCount = {
	/** Also becomes `lm` and, where `keepsLast`, `lastMessage` unless a newer one is there. */
	isShownInRoom: boolean;
	keepsLast: boolean;
	moved: UnreadCounters;
	/** Subscriptions have to follow: the post stays in `rk.p` until they did. */
	hasFollowUp: boolean;
	/** Posts whose subscriptions are done: they leave `rk.p`. */
	done: MessageId[];
};

/** How far a room has counted, just after a post. */
export type Counted = {
	/** Number of this post. */
	s: number;
	/** Number of the earliest post whose subscriptions are not known to be done. */
	openFrom: number;
};

const keptIds = 64;
const keptOpen = 1_000;
const foldedAtOnce = 50;

/**
 * What a post does to its room and to the subscriptions of its author and of those it mentions. Every function may be
 * repeated for the same post without counting it twice.
 *
 * @see architecture 5, "The message is the commit"
 */
export function roomPostRepository(db: Db) {
	const rooms: Collection<Room> = db.collection('rocketchat_room');
	const subscriptions: Collection<Subscription> = db.collection('rocketchat_subscription');

	return {
		/** Everything a post by this user needs to know; null when the room does not exist. */
		async findScene(rid: RoomId, uid: UserId): Promise<PostScene | null> {
			const [found] = await rooms.aggregate<SceneRow>(scenePipeline(rid, uid)).toArray();
			if (found === undefined) return null;
			const { rkNow, rkNewest, rkMembers, ...room } = found;
			return {
				room,
				now: rkNow,
				newest: rkNewest[0]?.ts ?? null,
				author: rkMembers.find(({ u }) => u._id === uid) ?? null,
				highlights: rkMembers
					.filter(({ u }) => u._id !== uid)
					.map(({ u, userHighlights }) => ({ uid: u._id, words: userHighlights ?? [] })),
			};
		},

		/** The database's time. */
		async now(): Promise<Date> {
			const { localTime } = await db.command({ hello: 1 });
			if (localTime instanceof Date) return localTime;
			throw new Error('the database does not tell its time');
		},

		/** Channels and groups of these names. */
		findNamed(names: string[]): Promise<Pick<Room, '_id' | 'name' | 'fname'>[]> {
			return rooms
				.find<Pick<Room, '_id' | 'name' | 'fname'>>(
					{ name: { $in: names }, t: { $in: ['c', 'p'] } },
					{ projection: { name: 1, fname: 1 } },
				)
				.toArray();
		},

		/** `ts` of the newest message of a room; null = there is none. */
		async newestTime(rid: RoomId): Promise<Date | null> {
			const newest = await db
				.collection<Message>('rocketchat_message')
				.findOne({ rid }, { sort: { ts: -1 }, projection: { _id: 0, ts: 1 } });
			return newest?.ts ?? null;
		},

		/**
		 * Counts a stored message in its room, once.
		 *
		 * @returns null when it was counted before, or the room is gone.
		 */
		async count(message: Message, post: PostCount): Promise<Counted | null> {
			const room = await rooms.findOneAndUpdate(
				{ _id: message.rid, 'rk.i': { $ne: message._id } },
				[{ $set: countStage(message, post) }],
				{ returnDocument: 'after', projection: { 'rk.s': 1, 'rk.p': 1 } },
			);
			if (room === null) return null;
			const s = room.rk?.s ?? 0;
			return { s, openFrom: Math.min(s, ...(room.rk?.p ?? []).map((open) => open.s)) };
		},

		/**
		 * Notes posts of these rooms as done, also for the subscriptions. Nothing a client sees changes.
		 */
		async close(done: Iterable<[RoomId, MessageId[]]>): Promise<void> {
			const updates = [...done].map(([rid, ids]) => ({
				updateOne: {
					filter: { _id: rid, 'rk.p.m': { $in: ids } },
					update: { $pull: { 'rk.p': { m: { $in: ids } } } },
				},
			}));
			if (updates.length > 0) await rooms.bulkWrite(updates, { ordered: false });
		},

		/**
		 * Notes a post in the subscriptions of users for whom it counts differently. Users who have read the room since, or
		 * have the entry, are left alone.
		 *
		 * @param isVisible The shown counters change: `_updatedAt` moves, so that clients learn of it.
		 */
		async addApart(rid: RoomId, uids: UserId[], entry: CountedApart, isVisible: boolean): Promise<void> {
			await subscriptions.updateMany(
				{ rid, 'u._id': { $in: uids }, 'rk.x.s': { $ne: entry.s }, $nor: [{ 'rk.s': { $gte: entry.s } }] },
				{ $push: { 'rk.x': entry }, ...(isVisible ? { $currentDate: { _updatedAt: true } } : {}) },
			);
		},

		/**
		 * Keeps `rk.x` short: where it holds over 100 entries, the oldest 50 become part of stored values and bases. What is
		 * shown stays the same.
		 *
		 * @param openFrom Entries from here on stay: a repetition must still find them.
		 */
		async foldApart(rid: RoomId, uids: UserId[], openFrom: number): Promise<void> {
			await subscriptions.updateMany(
				{ rid, 'u._id': { $in: uids }, [`rk.x.${maxCountedApart}`]: { $exists: true } },
				foldPipeline(openFrom),
			);
		},

		/**
		 * A reply reached its thread's followers.
		 *
		 * @param mentioned Followers whom it names; `isGroup`: it names everybody.
		 */
		async markThreadUnread(
			rid: RoomId,
			tmid: MessageId,
			followers: UserId[],
			{ mentioned, isGroup }: { mentioned: UserId[]; isGroup: boolean },
		): Promise<void> {
			const isNamed = { $in: ['$u._id', { $literal: mentioned }] };
			const add = (field: string): Document => ({
				$setUnion: [{ $ifNull: [`$${field}`, []] }, [{ $literal: tmid }]],
			});
			await subscriptions.updateMany({ rid, 'u._id': { $in: followers } }, [
				{
					$set: {
						tunread: add('tunread'),
						...(isGroup ? { tunreadGroup: add('tunreadGroup') } : {}),
						tunreadUser: { $cond: [isNamed, add('tunreadUser'), { $ifNull: ['$tunreadUser', '$$REMOVE'] }] },
						alert: true,
						open: true,
						lr: '$$NOW',
						_updatedAt: '$$NOW',
					},
				},
			]);
		},

		/** The author of a reply: shows him the room and notes when he replied. */
		async markReplied(rid: RoomId, uid: UserId): Promise<void> {
			await subscriptions.updateOne(
				{ rid, 'u._id': uid },
				{ $set: { open: true }, $currentDate: { lr: true, _updatedAt: true } },
			);
		},

		/**
		 * Replaces the room's last message, if it is still this one.
		 *
		 * @param last The one that takes its place, or its new version (a newer one stays); null = none is left.
		 */
		async replaceLast(rid: RoomId, id: MessageId, last: Message | null): Promise<void> {
			const isVersion = last?._id === id;
			await rooms.updateOne(
				{
					_id: rid,
					'lastMessage._id': id,
					...(isVersion ? { 'lastMessage._updatedAt': { $not: { $gt: last._updatedAt } } } : {}),
				},
				{
					...(last === null ? { $unset: { lastMessage: 1 } } : { $set: { lastMessage: last } }),
					$currentDate: { _updatedAt: true },
				},
			);
		},

		/**
		 * One message less. The unread counters stay: deleting never changes them.
		 *
		 * @returns The id of the room's last message; null when there is none.
		 */
		async uncount(rid: RoomId): Promise<MessageId | null> {
			const left = { $max: [0, { $subtract: [{ $ifNull: ['$msgs', 0] }, 1] }] };
			const room = await rooms.findOneAndUpdate({ _id: rid }, [{ $set: { msgs: left, _updatedAt: '$$NOW' } }], {
				projection: { 'lastMessage._id': 1 },
			});
			return room?.lastMessage?._id ?? null;
		},
	};
}

export type RoomPostRepository = ReturnType<typeof roomPostRepository>;

type SceneRow = Room & {
	rkNow: Date;
	rkNewest: { ts: Date }[];
	rkMembers: Subscription[];
};

/** The look-ups name the room by value, not by reference: each of them is one bounded walk of an index. */
function scenePipeline(rid: RoomId, uid: UserId): Document[] {
	const members: Filter<Subscription> = {
		$or: [
			{ rid, 'u._id': uid },
			{ rid, 'userHighlights.0': { $exists: true } },
		],
	};
	return [
		{ $match: { _id: rid } },
		{ $unset: ['lastMessage', 'rk.i'] },
		{
			$lookup: {
				from: 'rocketchat_message',
				pipeline: [{ $match: { rid } }, { $sort: { ts: -1 } }, { $limit: 1 }, { $project: { _id: 0, ts: 1 } }],
				as: 'rkNewest',
			},
		},
		{ $lookup: { from: 'rocketchat_subscription', pipeline: [{ $match: members }], as: 'rkMembers' } },
		{ $set: { rkNow: '$$NOW' } },
	];
}

function countStage(message: Message, post: PostCount): Document {
	const plus = (path: string, by: number): Document => ({ $add: [{ $ifNull: [`$${path}`, 0] }, by] });
	const { moved } = post;
	const next = plus('rk.s', moved.s);
	const id = { $literal: message._id };
	const open = {
		$filter: {
			input: { $ifNull: ['$rk.p', []] },
			cond: { $not: [{ $in: ['$$this.m', { $literal: post.done }] }] },
		},
	};
	const isOlder = { $gt: ['$lastMessage.ts', message.ts] };
	return {
		msgs: plus('msgs', 1),
		'rk.s': next,
		...(moved.n === 0 ? {} : { 'rk.n': plus('rk.n', moved.n) }),
		...(moved.u === 0 ? {} : { 'rk.u': plus('rk.u', moved.u) }),
		...(moved.g === 0 ? {} : { 'rk.g': plus('rk.g', moved.g) }),
		'rk.i': { $slice: [{ $concatArrays: [{ $ifNull: ['$rk.i', []] }, [id]] }, -keptIds] },
		'rk.p': post.hasFollowUp ? { $slice: [{ $concatArrays: [open, [{ m: id, s: next }]] }, -keptOpen] } : open,
		...(post.isShownInRoom ? { lm: { $max: ['$lm', message.ts] } } : {}),
		...(post.isShownInRoom && post.keepsLast
			? { lastMessage: { $cond: [isOlder, '$lastMessage', { $literal: message }] } }
			: {}),
		_updatedAt: '$$NOW',
	};
}

/** `foldSubscription` of the protocol's `unread.ts`, as the database does it to many at once. */
function foldPipeline(openFrom: number): Document[] {
	const value = (path: string): Document => ({ $ifNull: [`$${path}`, 0] });
	const above = (path: string): Document => ({
		$filter: { input: '$rk.fold', cond: { $gt: ['$$this.s', value(path)] } },
	});
	const sum = (list: Document, field: string): Document => ({
		$sum: { $map: { input: list, in: { $ifNull: [`$$this.${field}`, 0] } } },
	});
	const done = { $filter: { input: '$rk.x', cond: { $lt: ['$$this.s', openFrom] } } };
	const isReadLater = { $lt: [{ $ifNull: ['$rk.h.s', -1] }, value('rk.s')] };
	const isMentioned = { $gt: [sum(above('rk.h.s'), 'm'), 0] };
	return [
		{
			$set: {
				'rk.fold': { $slice: [{ $sortArray: { input: done, sortBy: { s: 1 } } }, foldedAtOnce] },
				'rk.h': {
					s: { $cond: [isReadLater, value('rk.s'), value('rk.h.s')] },
					n: { $cond: [isReadLater, value('rk.n'), value('rk.h.n')] },
				},
			},
		},
		{
			$set: {
				alert: { $or: ['$alert', isMentioned] },
				open: { $or: ['$open', isMentioned] },
				unread: { $add: [value('unread'), sum(above('rk.s'), 'c')] },
				userMentions: { $add: [value('userMentions'), sum(above('rk.s'), 'm')] },
				'rk.u': { $add: [value('rk.u'), sum(above('rk.s'), 'u')] },
				'rk.g': { $add: [value('rk.g'), sum(above('rk.s'), 'g')] },
				'rk.h.n': { $add: ['$rk.h.n', sum(above('rk.h.s'), 'n')] },
				'rk.x': { $filter: { input: '$rk.x', cond: { $not: [{ $in: ['$$this.s', '$rk.fold.s'] }] } } },
			},
		},
		{ $unset: 'rk.fold' },
	];
}
