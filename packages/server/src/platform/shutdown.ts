import type { Log } from './log.ts';

/** Signals that ask a process to end. */
const signals = ['SIGINT', 'SIGTERM'] as const;

/** A terminal's Ctrl-C may arrive twice: from the terminal and from the command that started this one. */
const sameRequestMs = 500;

type Stop = { name: string; run: () => Promise<void> | void };

type Options = {
	log: Log;
	/** How long stopping may take before the process ends anyway, in ms. Default 30,000. */
	limitMs?: number;
	/** Ends the process: for tests. */
	exit?: (code: number) => void;
	/** Where signals come from: for tests. */
	source?: Pick<NodeJS.Process, 'on' | 'off'>;
};

/** The orderly end of a process. */
export type Shutdown = {
	/** Aborts as soon as the process is asked to stop: ends waits and attempts. */
	readonly signal: AbortSignal;
	/** Adds something to stop. What was added last is stopped first. @returns Takes it back. */
	add(name: string, run: () => Promise<void> | void): () => void;
	/**
	 * Stops everything, one after the other, and exits. Later calls change nothing.
	 *
	 * @param code Of the exit. Default 0
	 * @param withinMs How long it may take here, where it is less than elsewhere.
	 */
	stop(reason: string, code?: number, withinMs?: number): Promise<void>;
};

/**
 * Listens for SIGINT and SIGTERM: the first one stops everything in reverse order and exits with 0, a second one exits at
 * once. What has not stopped after the limit is left behind, with exit code 1.
 *
 * @see security contract, REL-10
 */
export function handleShutdown({ log, limitMs = 30_000, exit = process.exit, source = process }: Options): Shutdown {
	const stops: Stop[] = [];
	let askedAt = 0;
	const aborting = new AbortController();
	let stopping: Promise<void> | null = null;

	async function stopAll(reason: string, code: number, withinMs: number): Promise<void> {
		log.info({ event: 'stopping', reason }, 'stopping');
		aborting.abort(new Error(`stopping: ${reason}`));
		const timer = setTimeout(() => {
			log.error({ event: 'stop.timeout', waitingFor: stops.at(-1)?.name, withinMs }, 'stopping takes too long');
			finish(1);
		}, withinMs);
		timer.unref();
		let failed = false;
		for (let next = stops.at(-1); next !== undefined; next = stops.at(-1)) {
			failed = !(await stopOne(next, log)) || failed;
			remove(stops, next);
		}
		clearTimeout(timer);
		finish(failed ? 1 : code);
	}

	function finish(code: number): void {
		for (const name of signals) source.off(name, onSignal);
		log.info({ event: 'stopped', code }, 'stopped');
		log.flush();
		exit(code);
	}

	function onSignal(name: NodeJS.Signals): void {
		if (stopping === null) {
			askedAt = performance.now();
			void shutdown.stop(name);
			return;
		}
		if (performance.now() - askedAt < sameRequestMs) return;
		log.warn({ event: 'stop.forced', signal: name }, 'asked again: ending at once');
		finish(1);
	}

	const shutdown: Shutdown = {
		signal: aborting.signal,
		add(name, run) {
			const entry = { name, run };
			stops.push(entry);
			return () => remove(stops, entry);
		},
		stop(reason, code = 0, withinMs = limitMs) {
			stopping ??= stopAll(reason, code, withinMs);
			return stopping;
		},
	};
	for (const name of signals) source.on(name, onSignal);
	return shutdown;
}

async function stopOne({ name, run }: Stop, log: Log): Promise<boolean> {
	try {
		await run();
		return true;
	} catch (error) {
		log.error({ event: 'stop.failed', part: name, err: error }, 'a part did not stop cleanly');
		return false;
	}
}

function remove(stops: Stop[], entry: Stop): void {
	const index = stops.indexOf(entry);
	if (index !== -1) stops.splice(index, 1);
}
