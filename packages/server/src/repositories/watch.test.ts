import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { Db } from 'mongodb';
import { testDatabase } from '../testing/database.ts';
import type { Change } from './watch-change.ts';
import { HistoryLostError, watchDatabase, type ResumeToken } from './watch.ts';

type Row = { _id: string; [field: string]: unknown };

const images = { changeStreamPreAndPostImages: { enabled: true } };

/** Watches `things` (with images) and `bare` (without); `next` waits for one change. */
async function watching(t: TestContext, db: Db, resumeAfter: ResumeToken | null = null) {
	const ending = new AbortController();
	t.after(() => ending.abort());
	const begun = Promise.withResolvers<ResumeToken>();
	const retries: Error[] = [];
	const changes = watchDatabase(db, {
		collections: ['things', 'bare'],
		resumeAfter,
		signal: ending.signal,
		onIdle: (token) => begun.resolve(token),
		onRetry: (error) => retries.push(error),
	});
	const first = changes.next();
	let waiting: Promise<IteratorResult<Change>> | null = first;
	void first.catch(() => undefined);
	return {
		begun: begun.promise,
		retries,
		async next(): Promise<Change> {
			const { value, done } = await (waiting ?? changes.next());
			waiting = null;
			assert.ok(done !== true, 'the stream goes on');
			return value;
		},
		async end(): Promise<void> {
			ending.abort();
			assert.equal((await (waiting ?? changes.next())).done, true);
		},
	};
}

test(
	'insert, update, replace and delete come in order, each with exactly its versions',
	{ timeout: 20_000 },
	async (t) => {
		const db = await testDatabase(t);
		const things = await db.createCollection<Row>('things', images);
		const { begun, next, end } = await watching(t, db);
		await begun;
		await things.insertOne({ _id: 'a', list: ['x'], nested: { one: 1, two: 2 } });
		await things.updateOne({ _id: 'a' }, {
			$set: { 'nested.one': 5 },
			$push: { list: 'y' },
			$unset: { 'nested.two': 1 },
		} as object);
		await things.updateOne({ _id: 'a' }, { $set: { later: true } });
		await things.replaceOne({ _id: 'a' }, { other: 1 });
		await things.deleteOne({ _id: 'a' });
		await db.collection<Row>('ignored').insertOne({ _id: 'b' });
		await things.insertOne({ _id: 'c' });

		const inserted = await next();
		assert.deepEqual([inserted.collection, inserted.operation, inserted.id], ['things', 'insert', 'a']);
		assert.deepEqual(inserted.after, { _id: 'a', list: ['x'], nested: { one: 1, two: 2 } });
		const updated = await next();
		assert.deepEqual(updated.before, inserted.after);
		assert.deepEqual(
			updated.after,
			{ _id: 'a', list: ['x', 'y'], nested: { one: 5 } },
			'not the version of later changes',
		);
		assert.deepEqual(updated.updatedFields?.toSorted(), ['list', 'nested']);
		assert.deepEqual(updated.updatedPaths?.toSorted(), ['list.1', 'nested.one', 'nested.two']);
		assert.ok(updated.clusterTime.seconds > 0);
		assert.deepEqual((await next()).updatedFields, ['later']);
		const replaced = await next();
		assert.deepEqual(
			[replaced.operation, replaced.after, replaced.updatedFields],
			['replace', { _id: 'a', other: 1 }, null],
		);
		const deleted = await next();
		assert.deepEqual([deleted.operation, deleted.id, deleted.before], ['delete', 'a', { _id: 'a', other: 1 }]);
		assert.equal((await next()).id, 'c');
		await end();
	},
);

test('a stream goes on behind the token it is given', { timeout: 20_000 }, async (t) => {
	const db = await testDatabase(t);
	const things = await db.createCollection<Row>('things', images);
	const first = await watching(t, db);
	await first.begun;
	for (const _id of ['a', 'b', 'c']) await things.insertOne({ _id });
	const { token } = await first.next();
	await first.end();
	await things.insertOne({ _id: 'd' });
	const second = await watching(t, db, token);
	assert.deepEqual([(await second.next()).id, (await second.next()).id, (await second.next()).id], ['b', 'c', 'd']);
	await second.end();
});

test(
	'without images the present version is read back, and the trash knows what was deleted',
	{ timeout: 20_000 },
	async (t) => {
		const db = await testDatabase(t);
		const bare = await db.createCollection<Row>('bare');
		const { begun, next } = await watching(t, db);
		await begun;
		await bare.insertOne({ _id: 'a', n: 1 });
		await bare.updateOne({ _id: 'a' }, { $set: { n: 2 } });
		await db
			.collection<Row>('rocketchat__trash')
			.insertOne({ _id: 'a', n: 2, __collection__: 'bare', _deletedAt: new Date() });
		await next();
		const updated = await next();
		assert.deepEqual([updated.before, updated.after, updated.updatedFields], [null, { _id: 'a', n: 2 }, ['n']]);
		await bare.deleteOne({ _id: 'a' });
		assert.deepEqual((await next()).before, { _id: 'a', n: 2 });
		await bare.insertOne({ _id: 'b' });
		await bare.deleteOne({ _id: 'b' });
		await next();
		assert.equal((await next()).before, null);
	},
);

test('a collection that is dropped or renamed is told, and the stream goes on', { timeout: 20_000 }, async (t) => {
	const db = await testDatabase(t);
	const things = await db.createCollection<Row>('things', images);
	const { begun, next } = await watching(t, db);
	await begun;
	await things.insertOne({ _id: 'a' });
	await things.rename('elsewhere');
	await db.collection<Row>('bare').insertOne({ _id: 'b' });
	await db.collection('bare').drop();
	await db.collection<Row>('bare').insertOne({ _id: 'c' });
	const seen = [await next(), await next(), await next(), await next(), await next()];
	assert.deepEqual(
		seen.map(({ operation, collection, id }) => [operation, collection, id]),
		[
			['insert', 'things', 'a'],
			['rename', 'things', ''],
			['insert', 'bare', 'b'],
			['drop', 'bare', ''],
			['insert', 'bare', 'c'],
		],
	);
});

test('a database that is dropped is told, and what comes after it, too', { timeout: 20_000 }, async (t) => {
	const db = await testDatabase(t);
	const things = await db.createCollection<Row>('things', images);
	const { begun, next } = await watching(t, db);
	await begun;
	await things.insertOne({ _id: 'a' });
	await db.dropDatabase();
	await db.collection<Row>('things').insertOne({ _id: 'b' });
	const seen: string[] = [];
	for (let id = ''; id !== 'b';) {
		const change = await next();
		({ id } = change);
		seen.push(change.operation);
	}
	assert.deepEqual(seen, ['insert', 'drop', 'dropDatabase', 'invalidate', 'insert']);
});

test(
	'a change too large for one answer comes without its versions, and does not stop the stream',
	{ timeout: 60_000 },
	async (t) => {
		const db = await testDatabase(t);
		const things = await db.createCollection<Row>('things', images);
		const { begun, next, retries } = await watching(t, db);
		await begun;
		const text = 'x'.repeat(9 * 1024 * 1024);
		await things.insertOne({ _id: 'large', text });
		await things.updateOne({ _id: 'large' }, { $set: { small: 1 } });
		await things.insertOne({ _id: 'next' });
		await things.updateOne({ _id: 'next' }, { $set: { n: 1 } });
		assert.equal((await next()).id, 'large');
		const updated = await next();
		assert.deepEqual([updated.operation, updated.updatedFields, updated.before], ['update', ['small'], null]);
		assert.equal((updated.after as Row | null)?.['small'], 1);
		assert.equal((await next()).id, 'next');
		assert.deepEqual((await next()).before, { _id: 'next' }, 'images are back');
		// Whether the insert before it comes in the same batch decides if the stream meets the large change once or twice.
		assert.ok(retries.length === 1 || retries.length === 2, `${retries.length} retries`);
	},
);

test('a token that the database cannot go on from is an error of its own', { timeout: 20_000 }, async (t) => {
	const db = await testDatabase(t);
	for (const _data of ['zz', '826B06B09B000000042B']) {
		const { next, retries } = await watching(t, db, { _data });
		await assert.rejects(next(), HistoryLostError);
		assert.deepEqual(retries, []);
	}
});
