import type { SendKind } from '../ddp/socket.ts';
import type { Clock } from '../platform/clock.ts';
import { FrameQueue, isOver, loadOf, type Load } from './frame-queue.ts';
import type { Turn } from './turn.ts';

/** The part of a TCP socket that an outbox writes to. */
export type Sink = {
	write(bytes: Uint8Array, done?: (error?: Error | null) => void): unknown;
	/** Bytes that were written and not yet taken by the system. */
	readonly writableLength: number;
};

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

/** What all outboxes of a server have in common. */
export type OutboxRules = {
	limits: OutboxLimits;
	clock: Clock;
	turn: Turn;
	/** Boxes whose reader has not taken everything at once: the only ones whose age has to be looked at. */
	late: Set<Outbox>;
};

/** Bytes handed to the system at once: more than that waits here, where it can be coalesced, counted and dropped. */
const batchBytes = 64 * 1024;

/** What is on its way, and since when its oldest frame has waited. */
type Batch = Load & { at: number };

const nothing = Buffer.alloc(0);

/**
 * Frames on their way to one socket. Frames of one turn of the event loop leave in one write; a reader that does not keep
 * up costs a bounded amount of memory and delays nobody else.
 *
 * Nearly always the few frames of a turn are written and the system takes them at once: then there is no queue, no callback
 * and no clock. There are as many boxes as sockets, so one holds little while nothing waits; and a socket is its own box, so
 * that a frame to thousands of them touches one object for each.
 */
export abstract class Outbox {
	private readonly sink: Sink;
	private readonly rules: OutboxRules;
	/** The first frame of this turn, and all of them when there are more. */
	private first: Buffer | null = null;
	private frames: Buffer[] | null = null;
	private turnBytes = 0;
	private turnOwnBytes = 0;
	/** Frames that wait for what is on its way, or that are too many for one write. */
	private queue: FrameQueue | null = null;
	/** What the system has not taken yet. */
	private inFlight: Batch | null = null;
	private isClosed = false;

	constructor(sink: Sink, rules: OutboxRules) {
		this.sink = sink;
		this.rules = rules;
	}

	/** Called once when a bound is passed: the box is empty then and takes nothing more. */
	protected abstract onOverflow(): void;

	/** Bytes queued or not yet taken by the system. */
	get pendingBytes(): number {
		return this.turnBytes + (this.queue?.bytes ?? 0) + (this.inFlight?.bytes ?? 0);
	}

	/** Queues one encoded frame. */
	push(bytes: Buffer, kind: SendKind): void {
		if (this.isClosed) return;
		const bytesOfTurn = this.turnBytes + bytes.length;
		if (this.queue !== null || this.inFlight !== null || bytesOfTurn > batchBytes) return this.enqueue(bytes, kind);
		if (this.first === null) {
			this.first = bytes;
			this.rules.turn.add(this);
		} else if (this.frames === null) {
			this.frames = [this.first, bytes];
		} else {
			this.frames.push(bytes);
		}
		this.turnBytes = bytesOfTurn;
		if (kind === 'own') this.turnOwnBytes += bytes.length;
		if (bytesOfTurn > this.rules.limits.maxBytes) this.checkBounds();
	}

	/** Hands what waits to the system, as far as that takes it. */
	flush(): void {
		if (this.inFlight !== null || this.isClosed) return;
		if (this.first !== null) {
			if (this.sink.writableLength > 0) return this.waitForOthers();
			const batch = this.takeTurn();
			this.sink.write(batch.whole);
			if (this.sink.writableLength > 0) this.wait({ ...batch, at: this.rules.clock.monotonic() });
			return;
		}
		while (this.queue !== null) {
			if (this.sink.writableLength > 0) return this.waitForOthers();
			const batch = this.writeBatch(this.queue, batchBytes);
			if (this.sink.writableLength > 0) return this.wait(batch);
		}
	}

	/** Everything that is queued goes to the system now; nothing is taken afterwards. */
	drain(): void {
		if (this.isClosed) return;
		if (this.first !== null) this.sink.write(this.takeTurn().whole);
		if (this.queue !== null) this.writeBatch(this.queue, Infinity);
		this.stop();
	}

	/** Takes nothing more and forgets what was queued. */
	stop(): void {
		this.isClosed = true;
		this.forgetTurn();
		this.queue = null;
		this.rules.late.delete(this);
	}

	/** Closes by `onOverflow` when the oldest frame has waited too long. To be called about once a second while late. */
	checkAge(): void {
		const oldestAt = this.inFlight?.at ?? this.queue?.oldestAt ?? null;
		const { clock, limits } = this.rules;
		if (!this.isClosed && oldestAt !== null && clock.monotonic() - oldestAt > limits.maxAgeMs) this.overflow();
	}

	private enqueue(bytes: Buffer, kind: SendKind): void {
		const { limits, clock, turn } = this.rules;
		const at = clock.monotonic();
		const isLong = this.pendingBytes + bytes.length > limits.coalesceBytes;
		const key = typeof kind === 'object' && isLong ? kind.coalesce() : null;
		if (this.queue === null) {
			this.queue = new FrameQueue();
			// What waits is written at the end of the turn, or when the system has taken what is on its way.
			if (this.first === null && this.inFlight === null) turn.add(this);
		}
		if (this.first !== null) {
			const { whole, ownBytes } = this.takeTurn();
			this.queue.add({ bytes: whole, at: this.inFlight?.at ?? at, ownBytes, key: null });
		}
		this.queue.add({ bytes, at, ownBytes: kind === 'own' ? bytes.length : 0, key });
		this.checkBounds();
	}

	/** Takes the frames of this turn, joined. */
	private takeTurn(): Load & { whole: Buffer } {
		const { first, frames, turnBytes: bytes, turnOwnBytes: ownBytes } = this;
		const whole = frames === null ? first : this.rules.turn.join(frames, bytes);
		this.forgetTurn();
		return { whole: whole ?? nothing, bytes, ownBytes };
	}

	private forgetTurn(): void {
		this.first = null;
		this.frames = null;
		this.turnBytes = 0;
		this.turnOwnBytes = 0;
	}

	private checkBounds(): void {
		const ownBytes = this.turnOwnBytes + (this.queue?.ownBytes ?? 0) + (this.inFlight?.ownBytes ?? 0);
		if (isOver({ bytes: this.pendingBytes, ownBytes }, this.rules.limits)) this.overflow();
	}

	private overflow(): void {
		this.stop();
		this.onOverflow();
	}

	private writeBatch(queue: FrameQueue, maxBytes: number): Batch {
		const at = queue.oldestAt ?? this.rules.clock.monotonic();
		const entries = queue.take(maxBytes);
		if (queue.isEmpty) this.queue = null;
		const load = loadOf(entries);
		const frames = entries.map((entry) => entry.bytes);
		this.sink.write(this.rules.turn.join(frames, load.bytes));
		return { ...load, at };
	}

	/** Somebody else has written to the socket, and it was not taken yet: a pong. */
	private waitForOthers(): void {
		this.wait({ bytes: 0, ownBytes: 0, at: this.queue?.oldestAt ?? this.rules.clock.monotonic() });
	}

	/** Goes on when the system has taken everything. An empty write tells it: its turn comes behind the others. */
	private wait({ bytes, ownBytes, at }: Batch): void {
		this.inFlight = { bytes, ownBytes, at };
		this.rules.late.add(this);
		this.sink.write(nothing, (error) => {
			this.inFlight = null;
			this.rules.late.delete(this);
			if (error) this.stop();
			else this.flush();
		});
	}
}
