import { MongoServerError, type Db } from 'mongodb';
import type { Migration } from './migration.ts';

/** The collections whose changes become events. */
export const watchedCollections = [
	'rocketchat_message',
	'rocketchat_room',
	'rocketchat_subscription',
	'users',
	'rocketchat_settings',
	'rocketchat_roles',
	'rocketchat_permissions',
] as const;

/** How long MongoDB keeps the documents before and after a change, in seconds: longer than any takeover of the hub. */
const expireAfterSeconds = 3600;

const namespaceNotFound = 26;

/**
 * Has MongoDB keep the exact document before and after each change of the watched collections. Where that is refused
 * (no rights, a managed service) changes are read back instead.
 */
export const changeImages: Migration = {
	number: 2,
	name: 'change images',
	async run(db) {
		const problems: string[] = [];
		for (const collection of watchedCollections) {
			const problem = await refusalOf(() => enableImages(db, collection));
			if (problem !== null) problems.push(`${collection}: no change images: ${problem}`);
		}
		const problem = await refusalOf(() => limitImages(db));
		if (problem !== null) problems.push(`change images are kept without a limit of time: ${problem}`);
		return problems;
	},
};

async function enableImages(db: Db, collection: string): Promise<void> {
	const images = { changeStreamPreAndPostImages: { enabled: true } };
	try {
		await db.command({ collMod: collection, ...images });
	} catch (error) {
		if (!(error instanceof MongoServerError) || error.code !== namespaceNotFound) throw error;
		await db.createCollection(collection, images);
	}
}

/** One parameter for the whole MongoDB: set only where it is not set yet, another database may have chosen it. */
async function limitImages(db: Db): Promise<void> {
	const admin = db.admin();
	const reply = await admin.command({ getClusterParameter: 'changeStreamOptions' });
	const [parameter] = reply['clusterParameters'] as {
		preAndPostImages?: { expireAfterSeconds?: number | string };
	}[];
	const current = parameter?.preAndPostImages?.expireAfterSeconds;
	if (current !== undefined && current !== 'off') return;
	await admin.command({
		setClusterParameter: { changeStreamOptions: { preAndPostImages: { expireAfterSeconds } } },
	});
}

/** @returns The server's text when it refuses the command; a lost connection is thrown: the step is run again. */
async function refusalOf(run: () => Promise<void>): Promise<string | null> {
	try {
		await run();
		return null;
	} catch (error) {
		if (!(error instanceof MongoServerError) || error.hasErrorLabel('RetryableWriteError')) throw error;
		return error.message;
	}
}
