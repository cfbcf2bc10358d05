import type { MessageId, RoomId } from '@rookery/protocol/records.ts';
import type { Log } from '../platform/log.ts';

type Deps = {
	/** Takes posts out of `rk.p`. */
	close(done: Iterable<[RoomId, MessageId[]]>): Promise<void>;
	log: Log;
	/** Longest time a note waits for the next post of its room. Default 1,000. */
	delayMs?: number;
	/** Rooms that may wait at once; one more starts a flush. Default 1,000. */
	maxRooms?: number;
};

/**
 * Posts whose effects are complete, until the database knows it too: with the next post of the room, or by one bulk
 * update a second. A note that is lost costs nothing but a needless repair.
 */
export function postOutbox({ close, log, delayMs = 1_000, maxRooms = 1_000 }: Deps) {
	let waiting = new Map<RoomId, MessageId[]>();
	let timer: NodeJS.Timeout | null = null;
	let flushing: Promise<void> = Promise.resolve();

	/** One write after the other. */
	async function write(done: Map<RoomId, MessageId[]>, previous: Promise<void>): Promise<void> {
		await previous;
		try {
			await close(done);
		} catch (error) {
			log.warn({ event: 'outbox', err: error }, 'finished posts could not be noted');
		}
	}

	function flush(): Promise<void> {
		if (timer !== null) clearTimeout(timer);
		timer = null;
		const done = waiting;
		waiting = new Map();
		flushing = write(done, flushing);
		return flushing;
	}

	return {
		/** A post is complete. */
		add(rid: RoomId, id: MessageId): void {
			const ids = waiting.get(rid);
			if (ids === undefined) waiting.set(rid, [id]);
			else ids.push(id);
			if (waiting.size > maxRooms) void flush();
			else timer ??= setTimeout(() => void flush(), delayMs).unref();
		},
		/** Complete posts of a room, handed over to an update that takes them out. */
		take(rid: RoomId): MessageId[] {
			const ids = waiting.get(rid) ?? [];
			waiting.delete(rid);
			return ids;
		},
		/** Writes what waits; also when the process stops. */
		flush,
	};
}

export type PostOutbox = ReturnType<typeof postOutbox>;
