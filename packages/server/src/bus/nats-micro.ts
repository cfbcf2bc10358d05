import type { Msg } from '@nats-io/transport-node';
import { randomId } from '@rookery/protocol/ids.ts';
import type { ServiceName } from './bus.ts';
import type { NatsLink } from './nats-connection.ts';

type Deps = { connection: NatsLink; service: ServiceName; subject: string; version: string; namespace: string };

const descriptions: Partial<Record<ServiceName, string>> = {
	core: 'REST routes, methods and files',
	accounts: 'proves who somebody is',
	authorization: 'answers what somebody may do',
	presence: 'knows who is online',
	'stream-hub': 'turns database changes into events',
	'ddp-streamer': 'keeps the sockets of clients',
};

/**
 * Makes one replica of a service visible to `nats micro`: answers `$SRV.PING`, `INFO` and `STATS`, to everybody, by name
 * and by id.
 *
 * @see NATS architecture decision ADR-32, "Service API"
 */
export function microService({ connection, service, subject, version, namespace }: Deps) {
	const identity = { name: `rookery-${service}`, id: randomId(), version, metadata: { namespace } };
	const started = new Date().toISOString();
	const counted = { requests: 0, errors: 0, timeMs: 0 };

	const endpoint = { name: 'call', subject, queue_group: service };
	const answers: Record<string, () => object> = {
		PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...identity }),
		INFO: () => ({
			type: 'io.nats.micro.v1.info_response',
			...identity,
			description: descriptions[service] ?? 'one streamer, for its sessions',
			endpoints: [{ ...endpoint, metadata: {} }],
		}),
		STATS: () => ({
			type: 'io.nats.micro.v1.stats_response',
			...identity,
			started,
			endpoints: [
				{
					...endpoint,
					num_requests: counted.requests,
					num_errors: counted.errors,
					last_error: '',
					processing_time: nanoseconds(counted.timeMs),
					average_processing_time: counted.requests === 0 ? 0 : nanoseconds(counted.timeMs / counted.requests),
				},
			],
		}),
	};

	const interests = Object.entries(answers).flatMap(([verb, answer]) =>
		['', `.${identity.name}`, `.${identity.name}.${identity.id}`].map((suffix) =>
			connection.subscribe(`$SRV.${verb}${suffix}`, { onMessage: (message) => respond(message, answer()) }),
		),
	);

	function respond({ reply }: Msg, answer: object): void {
		if (reply === undefined || reply === '' || connection.box.state !== 'connected') return;
		connection.publish(reply, Buffer.from(JSON.stringify(answer)));
	}

	return {
		/** Counts one call that was answered. */
		count(timeMs: number, succeeded: boolean): void {
			counted.requests += 1;
			counted.timeMs += timeMs;
			if (!succeeded) counted.errors += 1;
		},
		stop(): void {
			for (const interest of interests) interest.stop();
		},
	};
}

function nanoseconds(ms: number): number {
	return Math.round(ms * 1_000_000);
}
