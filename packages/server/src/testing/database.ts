import { MongoClient, type Db } from 'mongodb';
import type { TestContext } from 'node:test';
import { randomId } from '@rookery/protocol/ids.ts';

/** The URL of the MongoDB of this test run. `npm test` starts one and sets the variable. */
export function testMongoUrl(database = ''): string {
	const url = process.env['ROOKERY_TEST_MONGO_URL'];
	if (url === undefined) throw new Error('ROOKERY_TEST_MONGO_URL is not set: start the tests with `npm test`');
	const parsed = new URL(url);
	parsed.pathname = `/${database}`;
	return parsed.href;
}

/** The URL of the NATS server of this test run. `npm test` starts one and sets the variable. */
export function testNatsUrl(): string {
	const url = process.env['ROOKERY_TEST_NATS_URL'];
	if (url === undefined) throw new Error('ROOKERY_TEST_NATS_URL is not set: start the tests with `npm test`');
	return url;
}

/** A name no other test uses: of a database, a namespace. */
export function uniqueName(): string {
	return `rk_test_${randomId(10)}`;
}

/**
 * A database of this test's own, dropped when the test ends.
 *
 * @param onCommand Hears the name of each command that is sent.
 */
export async function testDatabase(t: TestContext, onCommand?: (name: string) => void): Promise<Db> {
	const client = new MongoClient(testMongoUrl(), { maxPoolSize: 20, monitorCommands: onCommand !== undefined });
	if (onCommand !== undefined) client.on('commandStarted', ({ commandName }) => onCommand(commandName));
	await client.connect();
	const db = client.db(uniqueName());
	t.after(async () => {
		await db.dropDatabase();
		await client.close();
	});
	return db;
}
