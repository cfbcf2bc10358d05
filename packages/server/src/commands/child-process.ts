import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { backoffMs } from '../platform/retry.ts';
import type { ProcessLog } from '../platform/log.ts';
import type { ProcessName } from '../processes.ts';

/** One supervised process: started, watched, started again when it ends unasked. */
export type Supervised = {
	readonly process: ProcessName;
	/** `core-1`: stays the same over restarts. */
	readonly label: string;
	/** It has said that it is ready and has not ended since. */
	readonly isReady: boolean;
	/** Of its public port; null while it is not ready, and for a process without one. */
	readonly port: number | null;
	/** Of its health and metrics; null until they are served. */
	readonly metricsPort: number | null;
	/** Asks it to end; kills it when it has not after the limit. */
	stop(limitMs: number): Promise<void>;
};

type Options = {
	process: ProcessName;
	label: string;
	env: NodeJS.ProcessEnv;
	log: ProcessLog;
	/** Hears of every change of what is above. */
	onChange(): void;
	/** It ended again and again before it was ever ready: nothing will come of it. `lastLines`: what it said. */
	onHopeless(lastLines: string[]): void;
};

const command = join(import.meta.dirname, '../../../../rookery.mjs');
const maxFailedStarts = 5;
/** A process that lived so long is no failed start: the next pause is short again. */
const goodLifeMs = 10_000;
const keptLines = 20;

/** Starts a process of this deployment as a child and keeps it running. */
export function supervise(options: Options): Supervised {
	const { log, label, onChange } = options;
	let child: ChildProcess | null = null;
	let state = { isReady: false, port: null as number | null, metricsPort: null as number | null };
	let failures = 0;
	let wasEverReady = false;
	let isStopping = false;
	let restart: NodeJS.Timeout | undefined;
	let lastLines: string[] = [];

	function change(next: Partial<typeof state>): void {
		state = { ...state, ...next };
		onChange();
	}

	function onLine(line: string): void {
		lastLines = [...lastLines.slice(1 - keptLines), line];
		const entry = parseLine(line);
		if (entry === null) {
			log.warn({ event: 'process.output', process: options.process, label }, line);
			return;
		}
		if (entry['event'] === 'health') change({ metricsPort: Number(entry['port']) });
		// The deployment is ready when the supervisor says so: theirs is only a part of it.
		if (entry['event'] === 'ready') {
			wasEverReady = true;
			change({ isReady: true, port: portOf(entry['address']) });
			log.info(
				{ event: 'process.ready', process: options.process, label, address: entry['address'] },
				`${label} is ready`,
			);
			return;
		}
		log.forward(line);
	}

	function run(): void {
		const startedAt = performance.now();
		const started = spawn(process.execPath, [command, 'start', options.process], {
			env: options.env,
			// A pipe as its input tells it when this process is gone; a session of its own keeps Ctrl-C from it.
			stdio: ['pipe', 'pipe', 'pipe'],
			detached: true,
		});
		child = started;
		started.stdin?.on('error', () => undefined);
		for (const input of [started.stdout, started.stderr]) createInterface({ input }).on('line', onLine);
		log.info({ event: 'process.started', process: options.process, label, childPid: started.pid }, `${label} started`);
		started.once('error', (error) =>
			log.error({ event: 'process.failed', label, err: error }, `${label} cannot be started`),
		);
		// After 'close' nothing more of its output comes.
		started.once('close', (code, signal) => ended(started, { code, signal, livedMs: performance.now() - startedAt }));
	}

	function ended(gone: ChildProcess, how: { code: number | null; signal: string | null; livedMs: number }): void {
		child = null;
		change({ isReady: false, port: null, metricsPort: null });
		const fields = { process: options.process, label, childPid: gone.pid, code: how.code, signal: how.signal };
		if (isStopping) {
			log.info({ event: 'process.ended', ...fields }, `${label} ended`);
			return;
		}
		failures = how.livedMs >= goodLifeMs ? 1 : failures + 1;
		if (!wasEverReady && failures >= maxFailedStarts) return options.onHopeless(lastLines);
		const waitMs = backoffMs(failures, { firstMs: 100, longestMs: 5_000 });
		log.warn({ event: 'process.ended', ...fields, waitMs }, `${label} ended unasked: starting it again`);
		restart = setTimeout(run, waitMs);
	}

	run();
	return {
		process: options.process,
		label,
		get isReady() {
			return state.isReady;
		},
		get port() {
			return state.port;
		},
		get metricsPort() {
			return state.metricsPort;
		},
		async stop(limitMs) {
			isStopping = true;
			clearTimeout(restart);
			const running = child;
			if (running === null) return;
			const closed = new Promise<void>((resolve) => running.once('close', () => resolve()));
			running.kill('SIGTERM');
			const timer = setTimeout(() => running.kill('SIGKILL'), limitMs);
			await closed;
			clearTimeout(timer);
		},
	};
}

function parseLine(line: string): Record<string, unknown> | null {
	if (!line.startsWith('{')) return null;
	try {
		return JSON.parse(line) as Record<string, unknown>;
	} catch {
		return null;
	}
}

function portOf(address: unknown): number | null {
	return typeof address === 'string' && URL.canParse(address) ? Number(new URL(address).port) : null;
}
