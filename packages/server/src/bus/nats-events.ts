import { ClientError } from '@rookery/protocol/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '@rookery/protocol/envelope.ts';
import type { EventKey } from '@rookery/protocol/events.ts';
import type { Bus, EnvelopeHandler } from './bus.ts';
import { busLimits } from './call-wire.ts';
import type { BusLog, Interest, NatsLink } from './nats-connection.ts';
import { eventSubject, maxExactKeys, roomsSubject, shardSubject } from './subjects.ts';

type Deps = {
	connection: NatsLink;
	namespace: string;
	log: BusLog;
	counters: Bus['counters'];
	/** Keys with a subject of their own. */
	exactKeys?: number;
};

/** A key that somebody here listens to. `handlers` is replaced, never changed: a delivery goes on unchanged. */
type Key = { handlers: EnvelopeHandler[]; interest: Interest; release: () => void };

/** Events over NATS. @see subjects.ts for how many keys are told from few */
export function natsEvents({ connection, namespace, log, counters, exactKeys = maxExactKeys }: Deps) {
	const exact = new Map<string, Key>();
	const sharded = new Map<string, Key>();
	const shards = new Map<string, { interest: Interest; keys: number }>();
	let rooms: Key | null = null;

	function deliver(key: Key, data: Uint8Array, subject: string): void {
		counters.received += 1;
		const envelope = decodeEnvelope(data);
		for (const handler of key.handlers) {
			try {
				handler(envelope);
			} catch (error) {
				log.error({ event: 'unhandled', err: error, subject }, 'a subscriber of the bus failed');
			}
		}
	}

	function openExact(subject: string): Key {
		const interest = connection.subscribe(subject, ({ data }) => deliver(key, data, subject));
		const release = (): void => {
			exact.delete(subject);
			interest.stop();
		};
		const key: Key = { handlers: [], interest, release };
		exact.set(subject, key);
		return key;
	}

	function openSharded(subject: string, shard: string): Key {
		const shared = shards.get(shard) ?? { interest: openShard(shard), keys: 0 };
		shards.set(shard, shared);
		shared.keys += 1;
		const release = (): void => {
			sharded.delete(subject);
			shared.keys -= 1;
			if (shared.keys > 0) return;
			shards.delete(shard);
			shared.interest.stop();
		};
		const key: Key = { handlers: [], interest: shared.interest, release };
		sharded.set(subject, key);
		return key;
	}

	/** Keys with a subject of their own are left out here: their own subscription delivers them. */
	function openShard(shard: string): Interest {
		return connection.subscribe(shard, ({ subject, data }) => {
			const key = sharded.get(subject);
			if (key !== undefined) deliver(key, data, subject);
		});
	}

	function openRooms(): Key {
		const interest = connection.subscribe(roomsSubject(namespace), ({ subject, data }) => deliver(key, data, subject));
		const release = (): void => {
			rooms = null;
			interest.stop();
		};
		const key: Key = { handlers: [], interest, release };
		rooms = key;
		return key;
	}

	async function listen(key: Key, handler: EnvelopeHandler): Promise<() => void> {
		const own: EnvelopeHandler = (envelope) => handler(envelope);
		key.handlers = [...key.handlers, own];
		let isOpen = true;
		await key.interest.effective();
		return () => {
			if (!isOpen) return;
			isOpen = false;
			key.handlers = key.handlers.filter((other) => other !== own);
			if (key.handlers.length === 0) key.release();
		};
	}

	return {
		/** @see Bus.publish */
		publish(...[publication, position]: Parameters<Bus['publish']>): void {
			connection.box.requireConnection();
			const bytes = encodeEnvelope(publication, position);
			if (bytes.length > busLimits.messageBytes)
				throw new ClientError('error-invalid-payload', 'The event is too large');
			connection.publish(eventSubject(namespace, publication.key), bytes);
			counters.published += 1;
			counters.bytesOut += bytes.length;
		},
		/** @see Bus.subscribe */
		subscribe(eventKey: EventKey, handler: EnvelopeHandler): Promise<() => void> {
			const subject = eventSubject(namespace, eventKey);
			const key =
				exact.get(subject) ??
				sharded.get(subject) ??
				(exact.size < exactKeys ? openExact(subject) : openSharded(subject, shardSubject(namespace, eventKey)));
			return listen(key, handler);
		},
		/** @see Bus.subscribeRooms */
		subscribeRooms: (handler: EnvelopeHandler): Promise<() => void> => listen(rooms ?? openRooms(), handler),
	};
}
