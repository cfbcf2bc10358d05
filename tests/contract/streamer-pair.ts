import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestServer } from './server.ts';

/** Two streamers beside a running deployment, each started again at once when it ends. */
export type StreamerPair = {
	/** Ports of those that are up. */
	ports(): number[];
	/** Ends one of them. Resolves when its successor is up. @param which 0 or 1 */
	end(which: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
	/** Errors and fatal lines of their logs. */
	complaints: string[];
	stop(): Promise<void>;
};

type Place = { child: ChildProcess | null; port: number; isUp: boolean };

const command = resolve(import.meta.dirname, '../../rookery.mjs');
const upLimitMs = 60_000;

/**
 * Starts two streamers as an operator does: `rookery start ddp-streamer`. A successor takes the port of the one before it.
 *
 * @param server `rookery up --separate`, or anything else that runs the other services.
 */
export async function startStreamerPair(server: TestServer): Promise<StreamerPair> {
	const { ROOKERY_TEST_MONGO_URL: mongo = '', ROOKERY_TEST_NATS_URL: nats = '' } = process.env;
	const mongoUrl = new URL(mongo);
	mongoUrl.pathname = `/${server.db.databaseName}`;
	const places: Place[] = [0, 1].map(() => ({ child: null, port: 0, isUp: false }));
	const complaints: string[] = [];
	let isStopping = false;

	function start(which: number): void {
		const place = places[which];
		if (place === undefined || isStopping) return;
		const env: NodeJS.ProcessEnv = {
			...process.env,
			MONGO_URL: mongoUrl.href,
			TRANSPORTER: nats,
			PORT: String(place.port),
			BIND_IP: '127.0.0.1',
			METRICS_PORT: '0',
			LOG_FORMAT: 'json',
			INSTANCE_ID: `pair-${which}`,
			OVERWRITE_SETTING_DDP_Rate_Limit_User_By_Method_Enabled: 'false',
			OVERWRITE_SETTING_DDP_Rate_Limit_Connection_By_Method_Enabled: 'false',
		};
		delete env['NODE_OPTIONS'];
		delete env['NODE_TEST_CONTEXT'];
		const child = spawn(process.execPath, [command, 'start', 'ddp-streamer'], {
			env,
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		place.child = child;
		for (const input of [child.stdout, child.stderr]) {
			createInterface({ input }).on('line', (text) => {
				const line = lineOf(text);
				if (line.level >= 50 && complaints.length < 100) complaints.push(text.slice(0, 500));
				if (line.event !== 'ready' || place.child !== child) return;
				place.port = Number(new URL(String(line.address)).port);
				place.isUp = true;
			});
		}
		child.once('close', () => {
			place.isUp = false;
			start(which);
		});
	}

	async function whenUp(which: number, former: ChildProcess | null): Promise<void> {
		const end = performance.now() + upLimitMs;
		while (places[which]?.isUp !== true || places[which].child === former) {
			if (performance.now() > end) throw new Error(`a streamer is not up in time:\n${complaints.join('\n')}`);
			await pause(20);
		}
	}

	const pair: StreamerPair = {
		ports: () => places.filter(({ isUp }) => isUp).map(({ port }) => port),
		async end(which, signal) {
			const place = places[which];
			const former = place?.child ?? null;
			if (place === undefined || former === null) return;
			place.isUp = false;
			former.kill(signal);
			await whenUp(which, former);
		},
		complaints,
		async stop() {
			isStopping = true;
			const children = places.flatMap(({ child }) => (child === null || child.exitCode !== null ? [] : [child]));
			const ended = children.map((child) => once(child, 'close'));
			for (const child of children) child.kill('SIGKILL');
			await Promise.all(ended);
		},
	};
	start(0);
	start(1);
	try {
		await Promise.all([whenUp(0, null), whenUp(1, null)]);
	} catch (error) {
		await pair.stop();
		throw error;
	}
	return pair;
}

/** Levels as numbers or names: what is no JSON is a complaint. */
function lineOf(text: string): { level: number; event?: unknown; address?: unknown } {
	try {
		const line = JSON.parse(text) as { level?: unknown; event?: unknown; address?: unknown };
		const isBad = line.level === 'error' || line.level === 'fatal' || Number(line.level) >= 50;
		return { ...line, level: isBad ? 50 : 30 };
	} catch {
		return { level: 50 };
	}
}
