import type { OutboxLimits } from './outbox.ts';

/** A frame that waits. */
export type QueuedFrame = {
	bytes: Buffer;
	/** Monotonic ms. */
	readonly at: number;
	/** How many of the bytes answer the client's own calls. */
	readonly ownBytes: number;
	/** Of frames of one key only the newest stays; null: all stay. */
	readonly key: string | null;
};

/** What of an outgoing buffer counts: all bytes, and those of the client's own answers among them. */
export type Load = { bytes: number; ownBytes: number };

/** Frames in order, counted, of one key only the newest in the place of the oldest. */
export class FrameQueue {
	bytes = 0;
	ownBytes = 0;
	private entries: QueuedFrame[] = [];
	private keyed: Map<string, QueuedFrame> | null = null;

	get isEmpty(): boolean {
		return this.entries.length === 0;
	}

	/** When the oldest frame came; null when there is none. */
	get oldestAt(): number | null {
		return this.entries[0]?.at ?? null;
	}

	add(entry: QueuedFrame): void {
		const older = entry.key === null ? undefined : this.keyed?.get(entry.key);
		if (older !== undefined) {
			this.bytes += entry.bytes.length - older.bytes.length;
			older.bytes = entry.bytes;
			return;
		}
		this.entries.push(entry);
		if (entry.key !== null) (this.keyed ??= new Map()).set(entry.key, entry);
		this.count(entry, 1);
	}

	/** Takes frames from the front until they have so many bytes: at least one, if there is one. */
	take(maxBytes: number): QueuedFrame[] {
		let count = 0;
		let bytes = 0;
		while (count < this.entries.length && (count === 0 || bytes < maxBytes)) {
			bytes += this.entries[count++]?.bytes.length ?? 0;
		}
		const taken = this.entries.splice(0, count);
		for (const entry of taken) {
			this.count(entry, -1);
			if (entry.key !== null) this.keyed?.delete(entry.key);
		}
		return taken;
	}

	/** Puts frames that were taken, but did not arrive, to the front again. They are no longer replaced. */
	putBack(entries: readonly QueuedFrame[]): void {
		this.entries.unshift(...entries);
		for (const entry of entries) this.count(entry, 1);
	}

	private count({ bytes, ownBytes }: QueuedFrame, sign: 1 | -1): void {
		this.bytes += sign * bytes.length;
		this.ownBytes += sign * ownBytes;
	}
}

/** What frames weigh together. */
export function loadOf(entries: readonly QueuedFrame[]): Load {
	let bytes = 0;
	let ownBytes = 0;
	for (const entry of entries) {
		bytes += entry.bytes.length;
		ownBytes += entry.ownBytes;
	}
	return { bytes, ownBytes };
}

/** Whether more piles up than may. Own answers have a bound of their own. */
export function isOver({ bytes, ownBytes }: Load, limits: OutboxLimits): boolean {
	return ownBytes > limits.maxOwnBytes || bytes - ownBytes > limits.maxBytes;
}
