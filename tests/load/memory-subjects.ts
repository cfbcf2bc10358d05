import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fillCrowd } from './crowd-workspace.ts';
import { startInspected, type Inspected } from './inspected.ts';
import { startSystem } from './system.ts';

/** A server whose memory or CPU is measured while clients are there. */
export type Subject = {
	name: string;
	process: Inspected;
	port: number;
	/** Where its socket is. */
	path: string;
	/** What its clients are. */
	kind: 'web client' | 'bare';
	stop(): Promise<void>;
};

const rookery = resolve(import.meta.dirname, '../../rookery.mjs');

async function portOf(started: Inspected): Promise<number> {
	const { address } = await started.logged(({ event }) => event === 'ready');
	return Number(new URL(String(address)).port);
}

/** `ws` with nothing around it. */
export async function startWsPeer(): Promise<Subject> {
	const started = await startInspected([resolve(import.meta.dirname, 'ws-peer.ts')], process.env);
	return { name: 'ws', process: started, port: await portOf(started), path: '/', kind: 'bare', stop: started.stop };
}

/** A streamer without the other services. @see lone-streamer.ts */
export async function startLoneStreamer(users: number): Promise<Subject> {
	const file = resolve(import.meta.dirname, 'lone-streamer.ts');
	const started = await startInspected([file, String(users)], process.env);
	const port = await portOf(started);
	return { name: 'lone', process: started, port, path: '/websocket', kind: 'web client', stop: started.stop };
}

/**
 * A streamer as `rookery start ddp-streamer` runs it, over NATS and MongoDB, beside a whole system of other processes.
 * The users of the crowd are stored.
 */
export async function startRealStreamer(users: number, onProgress: (text: string) => void): Promise<Subject> {
	onProgress(`storing ${users} users and starting a system`);
	const system = await startSystem(1, { fill: (db) => fillCrowd(db, users) });
	try {
		const { ROOKERY_TEST_MONGO_URL: mongo = '', ROOKERY_TEST_NATS_URL: nats = '' } = process.env;
		const mongoUrl = new URL(mongo);
		mongoUrl.pathname = `/${system.server.db.databaseName}`;
		const started = await startInspected([rookery, 'start', 'ddp-streamer'], {
			...allocator(),
			...process.env,
			MONGO_URL: mongoUrl.href,
			TRANSPORTER: nats,
			PORT: '0',
			BIND_IP: '127.0.0.1',
			METRICS_PORT: '0',
			LOG_FORMAT: 'json',
			INSTANCE_ID: 'measured',
		});
		const stop = async (): Promise<void> => {
			await started.stop();
			await system.stop();
		};
		try {
			const port = await portOf(started);
			return { name: 'streamer', process: started, port, path: '/websocket', kind: 'web client', stop };
		} catch (error) {
			await started.stop();
			throw error;
		}
	} catch (error) {
		await system.stop();
		throw error;
	}
}

/** As the command `rookery` sets it for the processes it starts. */
function allocator(): Record<string, string> {
	return JSON.parse(readFileSync(resolve(import.meta.dirname, '../../allocator.json'), 'utf8')) as Record<
		string,
		string
	>;
}
