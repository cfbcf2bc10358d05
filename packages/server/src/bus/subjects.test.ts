import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, property, string } from 'fast-check';
import { eventSubject, roomsSubject, shardOf, shardSubject, tokenOf } from './subjects.ts';

test('any text is one token, and different texts are different tokens', () => {
	forAll(
		property(string({ unit: 'binary', maxLength: 400 }), string({ unit: 'binary', maxLength: 400 }), (a, b) => {
			assert.match(tokenOf(a), /^[\w=-]{1,240}$/);
			assert.equal(tokenOf(a) === tokenOf(b), a === b);
		}),
		{ numRuns: 2000 },
	);
});

test('a token that looks encoded is not taken for the text it would encode', () => {
	assert.notEqual(tokenOf('='), tokenOf(''));
	assert.notEqual(tokenOf('=2e'), tokenOf('.'));
	assert.equal(tokenOf('rocket.cat'), 'rocket=2ecat');
	assert.equal(tokenOf('*'), '=2a');
});

test('an event subject matches the wildcard of its own shard', () => {
	forAll(
		property(string({ unit: 'binary' }), (text) => {
			const subject = eventSubject('ns', `room:${text}`);
			const prefix = shardSubject('ns', `room:${text}`).replace(/\*$/, '');
			assert.ok(subject.startsWith(prefix));
			assert.equal(subject.split('.').length, 6);
			assert.ok(subject.startsWith(roomsSubject('ns').replace(/>$/, '')));
		}),
	);
});

test('the wildcard of all rooms matches no other keys', () => {
	const prefix = roomsSubject('ns').replace(/>$/, '');
	for (const key of ['user:room', 'all:room', 'user:room:a', 'all:logged'] as const)
		assert.ok(!eventSubject('ns', key).startsWith(prefix), key);
});

test('shards are spread evenly', () => {
	const counts = new Map<string, number>();
	for (let index = 0; index < 40_960; index++) {
		const shard = shardOf(`room:${(index * 7919).toString(36)}`);
		assert.match(shard, /^[0-9a-f]{3}$/);
		counts.set(shard, (counts.get(shard) ?? 0) + 1);
	}
	assert.ok(counts.size > 4000);
	assert.ok(Math.max(...counts.values()) < 40);
});
