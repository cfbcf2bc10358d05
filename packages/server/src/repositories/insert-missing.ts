import type { AnyBulkWriteOperation, Collection, Document } from 'mongodb';

/**
 * Stores documents that are not there yet, in one command; those that are there stay as they are.
 *
 * @param dates Fields that get the database's date.
 */
export async function insertMissing<T extends Document & { _id: string }>(
	collection: Collection<T>,
	list: readonly (Document & { _id: string })[],
	dates: readonly string[] = ['_updatedAt'],
): Promise<void> {
	if (list.length === 0) return;
	const $currentDate = Object.fromEntries(dates.map((field) => [field, true]));
	const operations = list.map(({ _id, ...$setOnInsert }) => ({
		updateOne: { filter: { _id }, update: { $setOnInsert, $currentDate }, upsert: true },
	}));
	await collection.bulkWrite(operations as unknown as AnyBulkWriteOperation<T>[], { ordered: false });
}
