import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, integer, oneof, property, record, constant } from 'fast-check';
import type { PresenceReport } from './contracts.ts';
import { presenceTable } from './presence-table.ts';

const times = { leaseMs: 9000, graceMs: 5000 };

function report(seq: number, connections: PresenceReport['connections'], extra: Partial<PresenceReport> = {}) {
	return { instance: 's1', bootEpoch: 'e1', seq, full: false, connections, ...extra };
}

const online = (id: string, uid: string) => ({ id, uid, status: 'online' as const });
const gone = (id: string, uid: string) => ({ id, uid, status: 'gone' as const });

test('a lost connection counts through its grace, a logout ends at once', () => {
	const table = presenceTable(times);
	assert.equal(table.report(report(1, [online('c1', 'ana'), online('c2', 'bob')], { full: true }), 0), true);
	table.report(report(2, [gone('c1', 'ana'), { ...gone('c2', 'bob'), logout: true }]), 1000);
	assert.deepEqual([table.statusOf('ana'), table.statusOf('bob')], ['online', 'offline']);
	table.report(report(3, []), 5500);
	table.expire(5999);
	assert.equal(table.statusOf('ana'), 'online');
	table.expire(6000);
	assert.equal(table.statusOf('ana'), 'offline');
	assert.deepEqual(table.takeTouched().sort(), ['ana', 'bob']);
	assert.deepEqual(table.size(), { streamers: 1, users: 0 });
});

test('a return within the grace is no change', () => {
	const table = presenceTable(times);
	table.report(report(1, [online('c1', 'ana')], { full: true }), 0);
	table.takeTouched();
	table.report(report(2, [gone('c1', 'ana')]), 100);
	assert.deepEqual(table.takeTouched(), []);
	table.report(report(3, [online('c2', 'ana')]), 2000);
	table.report(report(4, []), 5000);
	table.expire(8000);
	assert.equal(table.statusOf('ana'), 'online');
});

test('a hole in the numbers asks for a full report, and nothing is believed before it came', () => {
	const table = presenceTable(times);
	table.report(report(1, [online('c1', 'ana')], { full: true }), 0);
	assert.equal(table.report(report(3, [online('c3', 'bob')]), 10), false);
	assert.deepEqual(table.incomplete(), ['s1']);
	assert.equal(table.report(report(4, [online('c4', 'eve')]), 20), false);
	assert.deepEqual(
		[table.statusOf('ana'), table.statusOf('bob'), table.statusOf('eve')],
		['online', 'offline', 'offline'],
	);
	assert.equal(table.report(report(5, [online('c1', 'ana'), online('c3', 'bob')], { full: true }), 30), true);
	assert.deepEqual(table.incomplete(), []);
	assert.equal(table.statusOf('bob'), 'online');
});

test('a full report in several parts replaces only when the last part is there', () => {
	const table = presenceTable(times);
	table.report(report(1, [online('c1', 'ana'), online('c2', 'bob')], { full: true }), 0);
	table.report(report(2, [online('c2', 'bob')], { full: true, more: true }), 10);
	table.expire(6000);
	assert.equal(table.statusOf('ana'), 'online');
	table.report(report(3, [online('c3', 'eve')]), 6000);
	assert.deepEqual(
		[table.statusOf('ana'), table.statusOf('bob'), table.statusOf('eve')],
		['online', 'online', 'online'],
	);
	table.expire(11_000);
	assert.deepEqual(
		[table.statusOf('ana'), table.statusOf('bob'), table.statusOf('eve')],
		['offline', 'online', 'online'],
	);
});

test('a silent streamer is dead after its lease, with no further grace', () => {
	const table = presenceTable(times);
	table.report(report(1, [online('c1', 'ana')], { full: true }), 0);
	table.report(report(2, []), 3000);
	table.expire(11_999);
	assert.equal(table.statusOf('ana'), 'online');
	table.expire(12_000);
	assert.equal(table.statusOf('ana'), 'offline');
	assert.equal(table.report(report(3, []), 12_100), false, 'it has to say everything again');
});

test('a restarted streamer has none of its old connections', () => {
	const table = presenceTable(times);
	table.report(report(1, [online('c1', 'ana'), online('c2', 'bob')], { full: true }), 0);
	table.report(report(1, [online('c9', 'bob')], { full: true, bootEpoch: 'e2' }), 2000);
	table.expire(4999);
	assert.equal(table.statusOf('ana'), 'online');
	table.expire(5000);
	assert.deepEqual([table.statusOf('ana'), table.statusOf('bob')], ['offline', 'online']);
});

test('repeated reports change nothing, and another user on a connection replaces the first at once', () => {
	const table = presenceTable(times);
	const first = report(1, [online('c1', 'ana')], { full: true });
	table.report(first, 0);
	table.report(report(2, [online('c1', 'bob')]), 1);
	assert.equal(table.report(first, 2), true);
	assert.deepEqual([table.statusOf('ana'), table.statusOf('bob')], ['offline', 'online']);
});

test('after any sequence of reports the table says what the streamer holds', () => {
	const id = integer({ min: 0, max: 4 }).map((number) => `c${number}`);
	const step = oneof(
		record({ kind: constant('set' as const), id, status: constantFrom('online', 'away', 'busy') }),
		record({ kind: constant('gone' as const), id, logout: constantFrom(true, false) }),
		constant({ kind: 'lost report' as const }),
		constant({ kind: 'full' as const }),
	);
	forAll(
		property(array(step, { maxLength: 40 }), (steps) => {
			const table = presenceTable(times);
			const held = new Map<string, PresenceReport['connections'][number]>();
			let seq = 0;
			let mustBeFull = true;
			const send = (connections: PresenceReport['connections']): void => {
				seq += 1;
				const full = mustBeFull;
				mustBeFull = false;
				if (!table.report(report(seq, full ? [...held.values()] : connections, { full }), 0)) {
					mustBeFull = true;
					send([]);
				}
			};
			for (const next of steps) {
				if (next.kind === 'lost report') seq += 1;
				if (next.kind === 'full') mustBeFull = true;
				if (next.kind === 'set') {
					held.set(next.id, { id: next.id, uid: `u-${next.id}`, status: next.status as 'online' });
					send([...held.values()].filter((entry) => entry.id === next.id));
				}
				if (next.kind === 'gone' && held.delete(next.id)) {
					send([{ id: next.id, uid: `u-${next.id}`, status: 'gone', ...(next.logout ? { logout: true } : {}) }]);
				}
			}
			mustBeFull = true;
			send([]);
			table.expire(5000);
			for (let number = 0; number <= 4; number++) {
				const expected = held.get(`c${number}`)?.status ?? 'offline';
				assert.equal(table.statusOf(`u-c${number}`), expected);
			}
		}),
		{ numRuns: 500 },
	);
});
