import { MongoServerError, type Db, type IndexDescription } from 'mongodb';
import type { IndexTable } from './index-spec.ts';
import { indexTable } from './index-table.ts';
import type { Migration } from './migration.ts';

/** Collections worked on at the same time: few, so that a start leaves the database free for others. */
const parallel = 4;

/** Index with these keys or this name exists with other options, or the documents break a unique index. */
const conflicts = new Set([85, 86, 11000]);

/** Creates the indexes of `index-table.ts`. An index that exists with other options stays as it is. */
export const indexes: Migration = {
	number: 1,
	name: 'indexes',
	run: (db) => createIndexes(db, indexTable),
};

/**
 * Creates the indexes of a table, each collection's by one command.
 *
 * @returns Which ones could not be made, because others or the documents are in their way.
 */
export async function createIndexes(db: Db, table: IndexTable): Promise<string[]> {
	const problems: string[] = [];
	const queue = Object.entries(table);
	const work = async (): Promise<void> => {
		for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
			problems.push(...(await createAll(db, next[0], next[1])));
		}
	};
	await Promise.all(Array.from({ length: parallel }, work));
	return problems;
}

/** All in one command; one by one where that is refused, so that a conflict costs one index only. */
async function createAll(db: Db, collection: string, wanted: readonly IndexDescription[]): Promise<string[]> {
	if (await create(db, collection, wanted)) return [];
	const problems: string[] = [];
	for (const description of wanted) {
		if (await create(db, collection, [description])) continue;
		problems.push(`${collection}: index ${JSON.stringify(description.key)} conflicts with what is there`);
	}
	return problems;
}

async function create(db: Db, collection: string, wanted: readonly IndexDescription[]): Promise<boolean> {
	try {
		await db.collection(collection).createIndexes([...wanted]);
		return true;
	} catch (error) {
		if (error instanceof MongoServerError && typeof error.code === 'number' && conflicts.has(error.code)) return false;
		throw error;
	}
}
