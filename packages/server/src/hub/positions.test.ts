import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import type { EventKey } from '@rookery/protocol/events.ts';
import { formatPos } from '@rookery/protocol/pos.ts';
import { positionTable } from './positions.ts';

test('changes of the same cluster time are numbered, also across a restart', () => {
	const table = positionTable('');
	assert.equal(table.next({ seconds: 5, increment: 1 }), formatPos(5, 1, 0));
	assert.equal(table.next({ seconds: 5, increment: 1 }), formatPos(5, 1, 1));
	assert.equal(table.next({ seconds: 5, increment: 2 }), formatPos(5, 2, 0));
	const restarted = positionTable(formatPos(5, 1, 1));
	assert.equal(restarted.next({ seconds: 5, increment: 1 }), formatPos(5, 1, 2));
	assert.equal(restarted.next({ seconds: 6, increment: 1 }), formatPos(6, 1, 0));
});

test('a forgotten key has the highest position that was forgotten', () => {
	const table = positionTable(formatPos(1, 0, 0), 2);
	assert.equal(table.prev('room:a'), formatPos(1, 0, 0), 'nothing is remembered of the time before');
	table.sent('room:a', formatPos(2, 0, 0));
	table.sent('room:b', formatPos(3, 0, 0));
	table.sent('room:a', formatPos(4, 0, 0));
	table.sent('room:c', formatPos(5, 0, 0));
	assert.equal(table.size(), 2);
	assert.equal(table.prev('room:b'), formatPos(3, 0, 0));
	assert.equal(table.prev('room:a'), formatPos(4, 0, 0));
	assert.equal(table.prev('room:z'), formatPos(3, 0, 0));
});

test('what is sent again after a rewind has the same position and the same one before it', () => {
	const event = fc.record({
		key: fc.constantFrom<EventKey[]>('room:a', 'room:b', 'user:c', 'all:d'),
		steps: fc.nat(1),
	});
	const act = fc.oneof(
		{ weight: 6, arbitrary: event },
		{ weight: 2, arbitrary: fc.constantFrom('mark' as const, 'confirm' as const, 'rewind' as const) },
	);
	const property = fc.property(fc.array(act, { maxLength: 60, size: 'max' }), (acts) => {
		const table = positionTable('');
		/** What was sent since the last confirmation, and what of it came before the mark. */
		let unconfirmed: { key: EventKey; seconds: number; pos: string; prev: string }[] = [];
		let marked: number | null = null;
		let seconds = 0;
		const send = (key: EventKey, at: number): { key: EventKey; seconds: number; pos: string; prev: string } => {
			const pos = table.next({ seconds: at, increment: 0 });
			const prev = table.prev(key);
			table.sent(key, pos);
			return { key, seconds: at, pos, prev };
		};
		for (const step of acts) {
			if (typeof step !== 'string') {
				seconds += step.steps;
				unconfirmed.push(send(step.key, seconds));
			} else if (step === 'mark') {
				table.mark();
				marked = unconfirmed.length;
			} else if (step === 'confirm' && marked !== null) {
				table.confirm();
				unconfirmed = unconfirmed.slice(marked);
				marked = null;
			} else if (step === 'rewind') {
				table.rewind();
				marked = null;
				unconfirmed = unconfirmed.map((sent) => {
					const again = send(sent.key, sent.seconds);
					assert.deepEqual(again, sent);
					return again;
				});
			}
		}
	});
	fc.assert(property, { numRuns: 1_000 });
});
