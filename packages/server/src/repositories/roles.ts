import type { Collection, Db } from 'mongodb';
import type { Role } from '@rookery/protocol/records.ts';
import { insertMissing } from './insert-missing.ts';

/**
 * Roles on disk: collection `rocketchat_roles`. Who holds them stands in users and subscriptions.
 * @see data model, 10.1
 */
export function roleRepository(db: Db) {
	const roles: Collection<Role> = db.collection('rocketchat_roles');

	return {
		/** All roles, ordered by id. */
		all(): Promise<Role[]> {
			return roles.find({}, { sort: { _id: 1 } }).toArray();
		},

		/** Stores those that are not there yet, in one command. */
		insertMissing(list: readonly Omit<Role, '_updatedAt'>[]): Promise<void> {
			return insertMissing(roles, list);
		},
	};
}

export type RoleRepository = ReturnType<typeof roleRepository>;
