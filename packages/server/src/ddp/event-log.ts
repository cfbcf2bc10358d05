import type { Pos } from '@rookery/protocol/events.ts';
import type { OutFrame } from './out-frame.ts';

/** One event frame as it was sent: to all sessions that listened to its key. */
export type LogEntry = {
	/** Grows by one with each frame; the first is 1. */
	readonly index: number;
	/** Its place among the others: mostly the index; what was sent elsewhere before stands in front of what came here. */
	readonly order: number;
	readonly key: string;
	readonly frame: OutFrame;
	/** Session that caused the event and did not get it. */
	readonly originId: string | undefined;
	/** Position of the stored change it says; null when it says none, or was made later than it was heard. */
	readonly pos: Pos | null;
	readonly at: number;
	readonly bytes: number;
	/** The next frame of the same key. */
	next: LogEntry | null;
};

type Options = {
	/** Frames are kept this long, in ms of the monotonic clock. */
	maxAgeMs: number;
	/** Frames of at most so many bytes are kept, their encoded forms included by estimate. */
	maxBytes: number;
	/** Now, on the monotonic clock. */
	now(): number;
};

/** What else is known of a frame. */
type Told = { originId?: string | undefined; pos?: Pos | null; order?: number };

/** Besides the text itself: entry, frame, lists. Measured; half of the text is for what the allocator rounds up. */
const entryOverhead = 512;

/**
 * What was sent lately, each frame once for all its receivers: a session that lost its socket is sent again what its
 * client may have missed. Bounded by age and bytes; the oldest goes first.
 *
 * @see architecture 3, "Session resumption"
 */
export function eventLog({ maxAgeMs, maxBytes, now }: Options) {
	/** Oldest first from `head` on. */
	let entries: LogEntry[] = [];
	let head = 0;
	let bytes = 0;
	let nextIndex = 1;
	const keys = new Map<string, { first: LogEntry; last: LogEntry }>();

	function dropOldest(entry: LogEntry): void {
		head += 1;
		bytes -= entry.bytes;
		const chain = keys.get(entry.key);
		if (chain === undefined) return;
		if (entry.next === null) keys.delete(entry.key);
		else chain.first = entry.next;
	}

	function prune(): void {
		const oldest = now() - maxAgeMs;
		for (let entry = entries[head]; entry !== undefined; entry = entries[head]) {
			if (entry.at >= oldest && bytes <= maxBytes) break;
			dropOldest(entry);
		}
		if (head < 1_024 || head * 2 < entries.length) return;
		entries = entries.slice(head);
		head = 0;
	}

	return {
		/**
		 * Keeps a frame.
		 *
		 * @param order Its place, when that is not behind all others.
		 * @returns Its index
		 */
		append(key: string, frame: OutFrame, { originId, pos = null, order }: Told = {}): number {
			const index = nextIndex++;
			const size = sizeOf(frame);
			const entry: LogEntry = {
				index,
				order: order ?? index,
				key,
				frame: kept(frame),
				originId,
				pos,
				at: now(),
				bytes: size,
				next: null,
			};
			entries.push(entry);
			bytes += size;
			const chain = keys.get(key);
			if (chain === undefined) {
				keys.set(key, { first: entry, last: entry });
			} else {
				chain.last.next = entry;
				chain.last = entry;
			}
			if (bytes > maxBytes) prune();
			return index;
		},

		/** The frames of a key from an index on that are still here, oldest first. */
		since(key: string, index: number): LogEntry[] {
			const found: LogEntry[] = [];
			for (let entry = keys.get(key)?.first ?? null; entry !== null; entry = entry.next) {
				if (entry.index >= index) found.push(entry);
			}
			return found;
		},

		/** Whether everything from this index on is still here. */
		covers(index: number): boolean {
			return index >= (entries[head]?.index ?? nextIndex);
		},

		/** Lets go of what is too old. To be called about once a second. */
		prune,

		/** Index of the next frame. */
		get nextIndex(): number {
			return nextIndex;
		},

		get bytes(): number {
			return bytes;
		},
	};
}

export type EventLog = ReturnType<typeof eventLog>;

/**
 * A frame to keep: of received bytes a copy, because they are a small part of what was received with them; without its
 * encoded forms, which are made again for the few who come back.
 */
function kept({ pieces }: OutFrame): OutFrame {
	return { pieces: pieces.map((piece) => (typeof piece === 'string' ? piece : Buffer.from(piece))), encoded: {} };
}

function sizeOf({ pieces }: OutFrame): number {
	let length = 0;
	for (const piece of pieces) length += piece.length;
	return 1.5 * length + entryOverhead;
}
