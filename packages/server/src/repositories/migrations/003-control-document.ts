import type { Migration } from './migration.ts';

/** The level of Rocket.Chat's own migrations whose documents we write. */
const compatibleLevel = 269;

/**
 * Tells Rocket.Chat which level of its migrations an empty database starts at. A database that somebody filled keeps its
 * document, or its lack of one.
 * @see data model, 15
 */
export const controlDocument: Migration = {
	number: 3,
	name: 'control document of Rocket.Chat',
	async run(db) {
		for (const collection of ['users', 'rocketchat_settings', 'rocketchat_room']) {
			if ((await db.collection(collection).findOne({}, { projection: { _id: 1 } })) !== null) return [];
		}
		await db
			.collection<{ _id: string }>('migrations')
			.updateOne({ _id: 'control' }, { $setOnInsert: { version: compatibleLevel, locked: false } }, { upsert: true });
		return [];
	},
};
