import { setTimeout as delay } from 'node:timers/promises';
import type { Subscription, UserId } from '@rookery/protocol/records.ts';
import type { Log } from '../platform/log.ts';
import type { StreamerReads } from '../repositories/streamer-reads.ts';
import type { FollowedRoom, MembershipIndex } from './membership-index.ts';
import { withOwnPosts, type SubscriptionCache } from './subscription-view.ts';

type Deps = {
	reads: StreamerReads;
	cache: SubscriptionCache;
	index: MembershipIndex;
	/** Told when records of these users could not be read. */
	onFailure(uids: UserId[]): void;
	log: Log;
};

const tries = 4;
const firstPauseMs = 100;

/** Subscription records of a room's local members: from the cache, else by one read for all that are missing. */
export function localRecords({ reads, cache, index, onFailure, log }: Deps) {
	/** Runs with each member's record, at once where it is known. */
	function each(room: FollowedRoom, uids: Iterable<UserId>, run: (record: Subscription) => void): void {
		const missing: UserId[] = [];
		for (const uid of uids) {
			const record = cache.get(uid, room.rid);
			const waiting = room.loading.get(uid);
			if (record !== undefined) {
				run(record);
			} else if (waiting !== undefined) {
				waiting.push(run);
			} else {
				room.loading.set(uid, [run]);
				missing.push(uid);
			}
		}
		if (missing.length > 0) void load(room, missing);
	}

	async function load(room: FollowedRoom, uids: UserId[]): Promise<void> {
		let records: Subscription[];
		try {
			records = await retried(() => reads.records(room.rid, uids));
		} catch (error) {
			log.error({ err: error }, 'records of local members could not be read');
			for (const uid of uids) room.loading.delete(uid);
			return onFailure(uids);
		}
		const waiting = new Map(uids.map((uid) => [uid, room.loading.get(uid) ?? []]));
		for (const uid of uids) room.loading.delete(uid);
		for (const read of records) {
			const uid = read.u._id;
			// A membership that ended meanwhile is none; an event that came meanwhile is newer than what was read.
			if (!room.members.has(uid) || index.rooms.get(room.rid) !== room) continue;
			const record = cache.get(uid, room.rid) ?? withOwnPosts(read, room.own.get(uid));
			cache.set(record);
			for (const run of waiting.get(uid) ?? []) run(record);
		}
	}

	return { each };
}

export type LocalRecords = ReturnType<typeof localRecords>;

/** Repeats a read a few times, with growing pauses. */
export async function retried<T>(read: () => Promise<T>): Promise<T> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await read();
		} catch (error) {
			if (attempt === tries) throw error;
			await delay(firstPauseMs * 2 ** attempt);
		}
	}
}
