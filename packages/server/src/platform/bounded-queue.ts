/**
 * A first-in first-out queue that refuses to grow over its bound. One reader takes entries as they come, any number of
 * writers put them in.
 */
export type BoundedQueue<T> = {
	/** @returns false when the queue is full or closed: the entry was not taken. */
	push(entry: T): boolean;
	/** The oldest entry, as soon as there is one. null when the queue is closed and empty. */
	next(): Promise<T | null>;
	/** Entries that came before can still be read; new ones are refused. */
	close(): void;
	readonly size: number;
};

/** @param limit Entries at most; at least 1. */
export function boundedQueue<T>(limit: number): BoundedQueue<T> {
	// A ring: taking from the front of a long array would move all of it.
	let entries: (T | undefined)[] = [];
	let head = 0;
	let isClosed = false;
	const waiting: ((entry: T | null) => void)[] = [];

	function take(): T {
		const entry = entries[head] as T;
		entries[head] = undefined;
		head += 1;
		if (head === entries.length) {
			entries = [];
			head = 0;
		} else if (head >= 1024 && head * 2 >= entries.length) {
			entries = entries.slice(head);
			head = 0;
		}
		return entry;
	}

	return {
		push(entry) {
			if (isClosed) return false;
			const reader = waiting.shift();
			if (reader !== undefined) {
				reader(entry);
				return true;
			}
			if (entries.length - head >= limit) return false;
			entries.push(entry);
			return true;
		},
		next() {
			if (entries.length > head) return Promise.resolve(take());
			if (isClosed) return Promise.resolve(null);
			return new Promise((resolve) => {
				waiting.push(resolve);
			});
		},
		close() {
			isClosed = true;
			for (const reader of waiting.splice(0)) reader(null);
		},
		get size() {
			return entries.length - head;
		},
	};
}
