import assert from 'node:assert/strict';
import test from 'node:test';
import { silentLog } from '../platform/log.ts';
import type { Change, StoredDocument } from '../repositories/watch-change.ts';
import { settlingWatch } from './settling.ts';

function scene({ isFailing = false } = {}) {
	const time = { ms: 0 };
	const calls: [string, string[]][] = [];
	const state = { isFailing };
	const watch = settlingWatch({
		core: {
			settle: (rid, uncounted = []) => {
				calls.push([rid, uncounted]);
				return state.isFailing ? Promise.reject(new Error('no core')) : Promise.resolve();
			},
		},
		clock: { now: () => 0, monotonic: () => time.ms },
		log: silentLog,
	});
	const note = (
		collection: string,
		operation: Change['operation'],
		before: StoredDocument | null,
		after: StoredDocument | null,
	): void =>
		watch.note({
			collection,
			operation,
			id: after?._id ?? before?._id ?? '',
			before,
			after,
			updatedFields: null,
			updatedPaths: null,
			clusterTime: { seconds: 1, increment: 1 },
			token: {},
		});
	return {
		watch,
		time,
		calls,
		state,
		message: (_id: string, rid = 'r', more: object = {}) =>
			note('rocketchat_message', 'insert', null, { _id, rid, ...more } as StoredDocument),
		deletion: (_id: string, rid = 'r') => note('rocketchat_message', 'delete', { _id, rid } as StoredDocument, null),
		room: (rk: { i?: string[]; p?: { m: string; s: number }[] }, _id = 'r') =>
			note('rocketchat_room', 'update', null, { _id, rk } as StoredDocument),
		roomDeletion: (_id: string) => note('rocketchat_room', 'delete', { _id }, null),
		async after(ms: number) {
			time.ms += ms;
			watch.tick();
			await new Promise(setImmediate);
		},
	};
}

test('a message that its room counts in time needs no repair', async () => {
	const { message, room, after, calls, watch } = scene();
	message('m');
	await after(500);
	room({ i: ['m'], p: [] });
	await after(5_000);
	assert.deepEqual(calls, []);
	assert.deepEqual(watch.unsettled(), []);
});

test('a message that no version of its room counts is repaired after a second, by its id, once', async () => {
	const { message, room, after, calls, watch } = scene();
	message('m');
	message('n', 'other');
	room({ i: ['n'] }, 'other');
	room({ i: ['older'], p: [] });
	await after(999);
	assert.deepEqual(calls, []);
	assert.deepEqual(watch.unsettled(), ['r']);
	await after(1);
	assert.deepEqual(calls, [['r', ['m']]]);
	await after(60_000);
	assert.equal(calls.length, 1);
});

test('a post whose subscriptions did not follow is repaired; one that leaves the list is not', async () => {
	const { room, after, calls } = scene();
	room({
		i: ['m', 'n'],
		p: [
			{ m: 'm', s: 1 },
			{ m: 'n', s: 2 },
		],
	});
	await after(1_000);
	room({ i: ['m', 'n'], p: [{ m: 'n', s: 2 }] });
	await after(1_999);
	assert.deepEqual(calls, []);
	await after(1);
	assert.deepEqual(calls, [['r', []]]);
	room({ i: ['m', 'n'], p: [] });
	await after(60_000);
	assert.equal(calls.length, 1);
});

test('a post that is counted but not complete is followed on', async () => {
	const { message, room, after, calls, watch } = scene();
	message('m');
	room({ i: ['m'], p: [{ m: 'm', s: 1 }] });
	assert.deepEqual(watch.unsettled(), ['r']);
	await after(3_000);
	assert.deepEqual(calls, [['r', []]]);
	room({ i: ['m'], p: [] });
	assert.deepEqual(watch.unsettled(), []);
});

test('a repair that fails is tried again, later and later', async () => {
	const { message, after, calls, state, watch } = scene({ isFailing: true });
	message('m');
	await after(1_000);
	await after(400);
	assert.equal(calls.length, 1);
	await after(1_000);
	assert.equal(calls.length, 2);
	state.isFailing = false;
	await after(10_000);
	assert.equal(calls.length, 3);
	await after(100_000);
	assert.equal(calls.length, 3);
	assert.deepEqual(watch.unsettled(), []);
});

test('deleted, hidden and imported messages and those of deleted rooms are nobody’s to repair', async () => {
	const { message, deletion, roomDeletion, after, calls } = scene();
	message('m');
	deletion('m');
	message('h', 'r', { _hidden: true });
	message('i', 'r', { imported: 'slack' });
	message('n', 'gone');
	roomDeletion('gone');
	await after(10_000);
	assert.deepEqual(calls, []);
});

test('what an earlier hub left is repaired once', async () => {
	const { watch, after, calls } = scene();
	watch.restore(['r', 'q']);
	assert.deepEqual(watch.unsettled(), ['r', 'q']);
	await after(1_000);
	assert.deepEqual(calls, [
		['r', []],
		['q', []],
	]);
	await after(100_000);
	assert.equal(calls.length, 2);
	assert.deepEqual(watch.unsettled(), []);
});

test('what is followed is bounded: the oldest rooms are forgotten first', () => {
	const { message, watch } = scene();
	for (let at = 0; at < 30_000; at++) message(`m${at}`, `r${at}`);
	assert.equal(watch.unsettled()[0], 'r10000');
});
