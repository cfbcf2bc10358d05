import type { UserId } from '@rookery/protocol/records.ts';
import type { StreamerReads } from '../repositories/streamer-reads.ts';
import type { FollowedRoom, FollowedUser, Hold, MembershipIndex } from './membership-index.ts';

type Deps = { index: MembershipIndex; reads: StreamerReads };

/**
 * Loads memberships of users who begin to be followed: those of one turn of the event loop together, because thousands
 * come back at once after a restart.
 */
export function membershipLoader({ index, reads }: Deps) {
	let waiting: FollowedUser[] = [];
	let batch: Promise<void> | null = null;

	/** The load that takes everybody who asks in this turn. */
	function nextBatch(): Promise<void> {
		batch ??= new Promise<void>((resolve) => {
			setImmediate(resolve);
		}).then(() => {
			const users = waiting;
			waiting = [];
			batch = null;
			return load(users);
		});
		return batch;
	}

	/** First the user's events are sure to arrive, then memberships are read: what changes meanwhile is told by events. */
	async function load(users: FollowedUser[]): Promise<void> {
		await Promise.all(users.map(({ lease }) => lease.ready));
		const uids = users.map(({ uid }) => uid);
		const [memberships, facts] = await Promise.all([reads.memberships(uids), reads.userFacts(uids)]);
		const found = new Map(users.map((user) => [user.uid, { user, rids: new Set<string>() }]));
		for (const { uid, rid } of memberships) found.get(uid)?.rids.add(rid);
		for (const entry of facts) {
			const user = found.get(entry._id)?.user;
			if (user !== undefined) user.facts = entry;
		}
		const rooms = new Set<FollowedRoom>();
		for (const { user, rids } of found.values()) {
			for (const [rid, isMember] of user.overrides ?? []) {
				if (isMember) rids.add(rid);
				else rids.delete(rid);
			}
			user.overrides = null;
			user.isLoaded = true;
			if (index.users.get(user.uid) !== user) continue;
			for (const rid of rids) rooms.add(index.enter(user, rid));
		}
		await Promise.all([...rooms].map(({ lease }) => lease.ready));
		await readFacts([...rooms]);
	}

	async function readFacts(rooms: FollowedRoom[]): Promise<void> {
		const unknown = new Map(rooms.filter(({ facts }) => facts === null).map((room) => [room.rid, room]));
		if (unknown.size === 0) return;
		for (const facts of await reads.roomFacts([...unknown.keys()])) {
			const room = unknown.get(facts._id);
			// What an event brought meanwhile is newer.
			if (room !== undefined) room.facts ??= facts;
		}
	}

	return {
		/** Begins to follow a user. */
		open(uid: UserId, lease: Hold): FollowedUser {
			const user: FollowedUser = {
				uid,
				holders: 0,
				ready: Promise.resolve(),
				lease,
				rooms: [],
				facts: { _id: uid },
				isLoaded: false,
				overrides: null,
			};
			index.users.set(uid, user);
			waiting.push(user);
			user.ready = nextBatch().catch((error: unknown) => {
				index.drop(user);
				throw error;
			});
			// Whoever waits sees the failure; nobody may be waiting any more.
			user.ready.catch(() => undefined);
			return user;
		},
	};
}
