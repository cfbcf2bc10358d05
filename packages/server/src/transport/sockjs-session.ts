import { sockjsCloseFrame } from '@rookery/protocol/server-frames.ts';
import type { OutFrame } from '../ddp/out-frame.ts';
import type { ClientSocket, SendKind, SocketAcceptor, SocketHandlers, SocketInfo } from '../ddp/socket.ts';
import type { Clock } from '../platform/clock.ts';
import { encodeFrame, payloadOf } from './framing.ts';
import { FrameQueue, isOver, loadOf, type Load, type QueuedFrame } from './frame-queue.ts';
import type { OutboxLimits } from './outbox.ts';
import type { Receiver } from './sockjs-receiver.ts';
import type { Turn } from './turn.ts';

export type SessionLimits = {
	/** Largest body of a client that has not logged in, in bytes. */
	maxMessageBytes: number;
	/** How long a session is kept without a receiver, and a closed one at all, in ms. */
	keepMs: number;
	heartbeatMs: number;
	/** Bytes after which a streaming answer ends, so that the client's copy of it does not grow without end. */
	streamBytes: number;
	outbox: OutboxLimits;
};

export type SessionRules = { limits: SessionLimits; clock: Clock; turn: Turn };

/** Frames that were written to an answer and of which it is not known yet whether they left. */
type Delivery = Load & { receiver: Receiver; entries: readonly QueuedFrame[]; isOpening: boolean; at: number };

/** Bytes of frames that go into one answer of a polling client, or one write to a streaming one. */
const batchBytes = 256 * 1024;

const openFrame = 'o';
const heartbeatFrame = 'h';

/**
 * A client's socket made of HTTP requests: frames wait here until a receiver takes them.
 *
 * What a polling client did not get is sent again: its frames count as delivered when its answer went out whole. Of a
 * streaming answer that breaks nobody knows how much arrived: the session ends with 1002, and the client starts anew.
 *
 * @see realtime contract 1.6
 */
export class SockjsSession implements ClientSocket {
	readonly info: SocketInfo;
	/** Largest body of a sender. */
	maxMessageBytes: number;
	private readonly rules: SessionRules;
	private queue = new FrameQueue();
	private receiver: Receiver | null = null;
	private delivery: Delivery | null = null;
	private handlers: SocketHandlers | null = null;
	/** What receivers get from now on; null: it is open. */
	private closeFrame: string | null = null;
	private isOpened = false;
	private isScheduled = false;
	/** Since when there is no receiver, or since when it is closed. Monotonic ms. */
	private idleSince: number;
	/** Bytes of bodies that are being read. */
	private readingBytes = 0;

	constructor(info: SocketInfo, rules: SessionRules) {
		this.info = info;
		this.rules = rules;
		this.maxMessageBytes = rules.limits.maxMessageBytes;
		this.idleSince = rules.clock.monotonic();
	}

	/** Introduces the session to the DDP side. */
	open(acceptor: SocketAcceptor): void {
		this.handlers = acceptor.accept(this);
	}

	get bufferedBytes(): number {
		return this.queue.bytes + (this.delivery?.bytes ?? 0);
	}

	send(frame: OutFrame, kind: SendKind): void {
		if (this.closeFrame !== null) return;
		const { limits, clock } = this.rules;
		// The same bytes as for a WebSocket: its head is cut off when they leave.
		const bytes = encodeFrame(frame, 'sockjs');
		const isLong = this.bufferedBytes + bytes.length > limits.outbox.coalesceBytes;
		const key = typeof kind === 'object' && isLong ? kind.coalesce() : null;
		const own = kind === 'own' ? bytes.length : 0;
		this.queue.add({ bytes, at: clock.monotonic(), ownBytes: own, key });
		const ownBytes = this.queue.ownBytes + (this.delivery?.ownBytes ?? 0);
		if (isOver({ bytes: this.bufferedBytes, ownBytes }, limits.outbox)) return this.overflow();
		if (this.isScheduled || this.receiver === null) return;
		this.isScheduled = true;
		this.rules.turn.add(this);
	}

	close(code: number, reason: string): void {
		if (this.closeFrame !== null) return;
		this.closeFrame = sockjsCloseFrame(code, reason);
		this.idleSince = this.rules.clock.monotonic();
		const told = this.handlers;
		this.handlers = null;
		told?.onClose(code);
		this.flush();
	}

	setMaxMessageBytes(bytes: number): void {
		this.maxMessageBytes = bytes;
	}

	/** Texts of the client. A closed session takes none, as a socket that is closing. */
	hear(texts: readonly string[]): void {
		for (const text of texts) this.handlers?.onText(text);
	}

	/** Takes a part of a body into memory. @returns false when the bodies that are being read are too large together */
	reserve(bytes: number): boolean {
		if (this.readingBytes + bytes > this.maxMessageBytes) return false;
		this.readingBytes += bytes;
		return true;
	}

	release(bytes: number): void {
		this.readingBytes -= bytes;
	}

	/** A new answer that frames can go to. There is one at a time. */
	receive(receiver: Receiver): void {
		if (receiver.isGone) return;
		if (this.receiver !== null) return receiver.end(sockjsCloseFrame(2010, 'Another connection still open'));
		this.receiver = receiver;
		receiver.onClose(() => this.left(receiver));
		const { delivery } = this;
		if (delivery !== null) setImmediate(() => this.giveUp(delivery));
		this.flush();
	}

	/** Writes what there is, as far as the receiver takes it. */
	flush(): void {
		this.isScheduled = false;
		if (this.receiver === null || this.delivery !== null) return;
		if (!this.isOpened) return this.deliver(this.receiver, openFrame, []);
		if (!this.queue.isEmpty) {
			const entries = this.queue.take(batchBytes);
			return this.deliver(this.receiver, messageFrame(entries), entries);
		}
		if (this.closeFrame !== null) this.detach()?.end(this.closeFrame);
	}

	/**
	 * Time passes: heartbeats, readers that stall, clients that do not come back. To be called about once a second.
	 *
	 * @returns true when the session is over and can be forgotten
	 */
	check(): boolean {
		const { limits, clock } = this.rules;
		const now = clock.monotonic();
		if (this.closeFrame !== null) return now - this.idleSince > limits.keepMs;
		if (this.delivery !== null) {
			if (now - this.delivery.at > limits.outbox.maxAgeMs) this.overflow();
		} else if (this.receiver === null) {
			if (now - this.idleSince > limits.keepMs) this.end(1006, '');
			return this.closeFrame !== null;
		} else if (now - this.receiver.usedAt >= limits.heartbeatMs) {
			if (this.receiver.isStreaming) this.receiver.write(heartbeatFrame, now);
			else this.detach()?.end(heartbeatFrame);
		}
		return false;
	}

	/** Cuts what is open and tells the DDP side. */
	terminate(): void {
		this.end(1006, '');
		this.receiver?.destroy();
		this.delivery?.receiver.destroy();
	}

	private deliver(receiver: Receiver, frame: string, entries: readonly QueuedFrame[]): void {
		const now = this.rules.clock.monotonic();
		const delivery = { ...loadOf(entries), receiver, entries, isOpening: frame === openFrame, at: now };
		this.delivery = delivery;
		if (delivery.isOpening) this.isOpened = true;
		const done = () => {
			if (this.delivery !== delivery) return;
			this.delivery = null;
			this.flush();
		};
		if (receiver.isStreaming && receiver.sentBytes + frame.length < this.rules.limits.streamBytes) {
			receiver.write(frame, now, done);
		} else {
			this.detach();
			receiver.end(frame, done);
		}
	}

	private detach(): Receiver | null {
		const { receiver } = this;
		this.receiver = null;
		if (this.closeFrame === null) this.idleSince = this.rules.clock.monotonic();
		return receiver;
	}

	/** An answer is closed: complete, or its client went away. */
	private left(receiver: Receiver): void {
		if (receiver === this.receiver) this.detach();
		const { delivery } = this;
		if (delivery?.receiver === receiver) {
			this.delivery = null;
			this.queue.putBack(delivery.entries);
			if (delivery.isOpening) this.isOpened = false;
		}
		if (receiver.isStreaming && receiver.isInterrupted) this.end(1002, 'Connection interrupted');
		else this.flush();
	}

	/** A client that asks again has given up the answer before, unless the system is just about to say that it went out. */
	private giveUp(delivery: Delivery): void {
		if (this.delivery === delivery) delivery.receiver.destroy();
	}

	private overflow(): void {
		const stalled = this.delivery?.receiver;
		this.end(4429, 'SLOW_CONSUMER');
		stalled?.destroy();
	}

	/** Closes without what is queued. */
	private end(code: number, reason: string): void {
		if (this.closeFrame !== null) return;
		this.queue = new FrameQueue();
		this.close(code, reason);
	}
}

/** Messages as one frame: each waits as a frame of its own, and their arrays become one. */
function messageFrame(entries: readonly QueuedFrame[]): string {
	const lists = entries.map(({ bytes }) => payloadOf(bytes).toString('utf8').slice(2, -1));
	return `a[${lists.join(',')}]`;
}
