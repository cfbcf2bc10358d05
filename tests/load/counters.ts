import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Db } from 'mongodb';
import { median } from './statistics.ts';

/** What a stretch of work did to the database, exactly: by MongoDB's own profiler. */
export type DbCounts = {
	dbCommands: number;
	docsRead: number;
	docsWritten: number;
	/** The usual numbers of one unit of the work: what is done once for many units is in the sums only. */
	usual: { dbCommands: number; docsWritten: number };
	byKind: Record<string, number>;
};

type Profiled = {
	op: string;
	ns: string;
	ts: Date;
	command?: Record<string, unknown>;
	nreturned?: number;
	ninserted?: number;
	nModified?: number;
	nUpserted?: number;
	upsert?: boolean;
	ndeleted?: number;
};

const profileBytes = 64 * 1024 * 1024;

/** Collections of the product's records. What the server writes for its own liveness (the hub's lease) is no post's work. */
const counted = /\.(?:users|rocketchat_[a-z_]+)$/;

/**
 * Counts the database commands of some work. Cursors of change streams are left out: they read on whatever happens.
 *
 * @param unit Does the work once; it is done `times` times, one after the other.
 * @param settled Resolves when effects that come later have come.
 */
export async function countDatabase(
	db: Db,
	times: number,
	unit: () => Promise<void>,
	settled: () => Promise<void>,
): Promise<DbCounts> {
	await db.command({ profile: 0 });
	await db
		.collection('system.profile')
		.drop()
		.catch(() => undefined);
	await db.createCollection('system.profile', { capped: true, size: profileBytes });
	await db.command({ profile: 2 });
	const ends: number[] = [];
	try {
		for (let index = 0; index < times; index++) {
			await unit();
			ends.push(Date.now());
		}
		await settled();
	} finally {
		await db.command({ profile: 0 });
	}
	const counts = { dbCommands: 0, docsRead: 0, docsWritten: 0, byKind: {} as Record<string, number> };
	const units = ends.map((end) => ({ end, dbCommands: 0, docsWritten: 0 }));
	for await (const entry of db.collection('system.profile').find<Profiled>({})) {
		if (!counted.test(entry.ns) || entry.op === 'getmore') continue;
		const written = writtenBy(entry);
		counts.dbCommands += 1;
		counts.docsRead += entry.nreturned ?? 0;
		counts.docsWritten += written;
		const own = units.find(({ end }) => entry.ts.getTime() <= end);
		if (own !== undefined) {
			own.dbCommands += 1;
			own.docsWritten += written;
		}
		const verb = entry.op === 'command' ? Object.keys(entry.command ?? {})[0] : entry.op;
		const kind = `${verb} ${entry.ns.split('.').at(-1)}`;
		counts.byKind[kind] = (counts.byKind[kind] ?? 0) + 1;
	}
	const usual = {
		dbCommands: median(units.map(({ dbCommands }) => dbCommands)),
		docsWritten: median(units.map(({ docsWritten }) => docsWritten)),
	};
	return { ...counts, usual };
}

function writtenBy({ ninserted = 0, nModified = 0, nUpserted, upsert = false, ndeleted = 0 }: Profiled): number {
	return ninserted + nModified + (nUpserted ?? (upsert ? 1 : 0)) + ndeleted;
}

/** Messages on the bus, by what they are. */
export type BusCounts = { busPublishes: number; busCalls: number; busOther: number; busBytes: number };

/** Listens to everything that the services say to each other on a NATS server. */
export async function tapBus(url: string) {
	const nats: NatsConnection = await connect({ servers: url, name: 'bench' });
	let counts = zero();
	nats.subscribe('rookery.>', {
		callback: (_error, { subject, data }) => {
			const [, , kind, about] = subject.split('.');
			counts.busBytes += data.length;
			if (kind === 'call') counts.busCalls += 1;
			// Keys of rooms and users; what concerns all (marks of the hub, leases of presence) goes on without posts too.
			else if (kind === 'ev' && (about === 'room' || about === 'user')) counts.busPublishes += 1;
			else if (kind === 'ev') counts.busOther += 1;
		},
	});
	await nats.flush();
	return {
		/** Counts since the last time. */
		async take(): Promise<BusCounts> {
			await nats.flush();
			const taken = counts;
			counts = zero();
			return taken;
		},
		close: () => nats.close(),
	};
}

export type BusTap = Awaited<ReturnType<typeof tapBus>>;

function zero(): BusCounts {
	return { busPublishes: 0, busCalls: 0, busOther: 0, busBytes: 0 };
}
