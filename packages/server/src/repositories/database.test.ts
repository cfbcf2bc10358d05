import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testMongoUrl, uniqueName } from '../testing/database.ts';
import { commandCounters, type CommandReport } from './command-counters.ts';
import { connectDatabase, databaseNameOf } from './database.ts';

test('the name of the database stands in the path of the URL, else it is rocketchat', () => {
	assert.equal(databaseNameOf('mongodb://a:1,b:2/chat?replicaSet=rs'), 'chat');
	assert.equal(databaseNameOf('mongodb://user:p%40ss@a:1/my%20chat'), 'my chat');
	assert.equal(databaseNameOf('mongodb+srv://cluster.example/x'), 'x');
	assert.equal(databaseNameOf('mongodb://a:1/?replicaSet=rs'), 'rocketchat');
	assert.equal(databaseNameOf('mongodb://a:1'), 'rocketchat');
});

test('writes wait for a majority and the journal, reads see majority data and have a time limit', async (t) => {
	const { db, client, close } = await connectDatabase(testMongoUrl(uniqueName()), { appName: 'test', maxTimeMs: 50 });
	t.after(async () => {
		await db.dropDatabase();
		await close();
	});
	const { w, j, wtimeout } = client.options.writeConcern ?? {};
	assert.deepEqual({ w, j, wtimeout }, { w: 'majority', j: true, wtimeout: 10_000 });
	assert.equal(client.options.readConcern?.level, 'majority');
	const things = db.collection<{ _id: number }>('things');
	await things.insertMany([{ _id: 1 }, { _id: 2 }]);

	assert.equal((await things.findOne({ _id: 1 }))?._id, 1);
	assert.equal(await things.countDocuments(), 2);
	assert.deepEqual(new Set(await things.distinct('_id')), new Set([1, 2]));
	assert.equal((await things.findOneAndDelete({ _id: 2 }))?._id, 2);
	// The server itself gives the slow one up: code 50 is MaxTimeMSExpired.
	const slow = things.find({ $where: 'sleep(2000) || true' }).toArray();
	await assert.rejects(slow, { code: 50 });
	assert.equal((await things.find({}, { maxTimeMS: 5_000 }).toArray()).length, 1);
});

test('the command counter counts commands and documents, without the housekeeping of connections', async (t) => {
	const reports: CommandReport[] = [];
	const counters = commandCounters();
	const { db, close } = await connectDatabase(testMongoUrl(uniqueName()), {
		appName: 'test',
		onCommand: (report) => {
			counters.listener(report);
			reports.push(report);
		},
	});
	t.after(close);
	const things = db.collection<{ _id: number; a?: number }>('things');
	await things.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
	await things.updateMany({}, { $set: { a: 1 } });
	await things.find({ a: 1 }, { batchSize: 2 }).toArray();
	await db.dropDatabase();

	assert.deepEqual(counters.read(), {
		commands: 5,
		failed: 0,
		documentsWritten: 6,
		documentsReturned: 3,
		byName: { insert: 1, update: 1, find: 1, getMore: 1, dropDatabase: 1 },
	});
	assert.deepEqual(
		reports.slice(0, 4).map(({ collection }) => collection),
		['things', 'things', 'things', 'things'],
	);
});

test('a MongoDB that is not there yet is tried again, until the caller gives up', async () => {
	const giveUp = new AbortController();
	const attempts: number[] = [];
	const connecting = connectDatabase('mongodb://127.0.0.1:1/?directConnection=true', {
		appName: 'test',
		selectionTimeoutMs: 20,
		signal: giveUp.signal,
		onRetry: (_error, attempt) => {
			attempts.push(attempt);
			if (attempt === 2) giveUp.abort(new Error('enough'));
		},
	});
	await assert.rejects(connecting, /enough/);
	assert.deepEqual(attempts, [1, 2]);
});

test('a URL that is none is refused at once', async () => {
	await assert.rejects(connectDatabase('http://example.org', { appName: 'test' }), { name: 'MongoParseError' });
});

test('giving up does not wait for the attempt in progress', async () => {
	const giveUp = new AbortController();
	const connecting = connectDatabase('mongodb://127.0.0.1:1/?directConnection=true', {
		appName: 'test',
		selectionTimeoutMs: 60_000,
		signal: giveUp.signal,
	});
	giveUp.abort(new Error('enough'));
	await assert.rejects(connecting, /enough/);
});
