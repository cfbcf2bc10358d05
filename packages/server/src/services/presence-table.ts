import type { UserId, UserStatus } from '@rookery/protocol/records.ts';
import type { PresenceReport } from './contracts.ts';
import { statusOfConnections, type ConnectionStatus } from './presence-rule.ts';

/** A connection as a streamer reported it. `goneAt`: since when it is lost, or null. */
type Connection = { uid: UserId; status: ConnectionStatus; goneAt: number | null };

type Streamer = {
	bootEpoch: string;
	seq: number;
	heardAt: number;
	/** Everything said so far is known: a full report, and every one since. */
	isComplete: boolean;
	/** Parts of a full report that goes on. */
	collecting: PresenceReport['connections'] | null;
	connections: Map<string, Connection>;
};

export type TableTimes = {
	/** A streamer that is silent for so long is dead, and all its connections with it. */
	leaseMs: number;
	/** A lost connection counts for so long after its last sign. */
	graceMs: number;
};

/**
 * All connections of all streamers, in memory: who is connected where, under which lease. Pure but for the times it is
 * told. Tells which users' status may have changed.
 *
 * @see realtime contract 5.4 and 5.5
 */
export function presenceTable({ leaseMs, graceMs }: TableTimes) {
	const streamers = new Map<string, Streamer>();
	const byUser = new Map<UserId, Set<Connection>>();
	/** Lost connections in their grace. No streamer holds them any more. */
	const lost = new Set<Connection>();
	const touched = new Set<UserId>();

	function put(streamer: Streamer, id: string, uid: UserId, status: ConnectionStatus): void {
		const known = streamer.connections.get(id);
		if (known?.uid === uid) {
			if (known.status !== status) touched.add(uid);
			known.status = status;
			return;
		}
		if (known !== undefined) drop(known);
		const connection: Connection = { uid, status, goneAt: null };
		streamer.connections.set(id, connection);
		const own = byUser.get(uid) ?? new Set();
		byUser.set(uid, own.add(connection));
		touched.add(uid);
	}

	/** It counts no more. */
	function drop(connection: Connection): void {
		lost.delete(connection);
		const own = byUser.get(connection.uid);
		own?.delete(connection);
		if (own?.size === 0) byUser.delete(connection.uid);
		touched.add(connection.uid);
	}

	/** It is gone since then, and counts until its grace is over. */
	function lose(connection: Connection, goneAt: number): void {
		connection.goneAt = goneAt;
		lost.add(connection);
	}

	function apply(streamer: Streamer, entries: PresenceReport['connections'], now: number): void {
		for (const { id, uid, status, logout } of entries) {
			if (status !== 'gone') {
				put(streamer, id, uid, status);
				continue;
			}
			const known = streamer.connections.get(id);
			if (known === undefined) continue;
			streamer.connections.delete(id);
			if (logout === true) drop(known);
			else lose(known, now);
		}
	}

	/** Replaces all that a streamer said: what it does not name any more was lost. */
	function replace(streamer: Streamer, entries: PresenceReport['connections'], now: number): void {
		const named = new Set(entries.map(({ id }) => id));
		for (const [id, connection] of streamer.connections) {
			if (named.has(id)) continue;
			streamer.connections.delete(id);
			lose(connection, now);
		}
		apply(streamer, entries, now);
	}

	/** The streamer of a report; a new start of it has none of the old connections. */
	function streamerOf({ instance, bootEpoch, seq }: PresenceReport, now: number): Streamer {
		const known = streamers.get(instance);
		if (known?.bootEpoch === bootEpoch) return known;
		if (known !== undefined) {
			for (const connection of known.connections.values()) lose(connection, known.heardAt);
		}
		const connections = new Map<string, Connection>();
		const fresh: Streamer = {
			bootEpoch,
			seq: seq - 1,
			heardAt: now,
			isComplete: false,
			collecting: null,
			connections,
		};
		streamers.set(instance, fresh);
		return fresh;
	}

	return {
		/**
		 * Takes in a report.
		 *
		 * @param now Monotonic ms.
		 * @returns false when something is missing before it: the streamer has to be asked for a full report.
		 */
		report(report: PresenceReport, now: number): boolean {
			const streamer = streamerOf(report, now);
			streamer.heardAt = now;
			if (report.seq <= streamer.seq) return true;
			const isNext = report.seq === streamer.seq + 1;
			streamer.seq = report.seq;
			if (report.full) streamer.collecting = [];
			else if (!isNext) {
				streamer.isComplete = false;
				streamer.collecting = null;
			}
			if (streamer.collecting !== null) {
				streamer.collecting.push(...report.connections);
				if (report.more === true) return true;
				replace(streamer, streamer.collecting, now);
				streamer.collecting = null;
				streamer.isComplete = true;
				return true;
			}
			if (streamer.isComplete) apply(streamer, report.connections, now);
			return streamer.isComplete;
		},
		/** Ends what has run out: leases at once, since they contain the grace; lost connections after theirs. */
		expire(now: number): void {
			for (const [instance, streamer] of streamers) {
				if (now - streamer.heardAt < leaseMs) continue;
				streamers.delete(instance);
				for (const connection of streamer.connections.values()) drop(connection);
			}
			for (const connection of lost) {
				if (connection.goneAt !== null && now - connection.goneAt >= graceMs) drop(connection);
			}
		},
		/** Gives everybody time to speak again: for a receiver that was deaf itself. */
		renewAll(now: number): void {
			for (const streamer of streamers.values()) streamer.heardAt = now;
			for (const connection of lost) connection.goneAt = now;
		},
		/** Streamers whose lease runs and whose connections are not all known. */
		incomplete(): string[] {
			return [...streamers].filter(([, { isComplete }]) => !isComplete).map(([instance]) => instance);
		},
		/** What the connections of a user say. */
		statusOf(uid: UserId): UserStatus {
			return statusOfConnections([...(byUser.get(uid) ?? [])].map(({ status }) => status));
		},
		/** Users with at least one connection. */
		connectedUsers(): IterableIterator<UserId> {
			return byUser.keys();
		},
		/** Users whose connections changed since the last time. */
		takeTouched(): UserId[] {
			const users = [...touched];
			touched.clear();
			return users;
		},
		/** Numbers for metrics. */
		size(): { streamers: number; users: number } {
			return { streamers: streamers.size, users: byUser.size };
		},
	};
}

export type PresenceTable = ReturnType<typeof presenceTable>;
