import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { connect, createInbox } from '@nats-io/transport-node';
import { testNatsUrl, uniqueName } from '../testing/database.ts';
import { tcpProxy } from '../testing/tcp-proxy.ts';
import type { Bus } from './bus.ts';
import { busConformance } from './conformance.ts';
import type { BusLog } from './nats-connection.ts';
import { natsBus } from './nats.ts';
import { shardOf } from './subjects.ts';

const silent: BusLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function proxied(t: TestContext) {
	const { hostname, port } = new URL(testNatsUrl());
	const proxy = await tcpProxy(hostname, Number(port));
	const namespace = uniqueName();
	const buses: Bus[] = [];
	t.after(async () => {
		await Promise.all(buses.map((bus) => bus.close()));
		await proxy.close();
	});
	const open = async (exactKeys?: number): Promise<Bus> => {
		const servers = `nats://127.0.0.1:${proxy.port}`;
		const bus = natsBus({ servers, namespace, name: 'test', version: '1.2.3', log: silent, exactKeys });
		buses.push(bus);
		await connected(bus);
		return bus;
	};
	return { proxy, namespace, open };
}

function connected(bus: Bus): Promise<void> {
	return new Promise((resolve) => {
		if (bus.state === 'connected') return resolve();
		bus.onState((event) => event === 'connected' && resolve());
	});
}

busConformance('nats', async (t) => {
	const { proxy, open } = await proxied(t);
	return { open: () => open(), cut: proxy.cut, restore: proxy.restore };
});

test('nats bus: a peer that goes silent is noticed by its missing pongs', { timeout: 15_000 }, async (t) => {
	const { proxy, open } = await proxied(t);
	const bus = await open();
	const lost = new Promise<void>((resolve) => {
		bus.onState((event) => event === 'disconnected' && resolve());
	});
	const startedAt = performance.now();
	proxy.freeze();
	// A writer that fills every buffer on the way must not keep the loss from being noticed.
	for (let index = 0; index < 20; index++) {
		try {
			bus.publish({
				key: 'room:a',
				parts: [{ kind: 'direct', stream: 'notify-room', event: 'e', args: ['x'.repeat(500_000)] }],
			});
		} catch {
			break;
		}
	}
	await lost;
	assert.ok(performance.now() - startedAt < 5000);
	proxy.cut();
	proxy.thaw();
	const back = connected(bus);
	proxy.restore();
	await back;
});

test('nats bus: publishing faster than the server takes it is refused at 8 MiB', { timeout: 15_000 }, async (t) => {
	const { proxy, open } = await proxied(t);
	const bus = await open();
	proxy.freeze();
	const body = 'x'.repeat(400 * 1024);
	const publish = (): void =>
		bus.publish({ key: 'room:a', parts: [{ kind: 'direct', stream: 'notify-room', event: 'e', args: [body] }] });
	assert.throws(
		() => {
			for (let index = 0; index < 100; index++) publish();
		},
		{ code: 'error-service-unavailable' },
	);
	assert.ok(bus.counters.bytesOut <= 8 * 1024 * 1024);
	proxy.thaw();
});

test('nats bus: keys beyond the exact ones share the subscription of their shard', async (t) => {
	const { open } = await proxied(t);
	const [publisher, subscriber] = [await open(), await open(2)];
	const twins = twinKeys();
	const heard: string[] = [];
	const keys = ['exact-1', 'exact-2', ...twins] as const;
	const stops = new Map<string, () => void>();
	for (const key of keys) {
		stops.set(key, await subscriber.subscribe(`room:${key}`, ({ header }) => heard.push(header.key)));
	}
	const say = async (list: readonly string[]): Promise<string[]> => {
		heard.length = 0;
		for (const key of list) {
			publisher.publish({
				key: `room:${key}`,
				parts: [{ kind: 'direct', stream: 'notify-room', event: 'e', args: [] }],
			});
		}
		await publisher.flush();
		await subscriber.flush();
		return heard;
	};
	assert.deepEqual(
		await say([...keys, 'nobody']),
		keys.map((key) => `room:${key}`),
	);
	stops.get(twins[0])?.();
	await subscriber.flush();
	assert.deepEqual(await say(twins), [`room:${twins[1]}`]);
	stops.get(twins[1])?.();
	await subscriber.flush();
	assert.deepEqual(await say(twins), []);
});

/** Two keys of one shard. */
function twinKeys(): [string, string] {
	const first = 'twin-0';
	for (let index = 1; ; index++) {
		if (shardOf(`room:twin-${index}`) === shardOf(`room:${first}`)) return [first, `twin-${index}`];
	}
}

test('nats bus: every replica answers the service protocol of NATS', async (t) => {
	const { namespace, open } = await proxied(t);
	const [one, two] = [await open(), await open()];
	const stop = await one.serve('accounts', { hit: async () => 1 });
	await two.serve('accounts', { hit: async () => 1 });
	await one.call('accounts.hit', []);
	const nats = await connect({ servers: testNatsUrl() });
	t.after(() => nats.close());

	const ask = async (subject: string): Promise<Record<string, unknown>[]> => {
		const found: Record<string, unknown>[] = [];
		const inbox = createInbox();
		const subscription = nats.subscribe(inbox, {
			callback: (_error, message) => {
				if (message.data.length > 0) found.push(message.json<Record<string, unknown>>());
			},
		});
		nats.publish(subject, '', { reply: inbox });
		// Both replicas answer behind the request on their own connections: after their flush the answers are here.
		for (const bus of [nats, one, two, one, two, nats]) await bus.flush();
		subscription.unsubscribe();
		return found.filter((answer) => (answer['metadata'] as { namespace?: string }).namespace === namespace);
	};

	const pings = await ask('$SRV.PING');
	assert.equal(pings.length, 2);
	for (const ping of pings) {
		assert.equal(ping['type'], 'io.nats.micro.v1.ping_response');
		assert.equal(ping['name'], 'rookery-accounts');
		assert.equal(ping['version'], '1.2.3');
	}
	const [info] = await ask(`$SRV.INFO.rookery-accounts.${String(pings[0]?.['id'])}`);
	assert.equal(info?.['type'], 'io.nats.micro.v1.info_response');
	const stats = await ask('$SRV.STATS.rookery-accounts');
	const requests = stats.map(({ endpoints }) => (endpoints as { num_requests: number }[])[0]?.num_requests);
	assert.deepEqual(
		requests.sort((a = 0, b = 0) => a - b),
		[0, 1],
	);
	await stop();
	assert.equal((await ask('$SRV.PING.rookery-accounts')).length, 1);
});

test('nats bus: starts without a server and connects when there is one', { timeout: 15_000 }, async (t) => {
	const { proxy, namespace } = await proxied(t);
	proxy.cut();
	const bus = natsBus({ servers: `127.0.0.1:${proxy.port}`, namespace, name: 'late', version: '1.0.0', log: silent });
	t.after(() => bus.close());
	assert.equal(bus.state, 'disconnected');
	await assert.rejects(bus.call('core.hit', []), { code: 'error-service-unavailable' });
	const serving = bus.serve('core', { hit: async () => 'hit' });
	proxy.restore();
	await serving;
	assert.equal(await bus.call('core.hit', []), 'hit');
});
