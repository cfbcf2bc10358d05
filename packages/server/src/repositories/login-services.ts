import type { Collection, Db } from 'mongodb';

/** How people can log in besides a password: one per provider. Never with a secret. */
export type LoginServiceRecord = { _id: string; service: string; [field: string]: unknown };

/**
 * Login services on disk: collection `meteor_accounts_loginServiceConfiguration`.
 * @see data model, 12
 */
export function loginServiceRepository(db: Db) {
	const services: Collection<LoginServiceRecord> = db.collection('meteor_accounts_loginServiceConfiguration');

	return {
		/** All of them in the order of their names, without `secret`. */
		all(): Promise<LoginServiceRecord[]> {
			return services.find({}, { projection: { secret: 0 }, sort: { service: 1 } }).toArray();
		},
	};
}

export type LoginServiceRepository = ReturnType<typeof loginServiceRepository>;
