import type { UserId } from '@rookery/protocol/records.ts';

type Replica = { heardAt: number; isSynced: boolean };

/**
 * Which replica of presence is responsible for which user: the one of highest rendezvous weight among those heard from
 * lately. Those that have heard every streamer go before those that have not.
 *
 * @param silentMs A replica not heard from for so long does not count.
 */
export function presenceOwners(own: string, silentMs: number) {
	const replicas = new Map<string, Replica>([[own, { heardAt: 0, isSynced: false }]]);
	let candidates: string[] = [own];

	/** @returns true when responsibilities changed. */
	function update(): boolean {
		const synced = [...replicas].filter(([, { isSynced }]) => isSynced);
		const next = (synced.length > 0 ? synced : [...replicas]).map(([instance]) => instance).sort(compare);
		const changed = next.join('\n') !== candidates.join('\n');
		candidates = next;
		return changed;
	}

	return {
		/** A replica lives. @returns true when responsibilities changed. */
		heard(instance: string, isSynced: boolean, now: number): boolean {
			replicas.set(instance, { heardAt: now, isSynced });
			return update();
		},
		/** A replica ends. @returns true when responsibilities changed. */
		left(instance: string): boolean {
			if (instance !== own) replicas.delete(instance);
			return update();
		},
		/** Forgets who is silent. @returns true when responsibilities changed. */
		expire(now: number): boolean {
			for (const [instance, { heardAt }] of replicas) {
				if (instance !== own && now - heardAt >= silentMs) replicas.delete(instance);
			}
			return update();
		},
		/** Whether this replica is responsible for a user. */
		isMine(uid: UserId): boolean {
			let best = '';
			let bestWeight = -1;
			for (const instance of candidates) {
				const candidate = weight(instance, uid);
				if (candidate <= bestWeight) continue;
				best = instance;
				bestWeight = candidate;
			}
			return best === own;
		},
	};
}

/** 32 bits from both names: FNV-1a, then mixed so that every bit of the names moves every bit of the weight. */
function weight(instance: string, uid: string): number {
	let hash = 0x811c9dc5;
	for (const text of [instance, '\n', uid]) {
		for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
	}
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
