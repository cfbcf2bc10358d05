/** What a wheel keeps in an item: links to its neighbours and the tick at which it is due. Both links null = in no wheel. */
export type WheelItem = {
	wheelNext: WheelItem | null;
	wheelPrev: WheelItem | null;
	/** A small integer, so that it needs no memory of its own. */
	wheelTick: number;
};

type Deps<T> = {
	/** How exact it is: an item comes due at its time or up to one tick later, never earlier. */
	tickMs: number;
	/** Ticks of one turn. Items further away are passed over once a turn. */
	slots: number;
	/**
	 * Looks at an item whose time has come. It may add and remove any item.
	 *
	 * @returns When to look again, by the same clock; null = not any more. A time that has passed means the next tick.
	 */
	onDue(item: T, now: number): number | null;
};

/**
 * One timer for very many things: times out sessions without a timer, a closure or a map entry for each of them. Who only
 * writes down that an item is alive need not touch the wheel: the item is looked at when it comes due, and tells when next.
 *
 * An item belongs to one wheel at most. Times are ms of any one clock that does not run backwards.
 */
export function timingWheel<T extends WheelItem>({ tickMs, slots, onDue }: Deps<T>) {
	const lists = Array.from({ length: slots }, emptyList);
	/** What is being looked at. What an exception leaves here comes first in the next tick. */
	const due = emptyList();
	let done = -1;
	let size = 0;

	function listOf(tick: number): WheelItem {
		const list = lists[tick % slots];
		if (list === undefined) throw new RangeError(`no tick of a wheel: ${tick}`);
		return list;
	}

	function add(item: T, dueAt: number): void {
		const tick = Math.max(Math.ceil(dueAt / tickMs), done + 1);
		const list = listOf(tick);
		remove(item);
		item.wheelTick = tick;
		append(list, item);
		size += 1;
	}

	function remove(item: T): void {
		if (item.wheelNext === null) return;
		unlink(item);
		size -= 1;
	}

	function lookAtDue(now: number): void {
		for (let item = due.wheelNext; item !== null && item !== due; item = due.wheelNext) {
			unlink(item);
			if (item.wheelTick > done) {
				append(listOf(item.wheelTick), item);
				continue;
			}
			size -= 1;
			// Only `add` links anything, and it takes nothing else.
			const own = item as T;
			const next = onDue(own, now);
			if (next !== null) add(own, next);
		}
	}

	return {
		/** Puts an item in, or moves one that is in. @param dueAt ms, not negative. @throws RangeError when it is no time */
		add,
		/** Takes an item out. One that is not in: nothing happens. */
		remove,
		/** Looks at everything that is due. To be called about every `tickMs`; a late call catches up. */
		tick(now: number): void {
			lookAtDue(now);
			const target = Math.floor(now / tickMs);
			// After a long pause each list is visited once.
			for (let tick = Math.max(done + 1, target - slots + 1); tick <= target; tick += 1) {
				moveAll(listOf(tick), due);
			}
			done = Math.max(done, target);
			lookAtDue(now);
		},
		/** Items in the wheel. */
		get size(): number {
			return size;
		},
	};
}

/** The head of a ring: linked to itself while there is nothing in it. */
function emptyList(): WheelItem {
	const head: WheelItem = { wheelNext: null, wheelPrev: null, wheelTick: 0 };
	head.wheelNext = head;
	head.wheelPrev = head;
	return head;
}

function append(head: WheelItem, item: WheelItem): void {
	join(head.wheelPrev ?? head, item);
	join(item, head);
}

function unlink(item: WheelItem): void {
	const { wheelPrev, wheelNext } = item;
	if (wheelPrev !== null && wheelNext !== null) join(wheelPrev, wheelNext);
	item.wheelNext = null;
	item.wheelPrev = null;
}

function moveAll(from: WheelItem, to: WheelItem): void {
	const { wheelNext: first, wheelPrev: last } = from;
	if (first === null || last === null || first === from) return;
	join(to.wheelPrev ?? to, first);
	join(last, to);
	join(from, from);
}

function join(before: WheelItem, after: WheelItem): void {
	before.wheelNext = after;
	after.wheelPrev = before;
}
