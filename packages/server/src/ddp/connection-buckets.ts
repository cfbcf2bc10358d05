import { dropFull, type Buckets } from '../platform/rate-limit.ts';

/** What is asked of a connection: who it is, and where it comes from. */
export type RatedSession = {
	readonly actor: { readonly uid: string } | null;
	readonly socket: { readonly info: { readonly clientAddress: string; readonly userAgent: string } };
};

/** How often what is full is forgotten, in ms. */
const sweepEveryMs = 5_000;

/** Gone connections whose buckets are remembered. */
const maxParked = 10_000;

/**
 * The token buckets of each connection. Those of a closed one are kept until they are full: the next connection of the
 * same user, address and program takes them over, one set each. Connections that ask for nothing take no memory.
 *
 * @param dropped Keys of buckets that end with their connection.
 */
export function connectionBuckets(dropped: readonly string[]) {
	const open = new Map<RatedSession, { uid: string | null; buckets: Buckets }>();
	const parked = new Map<string, Buckets[]>();
	let sweptAt = 0;

	function sweep(now: number): void {
		if (now - sweptAt < sweepEveryMs) return;
		sweptAt = now;
		for (const [session, { buckets }] of open) {
			dropFull(buckets, now);
			if (buckets.size === 0) open.delete(session);
		}
		for (const [owner, sets] of parked) {
			for (const buckets of sets) dropFull(buckets, now);
			keep(
				owner,
				sets.filter(({ size }) => size > 0),
			);
		}
	}

	function keep(owner: string, sets: Buckets[]): void {
		if (sets.length === 0) parked.delete(owner);
		else parked.set(owner, sets);
	}

	/** Adds what a gone connection of this owner still owes. */
	function takeOver(owner: string, buckets: Buckets, now: number): void {
		const sets = parked.get(owner);
		const former = sets?.pop();
		if (sets === undefined || former === undefined) return;
		keep(owner, sets);
		for (const [key, fullAt] of former) {
			if (fullAt > now) buckets.set(key, Math.max(buckets.get(key) ?? now, now) + fullAt - now);
		}
	}

	return {
		/** The buckets of a connection, as long as it is open. */
		of(session: RatedSession, now: number): Buckets {
			sweep(now);
			let entry = open.get(session);
			if (entry === undefined) open.set(session, (entry = { uid: null, buckets: new Map() }));
			const { actor } = session;
			if (actor !== null && entry.uid !== actor.uid) {
				entry.uid = actor.uid;
				takeOver(ownerOf(session, actor.uid), entry.buckets, now);
			}
			return entry.buckets;
		},

		/** The connection is gone for good. */
		close(session: RatedSession, now: number): void {
			const entry = open.get(session);
			if (entry === undefined) return;
			open.delete(session);
			const { uid, buckets } = entry;
			for (const key of dropped) buckets.delete(key);
			dropFull(buckets, now);
			if (uid === null || buckets.size === 0) return;
			const owner = ownerOf(session, uid);
			const sets = parked.get(owner) ?? [];
			sets.push(buckets);
			parked.delete(owner);
			parked.set(owner, sets);
			if (parked.size > maxParked) dropOldest(parked);
		},

		/** Connections whose buckets are remembered, open and gone ones. */
		get size(): number {
			let size = open.size;
			for (const sets of parked.values()) size += sets.length;
			return size;
		},
	};
}

function ownerOf({ socket: { info } }: RatedSession, uid: string): string {
	return `${uid} ${info.clientAddress} ${info.userAgent.slice(0, 64)}`;
}

function dropOldest(parked: Map<string, unknown>): void {
	for (const oldest of parked.keys()) {
		parked.delete(oldest);
		return;
	}
}
