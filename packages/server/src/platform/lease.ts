import type { Clock } from './clock.ts';

/** What is stored: who holds the lease, how often it changed hands, and a number that every renewal moves. */
export type LeaseDocument = { holder: string; epoch: number; beat: number };

/** Where a lease is stored. Every write is conditional and acknowledged by a majority. */
export type LeaseStore = {
	read(): Promise<LeaseDocument | null>;
	/**
	 * Takes the lease if it still is as it was seen; null = it did not exist.
	 *
	 * @returns The new document, one epoch later; null when somebody was faster.
	 */
	take(seen: LeaseDocument | null, holder: string): Promise<LeaseDocument | null>;
	/** Moves `beat`. @returns null when the lease is somebody else's now */
	renew(held: LeaseDocument): Promise<LeaseDocument | null>;
	/** Gives it back: the next one need not wait. */
	release(held: LeaseDocument): Promise<void>;
};

export type LeaseOptions = {
	store: LeaseStore;
	/** Unique to this process's life, not only to its name. */
	holder: string;
	clock: Clock;
	/** Nobody else can hold it (one process for everything): it is taken at once. */
	isEmbedded: boolean;
};

/** How old the beginning of the last successful renewal may be while the holder acts, in ms. */
export const holdMs = 1_000;
/** How often to call `tick` while holding, in ms. */
export const renewMs = 500;
/** How long a challenger must have seen no change, in ms, on its own clock. */
export const challengeMs = 1_500;
/** How often to call `tick` while waiting, in ms. */
export const watchMs = 250;

/**
 * One of several processes acts, the others stand by. No clock is compared with another's: the holder stops by its own
 * monotonic clock before a challenger may take over by its own.
 *
 * Call `tick` every `renewMs` or `watchMs`.
 *
 * @see architecture 3, "Hub"; security contract REL-4
 */
export function leaseOf({ store, holder, clock, isEmbedded }: LeaseOptions) {
	let held: LeaseDocument | null = null;
	let renewedAt = Number.NEGATIVE_INFINITY;
	/** When each of the last beats was sent, by `beat`. */
	const sentAt = new Map<number, number>();
	let seen: { document: LeaseDocument; since: number } | null = null;
	/** One thing after the other: a renewal that overlaps a new epoch would find itself replaced. */
	let last: Promise<unknown> = Promise.resolve();

	function inTurn<T>(run: () => Promise<T>): Promise<T> {
		const result = last.then(run, run);
		last = result.catch(() => undefined);
		return result;
	}

	function accept(document: LeaseDocument, began: number): void {
		held = document;
		renewedAt = began;
		sentAt.set(document.beat, began);
		if (sentAt.size > 128) sentAt.delete(sentAt.keys().next().value ?? 0);
	}

	async function renew(document: LeaseDocument): Promise<void> {
		const began = clock.monotonic();
		const renewed = await store.renew(document);
		if (renewed !== null) return accept(renewed, began);
		held = null;
		seen = null;
	}

	async function challenge(): Promise<void> {
		const began = clock.monotonic();
		const document = await store.read();
		if (!mayTake(document, began)) return;
		const takingSince = clock.monotonic();
		const taken = await store.take(document, holder);
		seen = null;
		if (taken === null) return;
		sentAt.clear();
		accept(taken, takingSince);
	}

	/** @param began When the reading began: the document is not older than that. */
	function mayTake(document: LeaseDocument | null, began: number): boolean {
		if (document === null || document.holder === '' || isEmbedded) return true;
		if (seen === null || !isSame(seen.document, document)) {
			seen = { document, since: clock.monotonic() };
			return false;
		}
		return began - seen.since >= challengeMs;
	}

	async function newEpoch(): Promise<boolean> {
		const began = clock.monotonic();
		const document = held === null ? null : await store.read();
		const taken = document?.holder === holder ? await store.take(document, holder) : null;
		if (taken === null) held = null;
		else accept(taken, began);
		return taken !== null;
	}

	return {
		/**
		 * Renews the lease, or looks whether it can be taken.
		 *
		 * @throws what the store threw: the lease then ends by itself unless a later call renews it in time
		 */
		tick(): Promise<void> {
			return inTurn(() => (held === null ? challenge() : renew(held)));
		},

		/** Whether this process may act at this moment. */
		mayAct(): boolean {
			return held !== null && clock.monotonic() - renewedAt < holdMs;
		},

		/** The epoch held, also while renewals are late; null when the lease is known to be somebody else's. */
		epoch(): number | null {
			return held?.epoch ?? null;
		},

		/** When a beat of this holder was sent, on the monotonic clock; null for one that is not known any more. */
		sentAt(beat: number): number | null {
			return sentAt.get(beat) ?? null;
		},

		/** Starts a new epoch without letting go. @returns false when the lease is somebody else's */
		newEpoch(): Promise<boolean> {
			return inTurn(newEpoch);
		},

		/** Lets go. Whoever waits takes over at once. */
		release(): Promise<void> {
			return inTurn(async () => {
				const document = held;
				held = null;
				seen = null;
				if (document !== null) await store.release(document);
			});
		},
	};
}

export type Lease = ReturnType<typeof leaseOf>;

function isSame(one: LeaseDocument, other: LeaseDocument): boolean {
	return one.holder === other.holder && one.epoch === other.epoch && one.beat === other.beat;
}
