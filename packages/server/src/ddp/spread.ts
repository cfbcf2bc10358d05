/** Hands a frame to those of its receivers that fit, in the order in which it does. */
export type Portions<R extends object> = (fits: (receiver: R) => boolean) => void;

type Options = {
	/** With more receivers than this an event leaves in portions. */
	maxAtOnce?: number;
	portions?: number;
	/** Time over which they leave, in ms. */
	overMs?: number;
	/** Events that may wait; with more, everything leaves at once. */
	maxWaiting?: number;
	/** Calls `run` again and again until it is stopped. */
	every?: (ms: number, run: () => void) => { stop(): void };
};

/**
 * Spreads events that everybody hears and nobody waits for (a setting, a permission) over a moment, so that not all
 * clients of a process act on them at once. A receiver always has its place in the same portion, and portions leave in
 * turn: for each receiver the order of the events stays.
 *
 * @see realtime contract 7.3, D-40
 */
export function spreadDelivery<R extends object>({
	maxAtOnce = 1_000,
	portions = 8,
	overMs = 1_500,
	maxWaiting = 1_000,
	every = repeat,
}: Options = {}) {
	const places = new WeakMap<R, number>();
	const waiting: Portions<R>[][] = Array.from({ length: portions }, () => []);
	let placed = 0;
	let next = 0;
	let timer: { stop(): void } | null = null;

	function placeOf(receiver: R): number {
		let place = places.get(receiver);
		if (place === undefined) {
			place = placed % portions;
			placed += 1;
			places.set(receiver, place);
		}
		return place;
	}

	function leave(place: number): void {
		for (const hand of waiting[place]?.splice(0) ?? []) hand((receiver) => placeOf(receiver) === place);
	}

	function tick(): void {
		leave(next);
		next = (next + 1) % portions;
		if (waiting.every((list) => list.length === 0)) end();
	}

	function end(): void {
		timer?.stop();
		timer = null;
	}

	function flush(): void {
		for (let place = 0; place < portions; place++) leave(place);
		end();
	}

	return {
		/**
		 * Delivers an event: at once to few receivers while nothing waits, else in portions.
		 *
		 * @param count How many receivers there are.
		 */
		deliver(count: number, hand: Portions<R>): void {
			if (count <= maxAtOnce && timer === null) return hand(() => true);
			if (waiting.some((list) => list.length >= maxWaiting)) flush();
			for (const list of waiting) list.push(hand);
			if (timer !== null) return;
			timer = every(overMs / portions, tick);
			tick();
		},

		/** Everything that waits leaves now: sessions are about to go elsewhere. */
		flush,
	};
}

export type SpreadDelivery<R extends object> = ReturnType<typeof spreadDelivery<R>>;

function repeat(ms: number, run: () => void): { stop(): void } {
	const timer = setInterval(run, ms).unref();
	return { stop: () => clearInterval(timer) };
}
