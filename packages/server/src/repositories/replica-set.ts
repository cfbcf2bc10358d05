import { setTimeout as pause } from 'node:timers/promises';
import { MongoClient, MongoServerError, type Db, type Document } from 'mongodb';

type Target = {
	/** Of a node on the loopback address that was started with this set's name. */
	port: number;
	replicaSet: string;
	signal: AbortSignal;
};

/**
 * Makes a single node primary of its replica set: a new one is initiated, one that knows itself under another port is told
 * the present one. Returns when it takes writes. Waits for a server that is still starting.
 *
 * @throws The signal's reason; the server's error when it refuses
 */
export async function ensurePrimary({ port, replicaSet, signal }: Target): Promise<void> {
	const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
		serverSelectionTimeoutMS: 500,
		connectTimeoutMS: 500,
		appName: 'rookery',
	});
	try {
		const admin = client.db('admin');
		await connected(client, signal);
		await configure(admin, replicaSet, `127.0.0.1:${port}`);
		while ((await admin.command({ hello: 1 }))['isWritablePrimary'] !== true) await pause(10, undefined, { signal });
	} finally {
		await client.close();
	}
}

async function connected(client: MongoClient, signal: AbortSignal): Promise<void> {
	for (;;) {
		signal.throwIfAborted();
		try {
			await client.connect();
			return;
		} catch {
			// not there yet: the signal ends this
			await pause(20);
		}
	}
}

async function configure(admin: Db, replicaSet: string, host: string): Promise<void> {
	const config = await presentConfig(admin);
	if (config === null) {
		await admin.command({ replSetInitiate: { _id: replicaSet, members: [{ _id: 0, host }] } });
		return;
	}
	const members = config['members'] as { host: string }[];
	if (members.length === 1 && members[0]?.host === host) return;
	// Alone and under an unknown name it is nobody's member: only force makes it one again.
	const next = { ...config, version: Number(config['version']) + 1, members: [{ ...members[0], host }] };
	await admin.command({ replSetReconfig: next, force: true });
}

/** null = the set was never initiated. */
async function presentConfig(admin: Db): Promise<Document | null> {
	try {
		return (await admin.command({ replSetGetConfig: 1 }))['config'] as Document;
	} catch (error) {
		if (error instanceof MongoServerError && error.codeName === 'NotYetInitialized') return null;
		throw error;
	}
}
