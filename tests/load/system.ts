import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient, type Db } from 'mongodb';
import { findBinary } from '../../packages/server/src/platform/binaries/find-binary.ts';
import { readConfig } from '../../packages/server/src/platform/config.ts';
import { startMongod } from '../../packages/server/src/platform/embedded/mongod.ts';
import { startNats } from '../../packages/server/src/platform/embedded/nats.ts';
import { printedProgress, silentProgress } from '../../packages/server/src/platform/progress.ts';
import { ensurePrimary } from '../../packages/server/src/repositories/replica-set.ts';
import { startServer, type TestServer } from '../contract/server.ts';
import { processTree } from './machine.ts';
import { tapBus, type BusTap } from './counters.ts';

/**
 * A whole system of its own: MongoDB and the services, in one process as `rookery up` starts them, or as six over NATS as
 * `rookery up --separate` does.
 */
export type SystemUnderTest = {
	server: TestServer;
	/** null in one process: its bus cannot be listened to from outside. */
	bus: BusTap | null;
	/** Addresses of core and of each streamer, as a proxy in front of them would use them. */
	addresses: { core: string; streamers: string[] };
	/** Every process of it: services, supervisor, MongoDB, NATS. */
	pids(): number[];
	stop(): Promise<void>;
};

type Options = {
	/** Stores what an older server would have left, before anything of ours has seen the database. */
	fill?: (db: Db) => Promise<void>;
};

/** Starts a system on databases that hold nothing else, so that every command and message on them is its own. */
export async function startSystem(form: 'one process' | number, { fill }: Options = {}): Promise<SystemUnderTest> {
	const folder = await mkdtemp(join(tmpdir(), 'rookery-bench-'));
	const stops: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
	const stop = async (): Promise<void> => {
		for (const end of stops.toReversed()) await end();
	};
	try {
		const { env } = process;
		const { binDirectory, mongod, natsServer } = readConfig(env);
		const progress = printedProgress();
		const programs = {
			mongod: await findBinary('mongod', { named: mongod, binDirectory, env, progress }),
			nats: await findBinary('nats-server', { named: natsServer, binDirectory, env, progress }),
		};
		const mongo = await startMongod({
			path: programs.mongod.path,
			dataDirectory: join(folder, 'data'),
			env,
			progress: silentProgress,
			initiate: ensurePrimary,
		});
		stops.push(mongo.stop);
		const nats = await startNats({ path: programs.nats.path, env });
		stops.push(nats.stop);
		Object.assign(env, { ROOKERY_TEST_MONGO_URL: mongo.url, ROOKERY_TEST_NATS_URL: nats.url });
		const isSingle = form === 'one process';
		const database = 'rookery_bench';
		if (fill !== undefined) await fillDatabase(mongo.url, database, fill);
		const server = isSingle
			? await startServer('one process', { database })
			: await startServer('six processes', {
					database,
					args: ['--streamers', String(form)],
					env: { TRANSPORTER: nats.url, LOG_LEVEL: 'info' },
				});
		stops.push(server.stop);
		const bus = isSingle ? null : await tapBus(nats.url);
		if (bus !== null) stops.push(bus.close);
		const root = server.child.pid ?? 0;
		return {
			server,
			bus,
			addresses: isSingle ? { core: server.url, streamers: [server.url] } : addressesOf(server),
			pids: () => [...processTree(root), mongo.pid, nats.pid],
			stop,
		};
	} catch (error) {
		await stop();
		throw error;
	}
}

async function fillDatabase(url: string, database: string, fill: (db: Db) => Promise<void>): Promise<void> {
	const client = await MongoClient.connect(url);
	try {
		await fill(client.db(database));
	} finally {
		await client.close();
	}
}

/** The supervisor says where each process listens. Its own forwarding on one port is a convenience, not what is measured. */
function addressesOf({ log }: TestServer): SystemUnderTest['addresses'] {
	const of = (name: string): string[] =>
		log.flatMap(({ event, process, address }) =>
			event === 'process.ready' && process === name && typeof address === 'string' ? [address] : [],
		);
	const [core] = of('core');
	const streamers = of('ddp-streamer');
	if (core === undefined || streamers.length === 0)
		throw new Error('the log names no address of core or of a streamer');
	return { core, streamers };
}
