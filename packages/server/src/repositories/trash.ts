import type { Collection, Db, Document, Filter } from 'mongodb';
import type { Trash } from '@rookery/protocol/records.ts';

/** A tombstone as sync answers use it. `rid` and `u` where the deleted document had them. */
export type Tombstone = Pick<Trash, '_id' | '_deletedAt' | 'rid' | 'u'>;

/** Which tombstones of a collection are asked for, beside the date. */
export type TombstoneScope = { rid?: string; rids?: string[]; uid?: string };

const batchSize = 1_000;

/** The name under which the trash knows a collection: without the prefix. */
export function trashName(collection: string): string {
	return collection.startsWith('rocketchat_') ? collection.slice('rocketchat_'.length) : collection;
}

/**
 * What was deleted: collection `rocketchat__trash`, kept 30 days.
 * @see data model, 1.4
 */
export function trashRepository(db: Db) {
	const trash: Collection<Trash> = db.collection('rocketchat__trash');

	/** Copies by one command of the server's, so that the copy carries the database's date, then deletes. */
	async function moveBatch(collection: string, ids: string[]): Promise<number> {
		const source = db.collection<{ _id: string }>(collection);
		await source
			.aggregate([
				{ $match: { _id: { $in: ids } } },
				...(collection === 'users' ? [{ $unset: 'services' }] : []),
				{ $set: { _deletedAt: '$$NOW', __collection__: trashName(collection) } },
				{ $merge: { into: 'rocketchat__trash', on: '_id', whenMatched: 'replace', whenNotMatched: 'insert' } },
			])
			.toArray();
		const { deletedCount } = await source.deleteMany({ _id: { $in: ids } });
		return deletedCount;
	}

	return {
		/**
		 * Moves documents into the trash. Credentials of users (`services`) are not copied.
		 *
		 * @param collection Full name: `rocketchat_message`, `users`.
		 * @returns How many were deleted; ids that do not exist do nothing.
		 */
		async moveToTrash(collection: string, ids: string[]): Promise<number> {
			let deleted = 0;
			for (let start = 0; start < ids.length; start += batchSize) {
				deleted += await moveBatch(collection, ids.slice(start, start + batchSize));
			}
			return deleted;
		},

		/** As `moveToTrash`, for all that match when it begins, in batches of 1,000. */
		async moveAllToTrash(collection: string, filter: Filter<Document>): Promise<number> {
			const source = db.collection<{ _id: string }>(collection);
			const cursor = source.find(filter as Filter<{ _id: string }>, { projection: { _id: 1 }, batchSize });
			let deleted = 0;
			let ids: string[] = [];
			for await (const { _id } of cursor) {
				if (ids.push(_id) < batchSize) continue;
				deleted += await moveBatch(collection, ids);
				ids = [];
			}
			if (ids.length > 0) deleted += await moveBatch(collection, ids);
			return deleted;
		},

		/**
		 * Tombstones later than a date, oldest first. Both spellings of the collection's name are found.
		 *
		 * @param since Exclusive. The caller takes off the overlap of sync answers.
		 */
		deletedSince(collection: string, since: Date, scope: TombstoneScope = {}): Promise<Tombstone[]> {
			const filter: Filter<Trash> = {
				__collection__: { $in: [trashName(collection), collection] },
				_deletedAt: { $gt: since },
				...(scope.rid === undefined ? {} : { rid: scope.rid }),
				...(scope.rids === undefined ? {} : { rid: { $in: scope.rids } }),
				...(scope.uid === undefined ? {} : { 'u._id': scope.uid }),
			};
			return trash
				.find<Tombstone>(filter, {
					projection: { _id: 1, _deletedAt: 1, rid: 1, u: 1 },
					sort: { _deletedAt: 1, _id: 1 },
				})
				.toArray();
		},

		/** Tombstones of these ids. */
		findDeleted(collection: string, ids: string[]): Promise<Tombstone[]> {
			return trash
				.find<Tombstone>(
					{ _id: { $in: ids }, __collection__: { $in: [trashName(collection), collection] } },
					{ projection: { _id: 1, _deletedAt: 1, rid: 1, u: 1 } },
				)
				.toArray();
		},
	};
}

export type TrashRepository = ReturnType<typeof trashRepository>;
