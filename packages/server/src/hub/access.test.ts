import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, StoredDocument } from '../repositories/watch-change.ts';
import { publicationsOf } from './publications.ts';

function change(
	collection: string,
	operation: Change['operation'],
	document: object | null,
	fields: string[] = [],
): Change {
	const known = document as StoredDocument | null;
	return {
		collection,
		operation,
		id: 'x',
		before: operation === 'insert' ? null : known,
		after: operation === 'delete' ? null : known,
		updatedFields: operation === 'update' ? fields : null,
		updatedPaths: operation === 'update' ? fields : null,
		clusterTime: { seconds: 1, increment: 1 },
		token: {},
	};
}

/** Keys and names of the records that a change says about access. */
function said(given: Change): string[] {
	return publicationsOf(given, { isRoomGone: () => false }).flatMap(({ key, parts }) =>
		parts.flatMap((part) =>
			part.kind === 'record' && (part.record === 'roomAccess' || part.record === 'loginService')
				? [`${key} ${part.record} ${JSON.stringify(part.body)}`]
				: [],
		),
	);
}

const told = ['all:permissions roomAccess {"rid":"x"}'];
const rooms = 'rocketchat_room';
const channel = { _id: 'x', t: 'c', msgs: 0, usersCount: 0 };

test('every streamer hears of rooms whose readers may have changed, and of no other change of a room', () => {
	for (const field of ['t', 'teamId', 'teamMain', 'prid', 'abacAttributes']) {
		assert.deepEqual(said(change(rooms, 'update', channel, [field, '_updatedAt'])), told, field);
	}
	for (const field of ['topic', 'lm', 'muted', 'rk', 'name']) {
		assert.deepEqual(said(change(rooms, 'update', channel, [field, '_updatedAt'])), [], field);
	}
	assert.deepEqual(said(change(rooms, 'insert', channel)), []);
});

test('a room that is gone may have been a parent, unless it was a conversation or a discussion', () => {
	assert.deepEqual(said(change(rooms, 'delete', channel)), told);
	assert.deepEqual(said(change(rooms, 'delete', null)), told, 'nobody knows what it was');
	for (const room of [
		{ ...channel, t: 'd' },
		{ ...channel, t: 'l' },
		{ ...channel, prid: 'p' },
	]) {
		assert.deepEqual(said(change(rooms, 'delete', room)), []);
	}
});

test('a team that becomes private, or is gone, is about its rooms', () => {
	const team = { _id: 'x', type: 1, roomId: 'main' };
	const about = ['all:permissions roomAccess {"rid":"main"}'];
	assert.deepEqual(said(change('rocketchat_team', 'update', team, ['type'])), about);
	assert.deepEqual(said(change('rocketchat_team', 'update', team, ['name'])), []);
	assert.deepEqual(said(change('rocketchat_team', 'insert', team)), []);
	assert.deepEqual(said(change('rocketchat_team', 'delete', null)), ['all:permissions roomAccess {"rid":""}']);
});

test('of a login service nothing but its id is told: its record holds secrets', () => {
	const collection = 'meteor_accounts_loginServiceConfiguration';
	const record = { _id: 'x', service: 'github', secret: 'hush' };
	for (const operation of ['insert', 'update', 'replace', 'delete'] as const) {
		const given = change(collection, operation, record, ['secret']);
		assert.deepEqual(said(given), ['all:settings loginService {"_id":"x"}']);
		assert.equal(JSON.stringify(publicationsOf(given, { isRoomGone: () => false })).includes('hush'), false);
	}
	assert.deepEqual(said(change(collection, 'drop', null)), []);
});
