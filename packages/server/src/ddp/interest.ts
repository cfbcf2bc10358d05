import { ClientError } from '@rookery/protocol/errors.ts';
import type { EventKey } from '@rookery/protocol/events.ts';
import type { Bus, EnvelopeHandler } from '../bus/bus.ts';

/** A hold on a key of the bus. */
export type Lease = {
	/** Resolves when events of the key are sure to arrive. */
	readonly ready: Promise<void>;
	/** To be called once. */
	release(): void;
};

/** For all that have nothing to wait for any more. */
const done = Promise.resolve();

/** One key of the bus, as this process hears it. There are very many holders: all of them hold this one object. */
class Entry implements Lease {
	readonly key: Heard;
	holders = 0;
	ready: Promise<void> = done;
	stop: (() => void) | null = null;
	grace: NodeJS.Timeout | null = null;
	private readonly leave: (entry: Entry) => void;

	constructor(key: Heard, leave: (entry: Entry) => void) {
		this.key = key;
		this.leave = leave;
	}

	release(): void {
		this.leave(this);
	}
}

/** Not a key: all rooms together. */
const everyRoom = Symbol('every room');

type Deps = {
	bus: Bus;
	graceMs: number;
	onEnvelope: EnvelopeHandler;
	/** Takes the events of all rooms while somebody wants them; `onEnvelope` gets those of its own keys beside it. */
	onAnyRoom: EnvelopeHandler;
	maxKeys?: number;
};

type Heard = EventKey | typeof everyRoom;

/**
 * Which keys of the bus this process hears: a key is subscribed with its first holder and given up a short while after
 * its last, so that a reload of a page costs nothing.
 */
export function interestTable({ bus, graceMs, onEnvelope, onAnyRoom, maxKeys = 200_000 }: Deps) {
	const entries = new Map<Heard, Entry>();

	function open(key: Heard): Entry {
		if (entries.size >= maxKeys) throw new ClientError('error-service-unavailable', 'Too many subscriptions');
		const entry = new Entry(key, leave);
		const subscribed = key === everyRoom ? bus.subscribeRooms(onAnyRoom) : bus.subscribe(key, onEnvelope);
		entry.ready = subscribed.then(
			(stop) => {
				entry.ready = done;
				if (entries.get(key) === entry) entry.stop = stop;
				else stop();
			},
			(error: unknown) => {
				if (entries.get(key) === entry) entries.delete(key);
				throw error;
			},
		);
		// Whoever waits sees the failure; nobody may be waiting.
		entry.ready.catch(() => undefined);
		entries.set(key, entry);
		return entry;
	}

	function leave(entry: Entry): void {
		const { key } = entry;
		entry.holders -= 1;
		if (entry.holders > 0 || entries.get(key) !== entry) return;
		const end = () => {
			if (entry.holders > 0 || entries.get(key) !== entry) return;
			entries.delete(key);
			entry.stop?.();
		};
		if (graceMs === 0) return end();
		entry.grace ??= setTimeout(end, graceMs).unref();
	}

	function acquire(key: Heard): Lease {
		const entry = entries.get(key) ?? open(key);
		if (entry.grace !== null) clearTimeout(entry.grace);
		entry.grace = null;
		entry.holders += 1;
		return entry;
	}

	return {
		/** @throws ClientError `error-service-unavailable` when too many keys are heard already */
		acquire: (key: EventKey): Lease => acquire(key),
		/** Hears every room: the traffic of the whole workspace. */
		acquireRooms: (): Lease => acquire(everyRoom),
		get size(): number {
			return entries.size;
		},
		stop(): void {
			for (const entry of entries.values()) {
				if (entry.grace !== null) clearTimeout(entry.grace);
				entry.stop?.();
			}
			entries.clear();
		},
	};
}

export type InterestTable = ReturnType<typeof interestTable>;
