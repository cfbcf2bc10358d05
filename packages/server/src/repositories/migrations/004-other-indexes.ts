import { createIndexes } from './001-indexes.ts';
import type { Migration } from './migration.ts';
import { otherIndexTable } from './other-index-table.ts';

/** Creates the indexes of `other-index-table.ts`. */
export const otherIndexes: Migration = {
	number: 4,
	name: 'indexes of rarely used collections',
	run: (db) => createIndexes(db, otherIndexTable),
};
