import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientError } from '@rookery/protocol/errors.ts';
import { busClient, EncodedJson, handlersOf, type Bus } from './bus.ts';
import { eventTests } from './conformance-events.ts';
import { direct, hears, listener, numberOf, reached, typing } from './conformance-tools.ts';

/** What the suite needs of a driver under test. */
export type BusFixture = {
	/** A bus of one process. All buses of a fixture reach each other; the local driver gives the same one each time. */
	open(): Promise<Bus>;
	/** Breaks the connection of every bus, until `restore`. */
	cut(): void;
	restore(): void;
};

type Setup = (t: TestContext) => Promise<BusFixture>;

/** What every driver of the bus must do. Registers the tests. */
export function busConformance(driver: string, setUp: Setup): void {
	const check = (name: string, run: (fixture: BusFixture, t: TestContext) => Promise<void>): void => {
		test(`${driver} bus: ${name}`, { timeout: 20_000 }, async (t) => run(await setUp(t), t));
	};
	callTests(check);
	replicaTests(check);
	eventTests(check);
	sizeTests(check);
	connectionTests(check);
}

/** Registers one test of the suite. */
export type Check = (name: string, run: (fixture: BusFixture, t: TestContext) => Promise<void>) => void;

function callTests(check: Check): void {
	check('a call brings arguments and result across as EJSON', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', { echo: async (args) => args });
		const when = new Date(1_700_000_000_000);
		assert.deepEqual(await client.call('core.echo', [1, 'ä*>', null, { when, list: [true] }]), [
			1,
			'ä*>',
			null,
			{ when, list: [true] },
		]);
	});

	check('nothing, null and falsy results stay what they are, and missing arguments stay missing', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', {
			nothing: async () => undefined,
			first: async ([value]) => value,
			count: async (args) => args.length,
		});
		assert.equal(await client.call('core.nothing', []), undefined);
		for (const value of [null, false, 0, '', [], {}]) {
			assert.deepEqual(await client.call('core.first', [value]), value);
		}
		assert.equal(await client.call('core.count', ['a', undefined, undefined]), 1);
		assert.equal(await client.call('core.first', [undefined, 1]), null);
	});

	check('raw results are handed over as text', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', {
			date: async () => new Date(5),
			nothing: async () => undefined,
			encoded: async () => new EncodedJson('{"a":[1,2]}'),
		});
		assert.equal(await client.callRaw('core.date', []), '{"$date":5}');
		assert.equal(await client.callRaw('core.nothing', []), '');
		assert.equal(await client.callRaw('core.encoded', []), '{"a":[1,2]}');
		assert.deepEqual(await client.call('core.encoded', []), { a: [1, 2] });
	});

	check('a refusal arrives with code, reason and details; a bug arrives as a bare 500', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', {
			refuse: async () => {
				throw new ClientError('error-not-allowed', 'Not allowed', { method: 'refuse', since: new Date(7) });
			},
			bare: async () => {
				throw new ClientError(403);
			},
			bug: async () => {
				throw new TypeError('secret detail');
			},
		});
		await assert.rejects(client.call('core.refuse', []), {
			name: 'ClientError',
			code: 'error-not-allowed',
			reason: 'Not allowed',
			details: { method: 'refuse', since: new Date(7) },
			message: 'Not allowed [error-not-allowed]',
		});
		await assert.rejects(client.call('core.bare', []), { code: 403, reason: undefined, details: undefined });
		await assert.rejects(client.call('core.bug', []), (error) => {
			assert.ok(error instanceof ClientError);
			assert.equal(error.code, 500);
			assert.doesNotMatch(JSON.stringify(error) + error.message, /secret/);
			return true;
		});
		await assert.rejects(client.call('core.toString', []), { code: 404 });
	});

	check('a service nobody serves is seen at once', async ({ open }) => {
		const client = await open();
		const startedAt = performance.now();
		await assert.rejects(client.call('presence.anything', [], { deadlineMs: 15_000 }), {
			code: 'error-service-unavailable',
		});
		assert.ok(performance.now() - startedAt < 1000);
	});

	check('the deadline ends a call on both sides', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		const aborted = new Promise<number>((resolve) => {
			void server.serve('core', {
				hang: (_args, { signal, deadlineAt }) =>
					new Promise(() => signal.addEventListener('abort', () => resolve(deadlineAt), { once: true })),
			});
		});
		await server.flush();
		const startedAt = Date.now();
		await assert.rejects(client.call('core.hang', [], { deadlineMs: 200 }), { code: 'error-timeout' });
		assert.ok(Date.now() - startedAt >= 190);
		const deadlineAt = await aborted;
		assert.ok(Math.abs(deadlineAt - startedAt - 200) < 150, `deadline was ${deadlineAt - startedAt} ms away`);
	});

	check('an idempotent call is made again when nobody answered, another is not', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		let idempotent = 0;
		let plain = 0;
		await server.serve('core', {
			sleepy: () => (++idempotent < 3 ? new Promise(() => undefined) : Promise.resolve('awake')),
			dead: () => {
				plain += 1;
				return new Promise(() => undefined);
			},
		});
		assert.equal(await client.call('core.sleepy', [], { deadlineMs: 900, idempotent: true }), 'awake');
		assert.equal(idempotent, 3);
		await assert.rejects(client.call('core.dead', [], { deadlineMs: 300 }), { code: 'error-timeout' });
		assert.equal(plain, 1);
	});

	check('an idempotent call finds a service that comes within its deadline', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		const answer = client.call('accounts.hello', [], { idempotent: true });
		await server.serve('accounts', { hello: async () => 'there' });
		assert.equal(await answer, 'there');
	});

	check('the typed client and the handlers of a service fit each other', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		type Sums = { add(a: number, b: number): Promise<number> };
		await server.serve('core', handlersOf({ add: async (a, b) => a + b } satisfies Sums));
		assert.equal(await busClient<Sums>(client, 'core').add(2, 3), 5);
	});

	check('10,000 calls may wait, one more is refused', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', { hang: () => new Promise(() => undefined) });
		const waiting = Array.from({ length: 10_000 }, () =>
			client.call('core.hang', [], { deadlineMs: 3000 }).then(
				() => 'answered',
				(error: ClientError) => error.code,
			),
		);
		await assert.rejects(client.call('core.hang', []), { code: 'error-service-unavailable' });
		const codes = new Set(await Promise.all(waiting));
		assert.deepEqual([...codes], ['error-timeout']);
	});
}

function replicaTests(check: Check): void {
	check('replicas share the calls, each call reaches one', async ({ open }) => {
		const [one, two, client] = [await open(), await open(), await open()];
		const seen = { one: 0, two: 0 };
		await one.serve('core', { hit: async () => ++seen.one });
		await two.serve('core', { hit: async () => ++seen.two });
		await Promise.all(Array.from({ length: 200 }, () => client.call('core.hit', [])));
		assert.equal(seen.one + seen.two, 200);
		assert.ok(seen.one > 20 && seen.two > 20, `shared ${seen.one} : ${seen.two}`);
	});

	check('a replica that ends gracefully loses no call', async ({ open }) => {
		const [one, two, client] = [await open(), await open(), await open()];
		const slow = async () => new Promise((resolve) => setTimeout(() => resolve('ok'), 30));
		const stop = await one.serve('core', { slow });
		await two.serve('core', { slow });
		const before = Array.from({ length: 50 }, () => client.call('core.slow', []));
		await client.flush();
		const stopped = stop();
		const during = Array.from({ length: 50 }, () => client.call('core.slow', []));
		await stopped;
		const after = Array.from({ length: 50 }, () => client.call('core.slow', []));
		const answers = await Promise.all([...before, ...during, ...after]);
		assert.equal(answers.filter((answer) => answer === 'ok').length, 150);
	});

	check('the last replica gone is seen at once', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		const stop = await server.serve('core', { hit: async () => 1 });
		assert.equal(await client.call('core.hit', []), 1);
		await stop();
		await assert.rejects(client.call('core.hit', []), { code: 'error-service-unavailable' });
	});
}

function sizeTests(check: Check): void {
	check('requests up to 9 MiB and results up to 16 MiB arrive whole, also many at a time', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', {
			length: async ([text]) => String(text).length,
			make: async ([size]) => 'ä'.repeat(Number(size) / 2),
		});
		assert.equal(
			await client.call('core.length', ['y'.repeat(9 * 1024 * 1024 - 4)], { deadlineMs: 10_000 }),
			9 * 1024 * 1024 - 4,
		);
		const big = await client.call('core.make', [16 * 1024 * 1024 - 2], { deadlineMs: 10_000 });
		assert.equal(Buffer.byteLength(String(big)), 16 * 1024 * 1024 - 2);
		const sizes = [600, 700, 800, 900].map((kib) => kib * 1024);
		const texts = await Promise.all(sizes.map((size) => client.call('core.make', [size], { deadlineMs: 10_000 })));
		assert.deepEqual(
			texts.map((text) => Buffer.byteLength(String(text))),
			sizes,
		);
	});

	check('larger ones are refused, and the bus goes on', async ({ open }) => {
		const [server, client] = [await open(), await open()];
		await server.serve('core', { echo: async ([value]) => value, make: async ([size]) => 'x'.repeat(Number(size)) });
		await assert.rejects(client.call('core.echo', ['x'.repeat(9 * 1024 * 1024)]), { code: 'error-invalid-payload' });
		await assert.rejects(client.call('core.make', [16 * 1024 * 1024]), { code: 500 });
		assert.throws(() => client.publish({ key: 'room:a', parts: [direct(['x'.repeat(512 * 1024)])] }), {
			code: 'error-invalid-payload',
		});
		assert.equal(await client.call('core.echo', ['still here']), 'still here');
	});
}

function connectionTests(check: Check): void {
	check('a lost connection is told, refuses at once, and everything is back afterwards', async (fixture) => {
		const [one, two] = [await fixture.open(), await fixture.open()];
		const heard = listener();
		await one.serve('core', { hit: async () => 'hit', hang: () => new Promise(() => undefined) });
		await one.subscribe('room:a', heard.handler);
		const told: string[] = [];
		one.onState((event) => told.push(event));
		const inFlight = assert.rejects(two.call('core.hang', [], { deadlineMs: 15_000 }), { code: 'error-timeout' });
		await two.flush();

		fixture.cut();
		await Promise.all([reached(one, 'disconnected'), reached(two, 'disconnected')]);
		await inFlight;
		assert.throws(() => two.publish(typing('room:a', 1)), { code: 'error-service-unavailable' });
		await assert.rejects(two.call('core.hit', []), { code: 'error-service-unavailable' });
		await assert.rejects(two.flush(), { code: 'error-service-unavailable' });

		const late = listener();
		const lateSubscription = one.subscribe('room:late', late.handler);
		const back = Promise.all([hears(one, 'gap'), hears(two, 'gap')]);
		fixture.restore();
		await back;
		assert.deepEqual(told, ['disconnected', 'connected', 'gap']);
		await lateSubscription;
		two.publish(typing('room:a', 2));
		two.publish(typing('room:late', 3));
		assert.deepEqual((await heard.reach(1)).map(numberOf), [2]);
		assert.deepEqual((await late.reach(1)).map(numberOf), [3]);
		assert.equal(await two.call('core.hit', []), 'hit');
	});

	check('what was published while disconnected never arrives later', async (fixture) => {
		const [one, two] = [await fixture.open(), await fixture.open()];
		const heard = listener();
		await one.subscribe('room:a', heard.handler);
		fixture.cut();
		await Promise.all([reached(one, 'disconnected'), reached(two, 'disconnected')]);
		for (let index = 0; index < 10; index++) assert.throws(() => two.publish(typing('room:a', index)));
		const back = Promise.all([hears(one, 'gap'), hears(two, 'gap')]);
		fixture.restore();
		await back;
		two.publish(typing('room:a', 99));
		assert.deepEqual((await heard.reach(1)).map(numberOf), [99]);
	});

	check('closing rejects calls in progress and ends everything', async ({ open }) => {
		const bus = await open();
		await bus.serve('core', { quick: async () => 1 });
		const told: string[] = [];
		bus.onState((event) => told.push(event));
		const waiting = assert.rejects(bus.call('accounts.nobody', [], { idempotent: true }), {
			code: 'error-service-unavailable',
		});
		await bus.close();
		await waiting;
		await bus.close();
		assert.deepEqual(told, ['closed']);
		assert.equal(bus.state, 'closed');
		assert.throws(() => bus.publish(typing('room:a', 1)), { code: 'error-service-unavailable' });
		await assert.rejects(bus.call('core.quick', []), { code: 'error-service-unavailable' });
		await assert.rejects(
			bus.subscribe('room:a', () => undefined),
			{ code: 'error-service-unavailable' },
		);
	});

	check('counts what it did', async ({ open }) => {
		const bus = await open();
		const heard = listener();
		await bus.subscribe('room:a', heard.handler);
		await bus.serve('core', { hit: async () => 1 });
		const before = { ...bus.counters };
		bus.publish(typing('room:a', 1));
		bus.publish(typing('room:unheard', 1));
		await bus.call('core.hit', []);
		await heard.reach(1);
		assert.equal(bus.counters.published - before.published, 2);
		assert.equal(bus.counters.received - before.received, 1);
		assert.equal(bus.counters.calls - before.calls, 1);
		assert.ok(bus.counters.bytesOut > before.bytesOut);
	});
}
