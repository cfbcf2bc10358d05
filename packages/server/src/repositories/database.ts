import { setTimeout as pause } from 'node:timers/promises';
import { MongoClient, MongoParseError, type Collection, type Db } from 'mongodb';
import { watchCommands, type CommandListener } from './command-counters.ts';

/** Name of the database where the URL has none, as in Rocket.Chat's guide. */
export const defaultDatabaseName = 'rocketchat';

export type DatabaseOptions = {
	/** Shown in MongoDB's logs and `currentOp`: the process's name. */
	appName: string;
	/** Connections at most. Default 20. */
	poolSize?: number;
	/** Longest time the server may work on one read, in ms. Default 5,000. Change streams are exempt. */
	maxTimeMs?: number;
	/** How long a command, or one attempt to connect, waits for a server that can serve it, in ms. Default 10,000. */
	selectionTimeoutMs?: number;
	/** Hears of every finished command; command monitoring is off without it. */
	onCommand?: CommandListener;
	/** Hears of every failed attempt to connect at start: for the log. `waitMs` is the pause before the next one. */
	onRetry?: (error: Error, attempt: number, waitMs: number) => void;
	/** Ends the attempts to connect: the promise is rejected with its reason. */
	signal?: AbortSignal;
};

/** An open database. `close` waits for nothing: end the work before. */
export type Database = { db: Db; client: MongoClient; close(): Promise<void> };

const firstWaitMs = 100;
const longestWaitMs = 5_000;

/**
 * Connects to MongoDB and waits until it answers, however long that takes: the processes may start in any order.
 *
 * Every write is acknowledged by a majority and its journal (`wtimeout` 10 s), every read sees majority-committed data.
 *
 * @param url `mongodb://...`; the database's name stands in its path, default `rocketchat`.
 * @throws MongoParseError when the URL is no MongoDB URL: retrying would not help.
 * @see security contract, REL-1, REL-9 and 4
 */
export async function connectDatabase(url: string, options: DatabaseOptions): Promise<Database> {
	const client = new MongoClient(url, {
		appName: options.appName,
		maxPoolSize: options.poolSize ?? 20,
		writeConcern: { w: 'majority', journal: true, wtimeoutMS: 10_000 },
		readConcern: { level: 'majority' },
		serverSelectionTimeoutMS: options.selectionTimeoutMs ?? 10_000,
		connectTimeoutMS: 5_000,
		waitQueueTimeoutMS: 10_000,
		retryWrites: true,
		retryReads: true,
		monitorCommands: options.onCommand !== undefined,
	});
	if (options.onCommand !== undefined) watchCommands(client, options.onCommand);
	try {
		await connectWithRetry(client, options);
	} catch (error) {
		await client.close();
		throw error;
	}
	const db = client.db(databaseNameOf(url));
	limitReads(db, options.maxTimeMs ?? 5_000);
	return { db, client, close: () => client.close() };
}

/** The database that a URL names in its path. */
export function databaseNameOf(url: string): string {
	const path = /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?]*)/.exec(url)?.[1] ?? '';
	return path === '' ? defaultDatabaseName : decodeURIComponent(path);
}

async function connectWithRetry(client: MongoClient, { onRetry, signal }: DatabaseOptions): Promise<void> {
	for (let attempt = 1; ; attempt++) {
		try {
			await orAborted(client.connect(), signal);
			return;
		} catch (error) {
			signal?.throwIfAborted();
			if (!(error instanceof Error) || error instanceof MongoParseError) throw error;
			const waitMs = backoffMs(attempt);
			onRetry?.(error, attempt, waitMs);
			await pause(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
		}
	}
}

/** The promise's outcome, or the signal's reason as soon as it aborts. */
async function orAborted(work: Promise<unknown>, signal?: AbortSignal): Promise<void> {
	if (signal === undefined) {
		await work;
		return;
	}
	signal.throwIfAborted();
	let onAbort = (): void => undefined;
	const aborted = new Promise<void>((resolve) => {
		onAbort = () => resolve();
		signal.addEventListener('abort', onAbort, { once: true });
	});
	try {
		await Promise.race([work, aborted]);
	} finally {
		signal.removeEventListener('abort', onAbort);
	}
	if (!signal.aborted) return;
	// Whatever becomes of the work now: nobody waits for it.
	void work.catch(() => undefined);
	signal.throwIfAborted();
}

/** 100 ms, doubled with each attempt up to 5 s, of which a random half is taken: many processes do not come at once. */
function backoffMs(attempt: number): number {
	const ms = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(attempt - 1, 10));
	return Math.round(ms / 2 + (Math.random() * ms) / 2);
}

type Reader = (subject: object, options?: object) => unknown;

/** Operations that read, each with its options as the last parameter. */
const readers = [
	['find', 1],
	['aggregate', 1],
	['countDocuments', 1],
	['distinct', 2],
	['findOneAndUpdate', 2],
	['findOneAndDelete', 1],
	['findOneAndReplace', 2],
] as const;

/** Gives every read of this database's collections the time limit, unless the call names its own `maxTimeMS`. */
function limitReads(db: Db, maxTimeMS: number): void {
	const open = db.collection.bind(db);
	db.collection = ((...args: Parameters<typeof open>) => {
		const collection = open(...args);
		for (const [name, position] of readers) limitReader(collection, name, position, maxTimeMS);
		return collection;
	}) as typeof db.collection;
}

function limitReader(
	collection: Collection,
	name: (typeof readers)[number][0],
	position: number,
	maxTimeMS: number,
): void {
	const read = collection[name].bind(collection) as Reader;
	const limited = (...args: unknown[]): unknown => {
		const filled = [...args];
		while (filled.length < position) filled.push(name === 'aggregate' ? [] : {});
		filled[position] = { maxTimeMS, ...(filled[position] as object | undefined) };
		return read(...(filled as Parameters<Reader>));
	};
	Object.defineProperty(collection, name, { value: limited, configurable: true, writable: true });
}
