import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Room } from './records.ts';
import { publishedRoom, restRoom } from './room-view.ts';

const stored = {
	_id: 'r',
	t: 'l',
	fname: 'visitor',
	msgs: 0,
	usersCount: 1,
	_updatedAt: new Date(0),
	joinCode: 'sesame',
	joinCodeRequired: true,
	rk: { n: 1 },
	importIds: ['i'],
	services: { x: 1 },
	favorite: true,
	usernames: ['left', 'over'],
	v: { _id: 'v1', username: 'guest-1', token: 'key', status: 'online' },
} as unknown as Room;

test('only named fields pass, and a visitor without his token', () => {
	assert.deepEqual(publishedRoom(stored), {
		_id: 'r',
		t: 'l',
		fname: 'visitor',
		msgs: 0,
		usersCount: 1,
		_updatedAt: new Date(0),
		joinCodeRequired: true,
		v: { _id: 'v1', username: 'guest-1', status: 'online' },
	});
	assert.deepEqual(restRoom(stored), { ...publishedRoom(stored), favorite: true });
	assert.equal(stored.v?.token, 'key');
});

test('people are listed in direct rooms alone', () => {
	const direct: Room = { ...stored, t: 'd', uids: ['a', 'b'] };
	assert.deepEqual(
		[publishedRoom(direct).uids, publishedRoom(direct).usernames],
		[
			['a', 'b'],
			['left', 'over'],
		],
	);
	assert.equal(publishedRoom({ ...direct, t: 'c' }).uids, undefined);
});
