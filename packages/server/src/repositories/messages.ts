import { MongoServerError, type Collection, type Db, type Document, type Filter, type Sort } from 'mongodb';
import type { Message, MessageId, RoomId, UserId, UserRef } from '@rookery/protocol/records.ts';

/** A message before the database gave it its time. */
export type UnsentMessage = Omit<Message, 'ts' | '_updatedAt'>;

/** Which visible messages of a room are meant. */
export type MessageScope = {
	rid: RoomId;
	ids?: MessageId[] | undefined;
	after?: Date | undefined;
	before?: Date | undefined;
	/** The bounds belong to the range. */
	inclusive?: boolean | undefined;
	/** Types of system messages to leave out. */
	withoutTypes?: string[] | undefined;
	/** Leaves out thread replies that are not shown in the room. */
	withoutThreads?: boolean | undefined;
	mentionIds?: UserId[] | undefined;
	starredIds?: UserId[] | undefined;
	pinned?: boolean | undefined;
	/** A thread's replies; null = what is in no thread. */
	tmid?: MessageId | null | undefined;
};

export type MessagePage = { sort: Record<string, 1 | -1>; skip?: number | undefined; limit: number };

/** A stored time may run ahead of the database's clock by this much (a fail-over) before it is not followed any more. */
const trustedAheadMs = 60_000;
const batchSize = 1_000;
const duplicateKey = 11_000;

/** Messages on disk: collection `rocketchat_message`. Indexes: migrations/001-indexes.ts. */
export function messageRepository(db: Db) {
	const messages: Collection<Message> = db.collection('rocketchat_message');
	const trash: Collection<Document & { _id: string }> = db.collection('rocketchat__trash');

	function findById(id: MessageId): Promise<Message | null> {
		return messages.findOne({ _id: id });
	}

	async function upsert(message: UnsentMessage, newest: Date | null): Promise<{ stored: Message; isNew: boolean }> {
		const result = await messages.findOneAndUpdate({ _id: message._id }, insertion(message, newest), {
			upsert: true,
			returnDocument: 'after',
			includeResultMetadata: true,
		});
		if (result.value === null) throw new Error('an upsert returned no document');
		return { stored: result.value, isNew: result.lastErrorObject?.updatedExisting === false };
	}

	return {
		findById,

		/** These messages, in any order; unknown ids are left out. */
		findByIds(ids: MessageId[]): Promise<Message[]> {
			return messages.find({ _id: { $in: ids } }).toArray();
		},

		/**
		 * Stores a message unless its id exists: the commit of a post. `ts` and `_updatedAt` are the database's clock, but
		 * always later than `newest`.
		 *
		 * @param newest `ts` of the newest message known of this room.
		 * @returns The stored message; `isNew` false: the id existed, nothing was written.
		 */
		async insertOnce(message: UnsentMessage, newest: Date | null): Promise<{ stored: Message; isNew: boolean }> {
			for (let attempt = 1; ; attempt++) {
				try {
					return await upsert(message, newest);
				} catch (error) {
					// Two upserts of one id at once: one of them loses, and finds the document the next time.
					if (!(error instanceof MongoServerError) || error.code !== duplicateKey || attempt === 3) throw error;
				}
			}
		},

		/** Visible messages of a room. */
		findInRoom(scope: MessageScope, page: MessagePage): Promise<Message[]> {
			return messages
				.find(scopeFilter(scope), { sort: page.sort as Sort, skip: page.skip ?? 0, limit: page.limit })
				.toArray();
		},

		/** @param limit Counting stops there. */
		countInRoom(scope: MessageScope, limit?: number): Promise<number> {
			return messages.countDocuments(scopeFilter(scope), limit === undefined ? {} : { limit });
		},

		/** The newest visible message of a room that is no system message and no thread-only reply. */
		findLast(rid: RoomId): Promise<Message | null> {
			return messages.findOne(
				{
					rid,
					_hidden: { $ne: true },
					t: { $in: [null, 'e2e', 'discussion-created'] } as unknown as string,
					$or: [{ tmid: { $exists: false } }, { tshow: true }],
				},
				{ sort: { ts: -1 } },
			);
		},

		/** The newest visible message of a room, whatever its type. */
		findNewest(rid: RoomId): Promise<Message | null> {
			return messages.findOne({ rid, _hidden: { $ne: true } }, { sort: { ts: -1 } });
		},

		/** Messages of a room whose time is at or after a date and whose id is not among these: what may be uncounted. */
		findUncounted(rid: RoomId, from: Date, counted: MessageId[], limit: number): Promise<Message[]> {
			return messages
				.find(
					{
						rid,
						ts: { $gte: from },
						_id: { $nin: counted },
						_hidden: { $ne: true },
						imported: { $exists: false },
					},
					{ sort: { ts: 1 }, limit },
				)
				.toArray();
		},

		/** Earliest `ts` of these messages; null when none exists. */
		async earliestOf(ids: MessageId[]): Promise<Date | null> {
			const first = await messages.findOne({ _id: { $in: ids } }, { sort: { ts: 1 }, projection: { ts: 1 } });
			return first?.ts ?? null;
		},

		/** Visible messages of a room changed in a span of time. `after` and `before` are exclusive. */
		findChanged(
			rid: RoomId,
			span: { after?: Date; before?: Date },
			page: { order: 1 | -1; limit?: number },
		): Promise<Message[]> {
			return messages
				.find(
					{ rid, _updatedAt: range(span), _hidden: { $ne: true } },
					{ sort: { _updatedAt: page.order }, limit: page.limit ?? 0, batchSize },
				)
				.toArray();
		},

		/** Messages hidden in a span of time (deleted, but kept): for clients they are gone. */
		async findHidden(
			rid: RoomId,
			span: { after?: Date; before?: Date },
			page: { order: 1 | -1; limit?: number },
		): Promise<{ _id: MessageId; _deletedAt: Date }[]> {
			const hidden = await messages
				.find(
					{ rid, _updatedAt: range(span), _hidden: true, parent: { $exists: false } },
					{ projection: { _updatedAt: 1 }, sort: { _updatedAt: page.order }, limit: page.limit ?? 0, batchSize },
				)
				.toArray();
			return hidden.map(({ _id, _updatedAt }) => ({ _id, _deletedAt: _updatedAt }));
		},

		/** Deleted messages of a room in a span of time, from the trash. */
		findDeleted(
			rid: RoomId,
			span: { after?: Date; before?: Date },
			page: { order: 1 | -1; limit?: number },
		): Promise<{ _id: MessageId; _deletedAt: Date }[]> {
			return trash
				.find<{ _id: MessageId; _deletedAt: Date }>(
					{ rid, __collection__: { $in: ['message', 'rocketchat_message'] }, _deletedAt: range(span) },
					{
						projection: { _id: 1, _deletedAt: 1 },
						sort: { _deletedAt: page.order },
						limit: page.limit ?? 0,
						batchSize,
					},
				)
				.toArray();
		},

		/**
		 * Sets and removes fields of a message.
		 *
		 * @param set Values of clients stay values: none becomes an operator.
		 * @param condition Fields that must still have these values; undefined = must be absent.
		 * @returns The new version; null when the message is gone or the condition failed.
		 */
		async change(
			id: MessageId,
			change: { set?: Partial<Message>; unset?: (keyof Message)[]; editedAt?: true },
			condition: Partial<Message> = {},
		): Promise<Message | null> {
			return messages.findOneAndUpdate(
				{ _id: id, ...conditionFilter(condition) },
				[
					{
						$set: {
							...literals(change.set ?? {}),
							...(change.editedAt === true ? { editedAt: '$$NOW' } : {}),
							...version,
						},
					},
					...(change.unset === undefined || change.unset.length === 0 ? [] : [{ $unset: change.unset }]),
				],
				{ returnDocument: 'after' },
			);
		},

		/**
		 * Adds a reaction or takes it back, in one conditional write. The emoji goes with its last user, the field with the
		 * last emoji.
		 *
		 * @param emoji `:name:`, of letters, digits and `_+-` only: it becomes the name of a field.
		 * @param shouldReact undefined = whatever is not the case now.
		 * @returns The new version; null when it was so already, or the message is gone.
		 */
		setReaction(
			id: MessageId,
			emoji: string,
			username: string,
			shouldReact: boolean | undefined,
		): Promise<Message | null> {
			const users = `reactions.${emoji}.usernames`;
			const asAsked = { true: { [users]: { $ne: username } }, false: { [users]: username }, undefined: {} };
			return messages.findOneAndUpdate({ _id: id, ...asAsked[`${shouldReact}`] }, reactionUpdate(emoji, username), {
				returnDocument: 'after',
			});
		},

		/**
		 * Brings a thread's parent up to date: replies counted, the time of the last one, followers added. At zero replies
		 * the three fields go.
		 *
		 * @param followers Ids to add to `replies`.
		 * @returns The parent as it is now; null when it is gone.
		 */
		async recountThread(tmid: MessageId, followers: UserId[]): Promise<Message | null> {
			// Counted again after the write: of two recounts at once the later writer then sees what the other one saw.
			let counted = await countReplies(messages, tmid);
			for (let attempt = 1; ; attempt++) {
				const parent = await messages.findOneAndUpdate({ _id: tmid }, threadUpdate(counted, followers), {
					returnDocument: 'after',
				});
				if (parent === null) return null;
				const again = await countReplies(messages, tmid);
				if (again.tcount === counted.tcount || attempt === 5) return parent;
				counted = again;
			}
		},

		/** Copies the message as it is into a hidden one, before it is changed. */
		async keepVersion(message: Message, copyId: MessageId): Promise<void> {
			await messages.insertOne({ ...message, _id: copyId, _hidden: true, parent: message._id });
		},
	};
}

export type MessageRepository = ReturnType<typeof messageRepository>;

/** Stage that writes the message where there is none, and leaves an existing one as it is. */
function insertion(message: UnsentMessage, newest: Date | null): Document[] {
	const now = '$$NOW';
	const next = newest === null ? null : new Date(newest.getTime() + 1);
	const isTrusted = { $lte: [next, { $add: [now, trustedAheadMs] }] };
	const ts = next === null ? now : { $cond: [isTrusted, { $max: [now, next] }, now] };
	const inserted = { $mergeObjects: [{ $literal: message }, { ts, _updatedAt: ts }] };
	return [{ $replaceWith: { $cond: [{ $eq: [{ $type: '$rid' }, 'missing'] }, inserted, '$$ROOT'] } }];
}

function scopeFilter(scope: MessageScope): Filter<Message> {
	const [after, before] = scope.inclusive === true ? (['$gte', '$lte'] as const) : (['$gt', '$lt'] as const);
	const ts = {
		...(scope.after === undefined ? {} : { [after]: scope.after }),
		...(scope.before === undefined ? {} : { [before]: scope.before }),
	};
	return {
		rid: scope.rid,
		_hidden: { $ne: true },
		...(Object.keys(ts).length === 0 ? {} : { ts }),
		...((scope.withoutTypes ?? []).length === 0 ? {} : { t: { $nin: scope.withoutTypes } }),
		...(scope.withoutThreads === true ? { $or: [{ tmid: { $exists: false } }, { tshow: true }] } : {}),
		...(scope.ids === undefined ? {} : { _id: { $in: scope.ids } }),
		...(scope.mentionIds === undefined ? {} : { 'mentions._id': { $in: scope.mentionIds } }),
		...(scope.starredIds === undefined ? {} : { 'starred._id': { $in: scope.starredIds } }),
		...(scope.pinned === undefined ? {} : { pinned: scope.pinned ? true : { $ne: true } }),
		...(scope.tmid === undefined ? {} : { tmid: scope.tmid === null ? { $exists: false } : scope.tmid }),
	} as Filter<Message>;
}

function range(span: { after?: Date; before?: Date }): { $gt?: Date; $lt?: Date } {
	return {
		...(span.after === undefined ? {} : { $gt: span.after }),
		...(span.before === undefined ? {} : { $lt: span.before }),
	};
}

function conditionFilter(condition: Partial<Message>): Filter<Message> {
	return Object.fromEntries(
		Object.entries(condition).map(([key, value]) => [key, value === undefined ? { $exists: false } : { $eq: value }]),
	) as Filter<Message>;
}

/** A new version of a message: later than the one before, also within one millisecond, so that the newer can be told. */
const version = { _updatedAt: { $max: ['$$NOW', { $add: [{ $ifNull: ['$_updatedAt', new Date(0)] }, 1] }] } };

/** Values of clients as values: in a pipeline a bare `$name` would be read as a field. */
function literals(values: Partial<Message>): Document {
	const given = Object.entries(values).filter(([, value]) => value !== undefined);
	return Object.fromEntries(given.map(([field, value]) => [field, { $literal: value }]));
}

type Replies = { tcount: number; tlm: Date | null };

async function countReplies(messages: Collection<Message>, tmid: MessageId): Promise<Replies> {
	const [counted] = await messages
		.aggregate<Replies>([
			{ $match: { tmid, _hidden: { $ne: true }, t: { $ne: 'rm' } } },
			{ $group: { _id: null, tcount: { $sum: 1 }, tlm: { $max: '$ts' } } },
		])
		.toArray();
	return { tcount: counted?.tcount ?? 0, tlm: counted?.tlm ?? null };
}

function threadUpdate(counted: Replies, followers: UserId[]): Document[] {
	if (counted.tcount === 0) return [{ $unset: ['tcount', 'tlm', 'replies'] }, { $set: version }];
	const known = { $ifNull: ['$replies', []] };
	const added = { $filter: { input: { $literal: followers }, cond: { $not: [{ $in: ['$$this', known] }] } } };
	const replies = { $concatArrays: [known, added] };
	return [{ $set: { tcount: counted.tcount, tlm: counted.tlm, replies, ...version } }];
}

/** Takes the user from those who reacted so, or adds him. */
function reactionUpdate(emoji: string, username: string): Document[] {
	const own = [{ $literal: username }];
	const usernames = { $ifNull: [`$reactions.${emoji}.usernames`, []] };
	const others = { $filter: { input: usernames, cond: { $not: [{ $in: ['$$this', own] }] } } };
	const isThere = { $in: [own[0], usernames] };
	const next = { $cond: [isThere, others, { $concatArrays: [usernames, own] }] };
	const before = { $cond: [{ $eq: [{ $type: '$reactions' }, 'object'] }, '$reactions', {}] };
	const isUsed = { $gt: [{ $size: { $ifNull: ['$$this.v.usernames', []] } }, 0] };
	const used = { $arrayToObject: { $filter: { input: { $objectToArray: '$reactions' }, cond: isUsed } } };
	return [
		{ $set: { reactions: { $mergeObjects: [before, { [emoji]: { usernames: next } }] }, ...version } },
		{ $set: { reactions: used } },
		{ $set: { reactions: { $cond: [{ $eq: ['$reactions', {}] }, '$$REMOVE', '$reactions'] } } },
	];
}

/** The reference of an author as a message carries it. */
export function authorOf(user: UserRef): UserRef {
	const { _id, username, name } = user;
	return { _id, ...(username === undefined ? {} : { username }), ...(name === undefined ? {} : { name }) };
}
