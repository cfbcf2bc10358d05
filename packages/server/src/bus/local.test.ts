import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Publication } from '@rookery/protocol/events.ts';
import { busConformance } from './conformance.ts';
import { localBus } from './local.ts';

const typing = (number: number): Publication => ({
	key: 'room:a',
	parts: [{ kind: 'direct', stream: 'notify-room', event: 'e', args: [number] }],
});

busConformance('local', async (t) => {
	const bus = localBus({ reportBug: () => undefined });
	t.after(() => bus.close());
	return { open: async () => bus, cut: bus.disconnect, restore: bus.reconnect };
});

test('local bus: events can be made to vanish, and to be slow, in order', async () => {
	const bus = localBus();
	const heard: string[] = [];
	const done = new Promise<void>((resolve) => {
		void bus.subscribe('room:a', ({ parts }) => {
			heard.push(Buffer.from(parts[0]?.body ?? '').toString('utf8'));
			if (heard.length === 3) resolve();
		});
	});
	await bus.flush();
	bus.dropNext(2);
	for (const number of [1, 2, 3]) bus.publish(typing(number));
	bus.slowDown(60);
	const startedAt = performance.now();
	await bus.flush();
	bus.publish(typing(4));
	bus.publish(typing(5));
	await done;
	assert.deepEqual(heard, ['[3]', '[4]', '[5]']);
	assert.ok(performance.now() - startedAt >= 110);
	await bus.close();
});

test('local bus: more events than the bound are lost with a gap told', async () => {
	const bus = localBus();
	let gaps = 0;
	bus.onState((event) => {
		if (event === 'gap') gaps += 1;
	});
	for (let index = 0; index < 100_000; index++) bus.publish(typing(index));
	assert.equal(gaps, 0);
	bus.publish(typing(1));
	assert.equal(gaps, 1);
	await bus.close();
});
