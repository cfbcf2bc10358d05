import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../../testing/database.ts';
import { createIndexes } from './001-indexes.ts';
import { watchedCollections } from './002-change-images.ts';
import { controlDocument } from './003-control-document.ts';
import { indexTable } from './index-table.ts';
import type { Migration } from './migration.ts';
import { otherIndexTable } from './other-index-table.ts';
import { laterMigrations, migrate, migrations } from './run.ts';

test('an empty database gets every index with its options, change images and the control document, and a second run does nothing', async (t) => {
	const db = await testDatabase(t);
	const done: string[] = [];
	const startedAt = performance.now();

	const problems = await migrate(db, { instanceId: 'a', onDone: ({ name }) => done.push(name) });

	t.diagnostic(`empty database: ${Math.round(performance.now() - startedAt)} ms`);
	assert.deepEqual(problems, []);
	assert.deepEqual(
		done,
		migrations.map(({ name }) => name),
	);
	for (const [collection, wanted] of Object.entries(indexTable)) {
		assert.equal((await db.collection(collection).indexes()).length, wanted.length + 1, collection);
	}
	const collections = await db.listCollections().toArray();
	for (const name of watchedCollections) {
		const found = collections.find((entry) => entry.name === name);
		assert.deepEqual(
			found !== undefined && 'options' in found && found.options,
			{ changeStreamPreAndPostImages: { enabled: true } },
			name,
		);
	}
	const control = await db.collection<{ _id: string }>('migrations').findOne({ _id: 'control' });
	assert.deepEqual(control, { _id: 'control', version: 269, locked: false });

	assert.deepEqual(await migrate(db, { instanceId: 'b', onDone: () => assert.fail('done twice') }), []);
	assert.deepEqual(await migrate(db, { instanceId: 'a', steps: laterMigrations }), []);
	for (const [collection, wanted] of Object.entries(otherIndexTable)) {
		assert.equal((await db.collection(collection).indexes()).length, wanted.length + 1, collection);
	}

	const messages = await db.collection('rocketchat_message').indexes();
	const named = (name: string): object | undefined => messages.find((index) => index.name === name);

	assert.deepEqual(named('expireAt_1'), { v: 2, key: { expireAt: 1 }, name: 'expireAt_1', expireAfterSeconds: 0 });
	assert.deepEqual(named('rk_rid_updatedAt'), { v: 2, key: { rid: 1, _updatedAt: 1 }, name: 'rk_rid_updatedAt' });
	assert.deepEqual(named('rid_1_tlm_-1'), {
		v: 2,
		key: { rid: 1, tlm: -1 },
		name: 'rid_1_tlm_-1',
		partialFilterExpression: { tcount: { $exists: true } },
	});
	assert.ok(named('msg_text') !== undefined && named('location_2dsphere') !== undefined);
	const subscriptions = await db.collection('rocketchat_subscription').indexes();
	assert.equal(subscriptions.find((index) => index.name === 'rid_1_u._id_1')?.unique, true);
});

test('an index that exists with other options stays, is reported, and costs no other index', async (t) => {
	const db = await testDatabase(t);
	await db.collection('rooms').createIndex({ t: 1 }, { sparse: true });
	await db.collection('teams').insertMany([{ name: 'x' }, { name: 'x' }]);
	const step: Migration = {
		number: 1,
		name: 'indexes',
		run: (database) =>
			createIndexes(database, {
				rooms: [{ key: { ts: 1 } }, { key: { t: 1 } }, { key: { name: 1 }, unique: true }],
				teams: [{ key: { name: 1 }, unique: true }, { key: { type: 1 } }],
			}),
	};

	const problems = await migrate(db, { instanceId: 'a', steps: [step] });

	assert.deepEqual(problems.toSorted(), [
		'rooms: index {"t":1} conflicts with what is there',
		'teams: index {"name":1} conflicts with what is there',
	]);
	const rooms = await db.collection('rooms').indexes();
	assert.equal(rooms.find((index) => index.name === 't_1')?.sparse, true);
	assert.deepEqual(new Set(rooms.map(({ name }) => name)), new Set(['_id_', 'name_1', 't_1', 'ts_1']));
	assert.deepEqual(
		(await db.collection('teams').indexes()).map(({ name }) => name),
		['_id_', 'type_1'],
	);
	assert.deepEqual(await migrate(db, { instanceId: 'b', steps: [step] }), problems);
});

test('a database that somebody filled keeps its control document, or its lack of one', async (t) => {
	const db = await testDatabase(t);
	await db.collection<{ _id: string }>('users').insertOne({ _id: 'u' });
	await migrate(db, { instanceId: 'a', steps: [controlDocument] });
	assert.equal(await db.collection('migrations').countDocuments(), 0);

	const other = await testDatabase(t);
	const control = { _id: 'control', version: 335, locked: false };
	await other.collection<{ _id: string }>('migrations').insertOne({ ...control });
	await migrate(other, { instanceId: 'a', steps: [controlDocument] });
	assert.deepEqual(await other.collection<{ _id: string }>('migrations').findOne({ _id: 'control' }), control);
});

test('of several processes that start at once one works, all return when it is done', async (t) => {
	const db = await testDatabase(t);
	let running = 0;
	let runs = 0;
	const step: Migration = {
		number: 7,
		name: 'slow',
		async run(database) {
			running += 1;
			runs += 1;
			assert.equal(running, 1);
			await database.collection('things').createIndex({ a: 1 });
			running -= 1;
			return ['a problem'];
		},
	};

	const results = await Promise.all(
		['a', 'b', 'c', 'd'].map((instanceId) => migrate(db, { instanceId, steps: [step] })),
	);

	assert.equal(runs, 1);
	assert.deepEqual(
		results,
		Array.from({ length: 4 }, () => ['a problem']),
	);
	assert.equal(await db.collection<{ _id: string }>('rookery_migrations').countDocuments({ _id: 'lease' }), 0);
});

test('a step that fails is not recorded: the next process does it', async (t) => {
	const db = await testDatabase(t);
	let attempts = 0;
	const step: Migration = {
		number: 1,
		name: 'fails once',
		run: () => (++attempts === 1 ? Promise.reject(new Error('cut off')) : Promise.resolve([])),
	};

	await assert.rejects(migrate(db, { instanceId: 'a', steps: [step] }), /cut off/);
	assert.deepEqual(await migrate(db, { instanceId: 'b', steps: [step] }), []);
	assert.equal(attempts, 2);
});

test('the lease of a process that died runs out', async (t) => {
	const db = await testDatabase(t);
	const lease = { _id: 'lease', holder: 'dead', until: new Date(Date.now() - 1_000) };
	await db.collection<{ _id: string }>('rookery_migrations').insertOne(lease);
	const step: Migration = { number: 1, name: 'step', run: () => Promise.resolve([]) };

	assert.deepEqual(await migrate(db, { instanceId: 'a', steps: [step] }), []);
});
