import type { Bus } from './bus.ts';
import { decodeResult } from './call-wire.ts';
import { natsCalls } from './nats-calls.ts';
import { natsConnection, type BusLog } from './nats-connection.ts';
import { natsEvents } from './nats-events.ts';
import { natsInbox } from './nats-inbox.ts';
import { parseServers } from './nats-servers.ts';
import { natsServing } from './nats-serving.ts';

type Options = {
	/** As in `TRANSPORTER`. */
	servers: string;
	/** Separates deployments that share a NATS. */
	namespace: string;
	/** Shown by the server's monitoring: process and instance. */
	name: string;
	/** Ours, shown by `nats micro`. */
	version: string;
	log: BusLog;
	/** Keys with a subject of their own before shards are used. */
	exactKeys?: number;
};

/**
 * The bus over NATS. Starts at once and connects in the background: `state` is 'disconnected' until then, calls and
 * publications are refused, `serve` and `subscribe` wait.
 *
 * @throws BadServers
 */
export function natsBus({ servers, namespace, name, version, log, exactKeys }: Options): Bus {
	const connection = natsConnection({ servers: parseServers(servers), name, log });
	const counters = { published: 0, received: 0, calls: 0, bytesOut: 0 };
	const inbox = natsInbox(connection, namespace);
	const calls = natsCalls({ connection, inbox, namespace, onCall: () => (counters.calls += 1) });
	const serving = natsServing({ connection, inbox, namespace, version, log });
	const events = natsEvents({
		connection,
		namespace,
		log,
		counters,
		...(exactKeys === undefined ? {} : { exactKeys }),
	});
	const stops = new Set<() => Promise<void>>();

	return {
		callRaw: calls.callRaw,
		async call(target, args, options) {
			return decodeResult(await calls.callRaw(target, args, options));
		},
		async serve(service, methods) {
			const end = await serving.serve(service, methods);
			const stop = async (): Promise<void> => {
				if (stops.delete(stop)) await end();
			};
			stops.add(stop);
			return stop;
		},
		publish: events.publish,
		subscribe: events.subscribe,
		subscribeRooms: events.subscribeRooms,
		flush: connection.flush,
		get state() {
			return connection.box.state;
		},
		onState: connection.box.onState,
		counters,
		async close() {
			await Promise.all([...stops].map((stop) => stop()));
			await connection.close();
			calls.stop();
			inbox.stop();
		},
	};
}
