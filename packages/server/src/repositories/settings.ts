import type { AnyBulkWriteOperation, Collection, Db } from 'mongodb';
import type { Setting } from '@rookery/protocol/records.ts';
import { insertMissing } from './insert-missing.ts';
import { trashRepository, type Tombstone } from './trash.ts';

/** A setting to be stored for the first time: dates are the database's. */
export type NewSetting = Omit<Setting, 'ts' | 'createdAt' | '_updatedAt'>;

/** Fields of a stored setting to be replaced. */
export type SettingChange = { _id: string; set: Partial<Omit<Setting, '_id' | '_updatedAt'>> };

const stamp = { $currentDate: { _updatedAt: true } } as const;

/**
 * Settings on disk: collection `rocketchat_settings`. Indexes: migrations.
 * @see data model, 9
 */
export function settingRepository(db: Db) {
	const settings: Collection<Setting> = db.collection('rocketchat_settings');
	const trash = trashRepository(db);

	return {
		/** All of them, groups included, ordered by id. */
		all(): Promise<Setting[]> {
			return settings.find({}, { sort: { _id: 1 }, batchSize: 2_000 }).toArray();
		},

		/** One setting, or null. Point read. */
		findById(id: string): Promise<Setting | null> {
			return settings.findOne({ _id: id });
		},

		/** Settings of these ids, in any order. */
		findByIds(ids: string[]): Promise<Setting[]> {
			return settings.find({ _id: { $in: ids } }).toArray();
		},

		/** Stores those that are not there yet, in one command. */
		insertMissing(list: NewSetting[]): Promise<void> {
			return insertMissing(settings, list, ['ts', 'createdAt', '_updatedAt']);
		},

		/** Replaces fields of existing settings, in one command. */
		async change(changes: SettingChange[]): Promise<void> {
			if (changes.length === 0) return;
			const operations = changes.map(({ _id, set }): AnyBulkWriteOperation<Setting> => {
				return { updateOne: { filter: { _id }, update: { $set: set, ...stamp } } };
			});
			await settings.bulkWrite(operations, { ordered: false });
		},

		/** Stores a value. @returns The setting as stored then; null when there is no such setting. */
		setValue(id: string, value: unknown): Promise<Setting | null> {
			return settings.findOneAndUpdate({ _id: id }, { $set: { value }, ...stamp }, { returnDocument: 'after' });
		},

		/** Stores a value where another one is stored now. @returns false when it is not: nothing was written. */
		async replaceValue(id: string, former: string | boolean | number, value: unknown): Promise<boolean> {
			const { modifiedCount } = await settings.updateOne({ _id: id, value: former }, { $set: { value }, ...stamp });
			return modifiedCount === 1;
		},

		/** Settings written later than a date, ordered by id. */
		changedSince(since: Date): Promise<Setting[]> {
			return settings.find({ _updatedAt: { $gt: since } }, { sort: { _id: 1 } }).toArray();
		},

		/** Tombstones of settings later than a date. */
		removedSince(since: Date): Promise<Tombstone[]> {
			return trash.deletedSince('rocketchat_settings', since);
		},
	};
}

export type SettingRepository = ReturnType<typeof settingRepository>;
