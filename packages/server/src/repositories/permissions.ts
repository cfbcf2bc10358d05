import type { Collection, Db } from 'mongodb';
import type { Permission } from '@rookery/protocol/records.ts';
import { insertMissing } from './insert-missing.ts';
import { trashRepository, type Tombstone } from './trash.ts';

/**
 * Permissions on disk: collection `rocketchat_permissions`, each with the roles that hold it.
 * @see data model, 10.2
 */
export function permissionRepository(db: Db) {
	const permissions: Collection<Permission> = db.collection('rocketchat_permissions');
	const trash = trashRepository(db);

	return {
		/** All permissions, ordered by id. */
		all(): Promise<Permission[]> {
			return permissions.find({}, { sort: { _id: 1 }, batchSize: 2_000 }).toArray();
		},

		/** Stores those that are not there yet, in one command. */
		insertMissing(list: Omit<Permission, '_updatedAt'>[]): Promise<void> {
			return insertMissing(permissions, list);
		},

		/** Moves permissions into the trash. */
		async remove(ids: string[]): Promise<void> {
			await trash.moveToTrash('rocketchat_permissions', ids);
		},

		/** Permissions written later than a date, ordered by id. */
		changedSince(since: Date): Promise<Permission[]> {
			return permissions.find({ _updatedAt: { $gt: since } }, { sort: { _id: 1 } }).toArray();
		},

		/** Tombstones of permissions later than a date. */
		removedSince(since: Date): Promise<Tombstone[]> {
			return trash.deletedSince('rocketchat_permissions', since);
		},
	};
}

export type PermissionRepository = ReturnType<typeof permissionRepository>;
