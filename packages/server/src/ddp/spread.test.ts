import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spreadDelivery, type Portions } from './spread.ts';

type Receiver = { got: string[] };

/** Receivers, and time that a test moves. */
function given(count: number, options: Parameters<typeof spreadDelivery>[0] = {}) {
	const receivers: Receiver[] = Array.from({ length: count }, () => ({ got: [] }));
	const clock: { run: (() => void) | null; ms: number } = { run: null, ms: 0 };
	const spread = spreadDelivery<Receiver>({
		...options,
		every(ms, run) {
			Object.assign(clock, { ms, run });
			return { stop: () => (clock.run = null) };
		},
	});
	const event =
		(name: string): Portions<Receiver> =>
		(fits) => {
			for (const receiver of receivers) if (fits(receiver)) receiver.got.push(name);
		};
	const reached = (name: string) => receivers.filter(({ got }) => got.includes(name)).length;
	return { receivers, spread, event, reached, clock };
}

test('few receivers hear at once', () => {
	const { spread, event, reached, clock } = given(1_000);
	spread.deliver(1_000, event('a'));
	assert.equal(reached('a'), 1_000);
	assert.equal(clock.run, null);
});

test('many hear in eight portions within two seconds, each once', () => {
	const { receivers, spread, event, reached, clock } = given(4_000);
	spread.deliver(4_000, event('a'));
	const steps = [reached('a')];
	for (let step = 1; step < 8; step++) {
		clock.run?.();
		steps.push(reached('a'));
	}
	assert.deepEqual(
		steps,
		[1, 2, 3, 4, 5, 6, 7, 8].map((portion) => portion * 500),
	);
	assert.ok(clock.ms * 8 >= 1_000 && clock.ms * 8 <= 2_000);
	assert.equal(clock.run, null, 'nothing runs while nothing waits');
	assert.ok(receivers.every(({ got }) => got.length === 1));
});

test('every receiver hears events in their order, whatever comes between, and also when there are few', () => {
	const { receivers, spread, event, clock } = given(1_200);
	const names: string[] = [];
	for (let count = 0; count < 30; count++) {
		const name = String(count);
		names.push(name);
		spread.deliver(count % 3 === 0 ? 5 : 1_200, event(name));
		for (let step = 0; step < count % 5; step++) clock.run?.();
	}
	for (let step = 0; step < 8; step++) clock.run?.();
	for (const { got } of receivers) assert.deepEqual(got, names);
	assert.equal(clock.run, null);
});

test('everything leaves at once when it has to, and nothing twice', () => {
	const { receivers, spread, event, clock } = given(2_000);
	for (const name of ['a', 'b']) spread.deliver(2_000, event(name));
	clock.run?.();
	spread.flush();
	for (const { got } of receivers) assert.deepEqual(got, ['a', 'b']);
	assert.equal(clock.run, null);
	spread.deliver(10, event('c'));
	assert.ok(receivers.every(({ got }) => got.at(-1) === 'c'));
});

test('no more waits than is allowed', () => {
	const { receivers, spread, event } = given(10, { maxAtOnce: 1, maxWaiting: 3 });
	for (let count = 0; count < 5; count++) spread.deliver(10, event(String(count)));
	for (const { got } of receivers) assert.deepEqual(got.slice(0, 3), ['0', '1', '2']);
});
