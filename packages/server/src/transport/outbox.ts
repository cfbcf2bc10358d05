import type { Clock } from '../platform/clock.ts';
import type { SendKind } from '../ddp/socket.ts';

/** The part of a TCP socket that an outbox writes to. */
export type Sink = { write(bytes: Uint8Array, done: () => void): unknown };

export type OutboxLimits = {
	/** Bytes that may pile up, the client's own answers aside. */
	maxBytes: number;
	/** Bytes of the client's own answers that may wait beside them. */
	maxOwnBytes: number;
	/** Above this, of frames of one coalescing key only the newest stays. */
	coalesceBytes: number;
	/** Age of the oldest frame at which the reader counts as stalled, in ms. */
	maxAgeMs: number;
};

/** @see security contract 4, "Outgoing buffer per socket" */
export const outboxLimits: OutboxLimits = {
	maxBytes: 1024 * 1024,
	maxOwnBytes: 16 * 1024 * 1024,
	coalesceBytes: 256 * 1024,
	maxAgeMs: 30_000,
};

/** Bytes handed to the system at once: more than that waits here, where it can be coalesced, counted and dropped. */
const batchBytes = 64 * 1024;

type Entry = { bytes: Buffer; at: number; own: boolean; key: string | null };

type Deps = {
	sink: Sink;
	limits: OutboxLimits;
	clock: Clock;
	/** Asks for `flush` at the end of this turn of the event loop. */
	schedule(flush: () => void): void;
	/** Called once when a bound is passed. The outbox is empty and takes nothing more. */
	onOverflow(): void;
};

/**
 * Frames on their way to one socket. Frames of one turn of the event loop leave in one write; a reader that does not keep
 * up costs a bounded amount of memory and delays nobody else.
 */
export function outbox({ sink, limits, clock, schedule, onOverflow }: Deps) {
	let queue: Entry[] = [];
	let queuedBytes = 0;
	let ownBytes = 0;
	let inFlight: { bytes: number; ownBytes: number; at: number } | null = null;
	let isScheduled = false;
	let isClosed = false;
	const keyed = new Map<string, Entry>();

	function push(bytes: Buffer, kind: SendKind): void {
		if (isClosed) return;
		const key = typeof kind === 'object' && pending() + bytes.length > limits.coalesceBytes ? kind.coalesce() : null;
		const older = key === null ? undefined : keyed.get(key);
		if (older === undefined) {
			const entry: Entry = { bytes, at: clock.monotonic(), own: kind === 'own', key };
			queue.push(entry);
			if (key !== null) keyed.set(key, entry);
			if (entry.own) ownBytes += bytes.length;
		} else {
			queuedBytes -= older.bytes.length;
			older.bytes = bytes;
		}
		queuedBytes += bytes.length;
		if (isOver()) return overflow();
		if (isScheduled || inFlight !== null) return;
		isScheduled = true;
		schedule(flush);
	}

	function pending(): number {
		return queuedBytes + (inFlight?.bytes ?? 0);
	}

	function isOver(): boolean {
		const own = ownBytes + (inFlight?.ownBytes ?? 0);
		return own > limits.maxOwnBytes || pending() - own > limits.maxBytes;
	}

	function overflow(): void {
		stop();
		onOverflow();
	}

	/** Hands the next batch to the system, if none is on its way. */
	function flush(): void {
		isScheduled = false;
		if (inFlight !== null || queue.length === 0) return;
		let count = 0;
		let bytes = 0;
		while (count < queue.length && (count === 0 || bytes < batchBytes)) bytes += queue[count++]?.bytes.length ?? 0;
		writeOut(queue.splice(0, count), bytes);
	}

	function writeOut(entries: Entry[], bytes: number): void {
		const batch = { bytes, ownBytes: 0, at: entries[0]?.at ?? clock.monotonic() };
		inFlight = batch;
		queuedBytes -= bytes;
		for (const entry of entries) {
			if (entry.own) batch.ownBytes += entry.bytes.length;
			if (entry.key !== null) keyed.delete(entry.key);
		}
		ownBytes -= batch.ownBytes;
		const [first] = entries;
		// To copy small frames into one write costs less than a vector of writes.
		const whole =
			entries.length === 1 && first !== undefined ? first.bytes : Buffer.concat(entries.map(bytesOf), bytes);
		sink.write(whole, () => written(batch));
	}

	function written(batch: object): void {
		if (inFlight !== batch) return;
		inFlight = null;
		flush();
	}

	function stop(): void {
		isClosed = true;
		queue = [];
		keyed.clear();
		queuedBytes = 0;
		ownBytes = 0;
	}

	return {
		/** Queues one encoded frame. */
		push,
		flush,
		/** Everything that is queued goes to the system now; nothing is taken afterwards. */
		drain(): void {
			if (queue.length > 0) writeOut(queue.splice(0), queuedBytes);
			stop();
		},
		/** Closes by `onOverflow` when the oldest frame has waited too long. To be called about once a second. */
		checkAge(): void {
			const oldest = inFlight?.at ?? queue[0]?.at;
			if (!isClosed && oldest !== undefined && clock.monotonic() - oldest > limits.maxAgeMs) overflow();
		},
		/** Takes nothing more and forgets what was queued. */
		stop,
		get pendingBytes(): number {
			return pending();
		},
	};
}

export type Outbox = ReturnType<typeof outbox>;

function bytesOf({ bytes }: Entry): Buffer {
	return bytes;
}
