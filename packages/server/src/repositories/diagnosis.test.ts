import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase, testMongoUrl } from '../testing/database.ts';
import { diagnoseDatabase } from './diagnosis.ts';
import { migrate } from './migrations/run.ts';

test('a migrated database: every look is done, and nothing is wrong but what the version says', async (t) => {
	const db = await testDatabase(t);
	await migrate(db, { instanceId: 'test' });
	const found = await diagnoseDatabase(testMongoUrl(db.databaseName), { now: Date.now });
	const texts = found.map(({ text }) => text).join('\n');
	for (const text of [
		/MongoDB answers/,
		/replica set rs01/,
		/WiredTiger/,
		/majority write takes/,
		/clocks/,
		/oplog covers/,
		/keep images/,
	]) {
		assert.match(texts, text);
	}
	assert.deepEqual(
		found.filter(({ level, text }) => level !== 'ok' && !text.includes('use 7.0.28')),
		[],
	);
	assert.equal(await db.collection('rookery_doctor').countDocuments(), 0);
});

test('missing images and indexes are told with the command that makes them', async (t) => {
	const db = await testDatabase(t);
	await db.collection('users').insertOne({ name: 'ana' });
	const found = await diagnoseDatabase(testMongoUrl(db.databaseName), { now: Date.now });
	const warnings = found.filter(({ level }) => level === 'warn').map(({ text }) => text);
	assert.ok(
		warnings.some((text) => /no images of changes in users: run `rookery migrate`/.test(text)),
		warnings.join(),
	);
	assert.ok(warnings.some((text) => /indexes are missing in users/.test(text)));
});

test('a clock that is off is told', async (t) => {
	const db = await testDatabase(t);
	const found = async (offMs: number) =>
		(await diagnoseDatabase(testMongoUrl(db.databaseName), { now: () => Date.now() + offMs })).find(({ text }) =>
			text.startsWith('clocks'),
		);
	assert.equal((await found(0))?.level, 'ok');
	assert.equal((await found(5_000))?.level, 'warn');
	assert.equal((await found(-900_000))?.level, 'error');
});

test('a server that is not there is one error without the password', async () => {
	const found = await diagnoseDatabase('mongodb://ana:secret@127.0.0.1:1/x', { now: Date.now, timeoutMs: 300 });
	assert.equal(found.length, 1);
	assert.equal(found[0]?.level, 'error');
	assert.match(found[0]?.text ?? '', /cannot be reached/);
	assert.ok(!found[0]?.text.includes('secret'));
});
