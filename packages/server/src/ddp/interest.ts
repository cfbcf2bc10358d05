import { ClientError } from '@rookery/protocol/errors.ts';
import type { EventKey } from '@rookery/protocol/events.ts';
import type { Bus, EnvelopeHandler } from '../bus/bus.ts';

/** A hold on a key of the bus. */
export type Lease = {
	/** Resolves when events of the key are sure to arrive. */
	ready: Promise<void>;
	/** May be called more than once. */
	release(): void;
};

type Entry = { holders: number; ready: Promise<void>; stop: (() => void) | null; grace: NodeJS.Timeout | null };

type Deps = { bus: Bus; graceMs: number; onEnvelope: EnvelopeHandler; maxKeys?: number };

/**
 * Which keys of the bus this process hears: a key is subscribed with its first holder and given up a short while after
 * its last, so that a reload of a page costs nothing.
 */
export function interestTable({ bus, graceMs, onEnvelope, maxKeys = 200_000 }: Deps) {
	const entries = new Map<EventKey, Entry>();

	function open(key: EventKey): Entry {
		if (entries.size >= maxKeys) throw new ClientError('error-service-unavailable', 'Too many subscriptions');
		const entry: Entry = { holders: 0, ready: Promise.resolve(), stop: null, grace: null };
		entry.ready = bus.subscribe(key, onEnvelope).then(
			(stop) => {
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

	function leave(key: EventKey, entry: Entry): void {
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

	return {
		/** @throws ClientError `error-service-unavailable` when too many keys are heard already */
		acquire(key: EventKey): Lease {
			const entry = entries.get(key) ?? open(key);
			if (entry.grace !== null) clearTimeout(entry.grace);
			entry.grace = null;
			entry.holders += 1;
			let isHeld = true;
			return {
				ready: entry.ready,
				release() {
					if (!isHeld) return;
					isHeld = false;
					leave(key, entry);
				},
			};
		},
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
