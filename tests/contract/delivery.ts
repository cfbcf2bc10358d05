import type { Heard, LastingClient } from './lasting-client.ts';
import type { Post } from './steady-authors.ts';

/** What clients got of what was posted, and what went wrong: all but `deliveries` must be 0. */
export type Delivery = {
	/** Messages times the clients that should have them. */
	deliveries: number;
	/** Acknowledged, and neither heard nor read. */
	lost: number;
	/** Live messages that came against the order of their author, or of what others heard in the same room. */
	misordered: number;
	/** The same version twice on one connection. */
	doubled: number;
	/** More than one version of a message that nobody changed, or an older after a newer one. */
	versions: number;
};

/** Judges what was heard. Versions that came on several connections count once, the first time. */
export function judgeDelivery(clients: readonly LastingClient[], posts: readonly Post[]): Delivery {
	const found: Delivery = { deliveries: 0, lost: 0, misordered: 0, doubled: 0, versions: 0 };
	const postOf = new Map(posts.map((post) => [post.id, post]));
	const liveOf = new Map<string, string[][]>();
	for (const client of clients) {
		const due = posts.filter(({ rid }) => rid === client.rid);
		found.deliveries += due.length;
		found.lost += due.filter(({ id }) => !client.has(id)).length;
		const { live, doubled, versions } = firstTimes(client.heard);
		found.doubled += doubled;
		found.versions += versions;
		found.misordered += againstAuthors(live, postOf);
		liveOf.set(client.rid, [...(liveOf.get(client.rid) ?? []), live]);
	}
	for (const sequences of liveOf.values()) found.misordered += contradictions(sequences);
	return found;
}

/** Ids in the order in which they first came live, and what came too often. */
function firstTimes(heard: readonly Heard[]): { live: string[]; doubled: number; versions: number } {
	const seen = new Map<string, { version: number; connections: Set<number> }>();
	const live = new Set<string>();
	let [doubled, versions] = [0, 0];
	for (const { id, version, from, connection } of heard) {
		const before = seen.get(id);
		if (before === undefined) seen.set(id, { version, connections: new Set(from === 'live' ? [connection] : []) });
		else if (before.version !== version) versions += 1;
		else if (from === 'live') {
			if (before.connections.has(connection)) doubled += 1;
			before.connections.add(connection);
		}
		// What was read first is not heard late: it is known.
		if (before === undefined && from === 'live') live.add(id);
	}
	return { live: [...live], doubled, versions };
}

/** Messages that came after a later one of the same author. */
function againstAuthors(live: string[], postOf: ReadonlyMap<string, Post>): number {
	const last = new Map<string, number>();
	let wrong = 0;
	for (const id of live) {
		const post = postOf.get(id);
		if (post === undefined) continue;
		const before = last.get(post.author) ?? -1;
		if (post.n < before) wrong += 1;
		else last.set(post.author, post.n);
	}
	return wrong;
}

/** Messages of one room that no single order of all can explain: they stand on or behind a circle of "came before". */
function contradictions(sequences: string[][]): number {
	const after = new Map<string, Set<string>>();
	const waitsFor = new Map<string, number>();
	for (const sequence of sequences) {
		for (const [index, id] of sequence.entries()) {
			if (!waitsFor.has(id)) waitsFor.set(id, 0);
			const before = sequence[index - 1];
			if (before === undefined) continue;
			const followers = after.get(before) ?? new Set();
			after.set(before, followers);
			if (followers.has(id)) continue;
			followers.add(id);
			waitsFor.set(id, (waitsFor.get(id) ?? 0) + 1);
		}
	}
	const free = [...waitsFor].filter(([, count]) => count === 0).map(([id]) => id);
	for (const id of free) {
		for (const follower of after.get(id) ?? []) {
			const left = (waitsFor.get(follower) ?? 0) - 1;
			waitsFor.set(follower, left);
			if (left === 0) free.push(follower);
		}
	}
	return waitsFor.size - free.length;
}
