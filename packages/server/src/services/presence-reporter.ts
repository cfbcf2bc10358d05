import { randomId } from '@rookery/protocol/ids.ts';
import type { RecordBodies } from '@rookery/protocol/events.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import type { Bus, Envelope } from '../bus/bus.ts';
import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { Log } from '../platform/log.ts';
import type { PresenceReport } from './contracts.ts';
import type { ConnectionStatus } from './presence-rule.ts';

type Deps = {
	bus: Bus;
	instanceId: string;
	log: Pick<Log, 'warn'>;
	/** Changes are gathered for so long. */
	batchMs?: number;
	/** The lease is renewed so often; presence lets it run out after three times that. */
	renewMs?: number;
};

type Entry = PresenceReport['connections'][number];

/** Connections in one report: some 200 KiB, well below what the bus carries. */
const maxEntries = 2000;

/**
 * The streamer's side of presence: keeps a table of its logged-in connections and reports it, changes at once (gathered
 * for at most 50 ms), everything when presence asks or the bus was away. A report renews the lease of all of them.
 *
 * @see architecture, 4; realtime contract 5.3 and 5.5
 */
export function presenceReporter({ bus, instanceId, log, batchMs = 50, renewMs = 3000 }: Deps) {
	const bootEpoch = randomId();
	const connections = new Map<string, { uid: UserId; status: ConnectionStatus }>();
	let changes = new Map<string, Entry>();
	let seq = 0;
	let owesFull = true;
	let timer: NodeJS.Timeout | null = null;
	let isStopped = false;

	function send(report: Pick<PresenceReport, 'full' | 'more' | 'connections'>): void {
		const body: RecordBodies['presenceReport'] = { instance: instanceId, bootEpoch, seq: seq + 1, ...report };
		bus.publish({
			key: 'all:presence-reports',
			parts: [{ kind: 'record', record: 'presenceReport', action: 'updated', body }],
		});
		seq += 1;
	}

	/** All reports that are due. After a failure the next is a full one. */
	function flush(): void {
		if (timer !== null) clearTimeout(timer);
		timer = null;
		const due = owesFull ? [...connections].map(([id, entry]) => ({ id, ...entry })) : [...changes.values()];
		const isFull = owesFull;
		changes = new Map();
		owesFull = false;
		try {
			for (let at = 0; at === 0 || at < due.length; at += maxEntries) {
				const more = isFull && at + maxEntries < due.length;
				send({ full: isFull && at === 0, ...(more ? { more } : {}), connections: due.slice(at, at + maxEntries) });
			}
		} catch (error) {
			owesFull = true;
			if (bus.state === 'connected') log.warn({ err: error }, 'a presence report could not be sent');
		}
	}

	function flushSoon(): void {
		if (!isStopped) timer ??= setTimeout(flush, batchMs);
	}

	function change(entry: Entry): void {
		changes.set(entry.id, entry);
		flushSoon();
	}

	function onRequest({ parts }: Envelope): void {
		for (const part of parts) {
			const { instance } = decodeBody(part) as RecordBodies['presenceRequest'];
			if (instance !== null && instance !== instanceId) continue;
			owesFull = true;
			flushSoon();
		}
	}

	const renewal = setInterval(flush, renewMs);
	renewal.unref();
	const stopState = bus.onState((event) => {
		if (event !== 'connected' && event !== 'gap') return;
		owesFull = true;
		flushSoon();
	});
	const subscription = bus.subscribe('all:presence-requests', onRequest);
	subscription.catch((error: unknown) => {
		if (!isStopped) log.warn({ err: error }, 'presence cannot ask for reports');
	});
	flushSoon();

	return {
		/** A user is logged in on a connection: online. Again for the same user: nothing changes. */
		connected(connectionId: string, uid: UserId): void {
			if (connections.get(connectionId)?.uid === uid) return;
			connections.set(connectionId, { uid, status: 'online' });
			change({ id: connectionId, uid, status: 'online' });
		},
		/** What the client says of its user's activity. */
		status(connectionId: string, status: ConnectionStatus): void {
			const connection = connections.get(connectionId);
			if (connection === undefined || connection.status === status) return;
			connection.status = status;
			change({ id: connectionId, uid: connection.uid, status });
		},
		/**
		 * The connection ended, or the user on it logged out.
		 *
		 * @param isLogout true: at once, without the grace of a lost connection.
		 */
		disconnected(connectionId: string, isLogout = false): void {
			const connection = connections.get(connectionId);
			if (connection === undefined) return;
			connections.delete(connectionId);
			change({ id: connectionId, uid: connection.uid, status: 'gone', ...(isLogout ? { logout: true } : {}) });
		},
		/** Ends reporting: the connections that are left are told gone. */
		async stop(): Promise<void> {
			if (isStopped) return;
			isStopped = true;
			clearInterval(renewal);
			stopState();
			const unsubscribe = await subscription.catch(() => null);
			unsubscribe?.();
			for (const [id, { uid }] of connections) changes.set(id, { id, uid, status: 'gone' });
			connections.clear();
			flush();
		},
	};
}

export type PresenceReporter = ReturnType<typeof presenceReporter>;
