import { MongoClient, type Db, type Document } from 'mongodb';
import { isAtLeast, type Finding } from '../platform/finding.ts';
import { watchedCollections } from './migrations/002-change-images.ts';
import { indexTable } from './migrations/index-table.ts';
import { databaseNameOf } from './database.ts';

type Options = {
	/** Longest wait for the server, in ms. Default 5,000. */
	timeoutMs?: number;
	/** This machine's time. */
	now: () => number;
};

const hourSeconds = 3600;
/** What the hub needs to go on after a stop: less is a warning. */
const oplogHours = 24;
const slowWriteMs = 500;
const clockWarnMs = 2_000;
const clockErrorMs = 600_000;

/**
 * Looks at a MongoDB with the eyes of an operator: reachable, replica set, storage, version, a majority write, clocks,
 * oplog, images of changes, indexes. Writes one document into a collection of its own and removes it.
 *
 * @see security contract, 8 and REL-3
 */
export async function diagnoseDatabase(url: string, { timeoutMs = 5_000, now }: Options): Promise<Finding[]> {
	const client = new MongoClient(url, {
		serverSelectionTimeoutMS: timeoutMs,
		connectTimeoutMS: timeoutMs,
		appName: 'rookery doctor',
	});
	try {
		const startedAt = performance.now();
		await client.connect();
		await client.db('admin').command({ ping: 1 });
		const found: Finding[] = [{ level: 'ok', text: `MongoDB answers (${ms(performance.now() - startedAt)})` }];
		for (const look of looks) found.push(...(await tryLook(look, client.db(databaseNameOf(url)), now)));
		return found;
	} catch (error) {
		return [{ level: 'error', text: `MongoDB cannot be reached: ${messageOf(error)}` }];
	} finally {
		await client.close();
	}
}

type Look = { what: string; run(db: Db, now: () => number): Promise<Finding[]> };

const looks: Look[] = [
	{ what: 'replica set', run: replicaSet },
	{ what: 'server', run: server },
	{ what: 'majority write', run: majorityWrite },
	{ what: 'clocks', run: clocks },
	{ what: 'oplog', run: oplog },
	{ what: 'change images', run: changeImages },
	{ what: 'indexes', run: indexes },
];

/** A look that the user's rights do not allow is a warning, not the end. */
async function tryLook({ what, run }: Look, db: Db, now: () => number): Promise<Finding[]> {
	try {
		return await run(db, now);
	} catch (error) {
		return [{ level: 'warn', text: `${what}: could not be looked at: ${messageOf(error)}` }];
	}
}

async function replicaSet(db: Db): Promise<Finding[]> {
	const hello = await db.admin().command({ hello: 1 });
	if (hello['msg'] === 'isdbgrid') return [{ level: 'ok', text: 'sharded cluster' }];
	if (typeof hello['setName'] !== 'string') {
		return [
			{ level: 'error', text: 'no replica set: start mongod with --replSet and initiate it (one node is enough)' },
		];
	}
	const nodes = ((hello['hosts'] as string[] | undefined) ?? []).length;
	const found: Finding[] = [{ level: 'ok', text: `replica set ${hello['setName']}, ${nodes} data-bearing node(s)` }];
	if (((hello['arbiters'] as string[] | undefined) ?? []).length > 0) {
		found.push({
			level: 'warn',
			text: 'the replica set has an arbiter: majority writes stop when one data node is away',
		});
	}
	return found;
}

async function server(db: Db): Promise<Finding[]> {
	const { version } = (await db.admin().command({ buildInfo: 1 })) as { version: string };
	const floor = version.startsWith('7.') ? '7.0.28' : '8.0.17';
	const isSupported = isAtLeast(version, floor);
	const found: Finding[] = [
		isSupported
			? { level: 'ok', text: `MongoDB ${version}` }
			: { level: 'warn', text: `MongoDB ${version}: use 7.0.28, 8.0.17 or newer in production` },
	];
	if (!isAtLeast(version, '6.0.0'))
		found.push({ level: 'error', text: `MongoDB ${version} is too old: 6.0 is needed` });
	const status = await db.admin().command({ serverStatus: 1, repl: 0, metrics: 0, locks: 0 });
	const engine = (status['storageEngine'] as { name?: string } | undefined)?.name;
	// A router has no storage of its own.
	if (engine === undefined) return found;
	found.push(
		engine === 'wiredTiger'
			? { level: 'ok', text: 'storage engine WiredTiger' }
			: { level: 'error', text: `storage engine ${engine}: WiredTiger is needed` },
	);
	return found;
}

async function majorityWrite(db: Db): Promise<Finding[]> {
	const probes = db.collection('rookery_doctor');
	const startedAt = performance.now();
	try {
		const writeConcern = { w: 'majority', journal: true, wtimeoutMS: 5_000 } as const;
		const { insertedId } = await probes.insertOne({ at: new Date() }, { writeConcern });
		const tookMs = performance.now() - startedAt;
		await probes.deleteOne({ _id: insertedId });
		return [
			tookMs > slowWriteMs
				? { level: 'warn', text: `a majority write takes ${ms(tookMs)}: every message waits for one` }
				: { level: 'ok', text: `a majority write takes ${ms(tookMs)}` },
		];
	} catch (error) {
		return [{ level: 'error', text: `a majority write fails: ${messageOf(error)}` }];
	}
}

async function clocks(db: Db, now: () => number): Promise<Finding[]> {
	const before = now();
	const { localTime } = (await db.admin().command({ hello: 1 })) as { localTime: Date };
	const after = now();
	// Within the time of the question nothing can be said.
	const difference =
		localTime.getTime() < before ? before - localTime.getTime() : Math.max(0, localTime.getTime() - after);
	const text = `clocks of this machine and MongoDB differ by ${ms(difference)}`;
	if (difference > clockErrorMs) return [{ level: 'error', text }];
	return [{ level: difference > clockWarnMs ? 'warn' : 'ok', text }];
}

async function oplog(db: Db): Promise<Finding[]> {
	const entries = db.client.db('local').collection('oplog.rs');
	const ends = await Promise.all(
		([1, -1] as const).map((direction) =>
			entries.find({}, { sort: { $natural: direction }, limit: 1, projection: { ts: 1 } }).next(),
		),
	);
	const [first, last] = ends.map((entry) => secondsOf(entry));
	if (first === undefined || last === undefined) return [];
	const [stats] = await entries.aggregate([{ $collStats: { storageStats: {} } }]).toArray();
	const { size = 0, maxSize = 0 } = (stats?.['storageStats'] ?? {}) as { size?: number; maxSize?: number };
	const hours = (last - first) / hourSeconds;
	// One that is not full yet has not shown how far it reaches.
	if (size < maxSize * 0.9) return [{ level: 'ok', text: `oplog covers ${hours.toFixed(1)} h and is not full yet` }];
	return [
		hours >= oplogHours
			? { level: 'ok', text: `oplog covers ${hours.toFixed(0)} h` }
			: { level: 'warn', text: `oplog covers ${hours.toFixed(1)} h only: make it larger, ${oplogHours} h or more` },
	];
}

function secondsOf(entry: Document | null): number | undefined {
	return (entry?.['ts'] as { high?: number } | undefined)?.high;
}

async function changeImages(db: Db): Promise<Finding[]> {
	const present = await db.listCollections({ name: { $in: [...watchedCollections] } }).toArray();
	if (present.length === 0)
		return [{ level: 'ok', text: `database ${db.databaseName} is empty: the first start fills it` }];
	const without = present.filter((collection) => {
		const { options } = collection as { options?: { changeStreamPreAndPostImages?: { enabled?: boolean } } };
		return options?.changeStreamPreAndPostImages?.enabled !== true;
	});
	if (without.length === 0) return [{ level: 'ok', text: 'collections keep images of their changes' }];
	const names = without.map(({ name }) => name).join(', ');
	return [{ level: 'warn', text: `no images of changes in ${names}: run \`rookery migrate\`` }];
}

async function indexes(db: Db): Promise<Finding[]> {
	const missing: string[] = [];
	for (const [name, wanted] of Object.entries(indexTable)) {
		const present = await db
			.collection(name)
			.indexes()
			.catch(() => []);
		const keys = new Set(present.map(({ key }) => keyText(key)));
		const lacking = wanted.filter(({ key }) => !keys.has(keyText(key)));
		if (present.length > 0 && lacking.length > 0) missing.push(`${name} (${lacking.length})`);
	}
	if (missing.length === 0) return [];
	return [{ level: 'warn', text: `indexes are missing in ${missing.join(', ')}: run \`rookery migrate\`` }];
}

/** A text index is stored under another key than it was asked for, and there is at most one. */
function keyText(key: unknown): string {
	const text = JSON.stringify(key);
	return text.includes('"text"') ? 'text' : text;
}

function ms(value: number): string {
	return value < 10
		? `${value.toFixed(1)} ms`
		: value < 10_000
			? `${Math.round(value)} ms`
			: `${Math.round(value / 1000)} s`;
}

/** Without user and password of a URL. */
function messageOf(error: unknown): string {
	const text = error instanceof Error ? error.message : String(error);
	return text.replaceAll(/\/\/[^\s]*@/g, '//***@');
}
