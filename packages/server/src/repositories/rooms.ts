import { MongoServerError, type Collection, type Db, type Document, type Filter, type Sort } from 'mongodb';
import type { Room, RoomId, RoomType, UserId } from '@rookery/protocol/records.ts';
import { literalPattern } from './literal-pattern.ts';
import { trashRepository } from './trash.ts';
import { filterOf, type UserFilter } from './users.ts';

/** A room to be stored: dates and counters are the repository's. */
export type NewRoom = Omit<Room, 'ts' | 'lm' | 'lastMessage' | 'msgs' | '_updatedAt' | 'rk'>;

/** Which rooms a list holds. Every condition is a plain value. */
export type RoomListFilter = {
	types: RoomType[];
	/** Only these. */
	ids?: RoomId[] | undefined;
	/** Rooms of teams only where they are among these (the caller's own). Absent: no such condition. */
	teamRoomsOnlyIn?: RoomId[] | undefined;
	id?: RoomId | undefined;
	/** Further conditions of the caller, on fields he may see. */
	where?: UserFilter | null | undefined;
	/** Part of `name` or `fname`, taken literally, without regard to case. At most 256 characters. */
	namePart?: string | undefined;
};

export type Page = { offset: number; count: number; sort?: Record<string, 1 | -1> | undefined };

const batchSize = 1_000;
/** How long an owner's announced exit counts for the others: far longer than leaving takes. */
const exitWindowMs = 30_000;

/**
 * Rooms on disk: collection `rocketchat_room`. Indexes: migrations.
 * @see data model, 3
 */
export function roomRepository(db: Db) {
	const rooms: Collection<Room> = db.collection('rocketchat_room');
	const trash = trashRepository(db);

	return {
		/** One room, or null. Point read. */
		findById(rid: RoomId): Promise<Room | null> {
			return rooms.findOne({ _id: rid });
		},

		/** Those of these rooms that exist, in any order. */
		async findByIds(rids: RoomId[]): Promise<Room[]> {
			const found: Room[] = [];
			for (let start = 0; start < rids.length; start += batchSize) {
				const batch = rids.slice(start, start + batchSize);
				found.push(...(await rooms.find({ _id: { $in: batch } }, { batchSize }).toArray()));
			}
			return found;
		},

		/** The room of this name (slug), or null. Names are unique over all types. */
		findByName(name: string): Promise<Room | null> {
			return rooms.findOne({ name });
		},

		/** The room with this id, else the one of this name, else null. */
		async findByNameOrId(nameOrId: string): Promise<Room | null> {
			const found = await rooms.find({ $or: [{ _id: nameOrId }, { name: nameOrId }] }, { limit: 2 }).toArray();
			return found.find(({ _id }) => _id === nameOrId) ?? found[0] ?? null;
		},

		/** Whether a channel or group with this display name exists. */
		async hasDisplayName(fname: string): Promise<boolean> {
			return (await rooms.findOne({ fname, t: { $in: ['c', 'p'] } }, { projection: { _id: 1 } })) !== null;
		},

		/** The direct room of exactly these users. @param uids Sorted ascending. */
		findDirect(uids: UserId[]): Promise<Room | null> {
			return rooms.findOne({ uids, t: 'd' });
		},

		/** Rooms every new user joins. */
		listDefault(): Promise<Room[]> {
			return rooms.find({ default: true, t: { $in: ['c', 'p'] } }, { limit: batchSize }).toArray();
		},

		/**
		 * Stores a channel or group. `ts` and `_updatedAt` are the database's time.
		 *
		 * @returns null when another room holds its name: the unique index decides, also between parallel calls.
		 */
		async insert(room: NewRoom): Promise<Room | null> {
			try {
				return (await upsert(rooms, room)).room;
			} catch (error) {
				if (isDuplicate(error, 'name')) return null;
				throw error;
			}
		},

		/** Stores a direct room, or finds the room that holds its id already. */
		async insertDirect(room: NewRoom): Promise<{ room: Room; isNew: boolean }> {
			try {
				return await upsert(rooms, room);
			} catch (error) {
				if (!isDuplicate(error, '_id')) throw error;
				return upsert(rooms, room);
			}
		},

		/** Stores a counted number of members. @returns false when it was the stored one already: nothing was written. */
		async setUsersCount(rid: RoomId, usersCount: number): Promise<boolean> {
			const result = await rooms.updateOne(
				{ _id: rid, usersCount: { $ne: usersCount } },
				{ $set: { usersCount }, $currentDate: { _updatedAt: true } },
			);
			return result.modifiedCount === 1;
		},

		/**
		 * Announces that an owner is about to stop being one. The order of announcements is the room document's own, so
		 * that of two last owners who go at once the second one is told of the first.
		 *
		 * @returns Owners whose exit was announced before and is not older than 30 s; null when the room does not exist.
		 */
		async announceOwnerExit(rid: RoomId, uid: UserId): Promise<UserId[] | null> {
			const isRecent = { $gt: ['$$this.at', { $subtract: ['$$NOW', exitWindowMs] }] };
			const isOther = { $ne: ['$$this.u', { $literal: uid }] };
			const others = {
				$filter: { input: { $ifNull: ['$rk.o', []] }, cond: { $and: [isRecent, isOther] } },
			};
			const own = { u: { $literal: uid }, at: '$$NOW' };
			const room = await rooms.findOneAndUpdate(
				{ _id: rid },
				[{ $set: { 'rk.o': { $concatArrays: [others, [own]] } } }],
				{ returnDocument: 'after', projection: { rk: 1 } },
			);
			if (room === null) return null;
			return (room.rk?.o ?? []).map(({ u }) => u).filter((other) => other !== uid);
		},

		/** Takes an announcement of an owner's exit back, or away when it is done. */
		async endOwnerExit(rid: RoomId, uid: UserId): Promise<void> {
			await rooms.updateOne({ _id: rid }, { $pull: { 'rk.o': { u: uid } } });
		},

		/** Moves a room into the trash. @returns false when it was gone already. */
		async remove(rid: RoomId): Promise<boolean> {
			return (await trash.moveToTrash('rocketchat_room', [rid])) === 1;
		},

		/** Whether a room of this id was deleted within the life of the trash. */
		async wasRemoved(rid: RoomId): Promise<boolean> {
			return (await trash.findDeleted('rocketchat_room', [rid])).length > 0;
		},

		/** One page of rooms, and how many there are in all. Default order: by name. */
		async list(filter: RoomListFilter, { offset, count, sort }: Page): Promise<{ rooms: Room[]; total: number }> {
			const query = listQuery(filter);
			const order: Sort = { ...(sort ?? { name: 1 }), _id: 1 };
			const [found, total] = await Promise.all([
				rooms.find(query, { sort: order, skip: offset, limit: count, batchSize }).toArray(),
				rooms.countDocuments(query),
			]);
			return { rooms: found, total };
		},

		/** Those of these rooms that changed after a date (exclusive). */
		async changedSince(rids: RoomId[], since: Date): Promise<Room[]> {
			const found: Room[] = [];
			for (let start = 0; start < rids.length; start += batchSize) {
				const batch = rids.slice(start, start + batchSize);
				const query: Filter<Room> = { _id: { $in: batch }, _updatedAt: { $gt: since } };
				found.push(...(await rooms.find(query, { batchSize }).toArray()));
			}
			return found;
		},
	};
}

export type RoomRepository = ReturnType<typeof roomRepository>;

/** Stores the room unless its id exists. A pipeline, because only there `ts` can be the database's time. */
async function upsert(rooms: Collection<Room>, room: NewRoom): Promise<{ room: Room; isNew: boolean }> {
	const { _id, ...rest } = room;
	const fresh: Document = {
		$mergeObjects: [{ $literal: rest }, { _id: '$_id', msgs: 0, ts: '$$NOW', _updatedAt: '$$NOW' }],
	};
	const result = await rooms.findOneAndUpdate(
		{ _id },
		[{ $replaceWith: { $cond: [{ $eq: [{ $type: '$t' }, 'missing'] }, fresh, '$$ROOT'] } }],
		{ upsert: true, returnDocument: 'after', includeResultMetadata: true },
	);
	if (result.value === null) throw new Error('an upsert returned no room');
	return { room: result.value, isNew: result.lastErrorObject?.['updatedExisting'] !== true };
}

function listQuery(filter: RoomListFilter): Filter<Room> {
	const conditions: Filter<Room>[] = [{ t: { $in: filter.types } }];
	if (filter.ids !== undefined) conditions.push({ _id: { $in: filter.ids } });
	if (filter.id !== undefined) conditions.push({ _id: filter.id });
	if (filter.where) conditions.push(filterOf(filter.where));
	if (filter.teamRoomsOnlyIn !== undefined) {
		conditions.push({ $or: [{ teamId: { $exists: false } }, { _id: { $in: filter.teamRoomsOnlyIn } }] });
	}
	if (filter.namePart !== undefined) {
		const part = { $regex: literalPattern(filter.namePart), $options: 'i' };
		conditions.push({ $or: [{ name: part }, { fname: part }] });
	}
	return { $and: conditions };
}

/** Whether a write was refused because another document holds the same value of a unique field. */
function isDuplicate(error: unknown, field: string): boolean {
	if (!(error instanceof MongoServerError) || error.code !== 11_000) return false;
	const pattern: unknown = error['keyPattern'];
	return typeof pattern === 'object' && pattern !== null && Object.hasOwn(pattern, field);
}
