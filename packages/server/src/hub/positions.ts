import type { EventKey, Pos } from '@rookery/protocol/events.ts';
import { formatPos, laterPos, parsePos } from '@rookery/protocol/pos.ts';

/** Keys whose last position is remembered; the least recently used are forgotten first. */
const maxKeys = 200_000;

/**
 * Numbers the changes, and knows for each key of the bus the position of its last event.
 *
 * What was sent since the last confirmation may have to be sent again, by the same numbers: `rewind` goes back there.
 * A confirmation takes time: `mark` begins one, and what is sent from then on belongs to the next.
 *
 * @param start The last position confirmed; '' = none. Nothing is remembered of keys before it.
 * @see architecture 2, "Order and gaps"
 */
export function positionTable(start: Pos, limit = maxKeys) {
	const last = new Map<EventKey, Pos>();
	/** What the keys had that moved since the last confirmation, and since the mark. */
	let sinceConfirmed: Former = new Map();
	let sinceMark: Former | null = null;
	let forgotten = start;
	let current = start;
	let confirmed = start;
	let marked = start;

	function forget(): void {
		for (const [key, pos] of last) {
			if (last.size <= limit) return;
			last.delete(key);
			forgotten = laterPos(forgotten, pos);
		}
	}

	function restore(former: Former): void {
		for (const [key, pos] of former) {
			if (pos === undefined) last.delete(key);
			else last.set(key, pos);
		}
	}

	return {
		/** The position of the next change: the index grows where the cluster time is the same. */
		next({ seconds, increment }: { seconds: number; increment: number }): Pos {
			const former = parsePos(current);
			const isSame = former?.seconds === seconds && former.increment === increment;
			current = formatPos(seconds, increment, isSame ? former.index + 1 : 0);
			return current;
		},

		/** Position of the last event of a key; for a forgotten key the highest that was forgotten. */
		prev(key: EventKey): Pos {
			return last.get(key) ?? forgotten;
		},

		/** An event was sent on a key. */
		sent(key: EventKey, pos: Pos): void {
			const former = sinceMark ?? sinceConfirmed;
			if (!former.has(key)) former.set(key, last.get(key));
			last.delete(key);
			last.set(key, pos);
			forget();
		},

		/** Everything up to here is being confirmed. To be called between two changes. */
		mark(): void {
			// A mark that was never confirmed: what came before it is still unconfirmed.
			if (sinceMark !== null) sinceConfirmed = new Map([...sinceMark, ...sinceConfirmed]);
			marked = current;
			sinceMark = new Map();
		},

		/** Everything up to the mark has arrived at the bus. */
		confirm(): void {
			confirmed = marked;
			sinceConfirmed = sinceMark ?? new Map();
			sinceMark = null;
		},

		/** Forgets what was sent since the last confirmation: it is sent again. */
		rewind(): void {
			if (sinceMark !== null) restore(sinceMark);
			restore(sinceConfirmed);
			sinceConfirmed = new Map();
			sinceMark = null;
			current = confirmed;
		},

		size: (): number => last.size,
	};
}

export type PositionTable = ReturnType<typeof positionTable>;

/** The position that a key had before; undefined = none was remembered. */
type Former = Map<EventKey, Pos | undefined>;
