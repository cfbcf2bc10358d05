import type { Msg } from '@nats-io/transport-node';
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

/** A key that somebody here listens to. */
class Key {
	readonly subject: string;
	/** The subscription it shares with others; null: one of its own. */
	readonly shard: string | null;
	/** Replaced, never changed: a delivery goes on unchanged. A handler stands there as often as it listens. */
	handlers: EnvelopeHandler[] = [];
	/** Set before anything arrives. */
	interest: Interest | null = null;
	private readonly deliver: (key: Key, data: Uint8Array) => void;

	constructor(subject: string, shard: string | null, deliver: (key: Key, data: Uint8Array) => void) {
		this.subject = subject;
		this.shard = shard;
		this.deliver = deliver;
	}

	onMessage({ data }: Msg): void {
		this.deliver(this, data);
	}
}

/** Events over NATS. @see subjects.ts for how many keys are told from few */
export function natsEvents({ connection, namespace, log, counters, exactKeys = maxExactKeys }: Deps) {
	const exact = new Map<string, Key>();
	const sharded = new Map<string, Key>();
	const shards = new Map<string, { interest: Interest; keys: number }>();
	let rooms: Key | null = null;

	function deliver(key: Key, data: Uint8Array): void {
		counters.received += 1;
		const envelope = decodeEnvelope(data);
		for (const handler of key.handlers) {
			try {
				handler(envelope);
			} catch (error) {
				log.error({ event: 'unhandled', err: error, subject: key.subject }, 'a subscriber of the bus failed');
			}
		}
	}

	function openExact(subject: string): Key {
		const key = new Key(subject, null, deliver);
		key.interest = connection.subscribe(subject, key);
		exact.set(subject, key);
		return key;
	}

	function openSharded(subject: string, shard: string): Key {
		const shared = shards.get(shard) ?? { interest: openShard(shard), keys: 0 };
		shards.set(shard, shared);
		shared.keys += 1;
		const key = new Key(subject, shard, deliver);
		key.interest = shared.interest;
		sharded.set(subject, key);
		return key;
	}

	/** Keys with a subject of their own are left out here: their own subscription delivers them. */
	function openShard(shard: string): Interest {
		return connection.subscribe(shard, {
			onMessage({ subject, data }) {
				const key = sharded.get(subject);
				if (key !== undefined) deliver(key, data);
			},
		});
	}

	function openRooms(): Key {
		const key = new Key(roomsSubject(namespace), null, deliver);
		key.interest = connection.subscribe(key.subject, key);
		rooms = key;
		return key;
	}

	/** Nobody listens to a key any more. */
	function release(key: Key): void {
		const { subject, shard, interest } = key;
		if (key === rooms) rooms = null;
		else if (shard === null) exact.delete(subject);
		else sharded.delete(subject);
		if (shard === null) return interest?.stop();
		const shared = shards.get(shard);
		if (shared === undefined) return;
		shared.keys -= 1;
		if (shared.keys > 0) return;
		shards.delete(shard);
		shared.interest.stop();
	}

	async function listen(key: Key, handler: EnvelopeHandler): Promise<() => void> {
		key.handlers = [...key.handlers, handler];
		await key.interest?.effective();
		let isOpen = true;
		return () => {
			if (!isOpen) return;
			isOpen = false;
			const at = key.handlers.indexOf(handler);
			key.handlers = key.handlers.filter((_other, index) => index !== at);
			if (key.handlers.length === 0) release(key);
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
