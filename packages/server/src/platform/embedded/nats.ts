import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { StartProblem } from '../start-problem.ts';
import { freePort } from './free-port.ts';
import { startGuarded, type Ending, type GuardedProcess } from './guarded-process.ts';

/** A NATS server of our own on the loopback address. */
export type EmbeddedNats = {
	/** As for `TRANSPORTER`. */
	url: string;
	port: number;
	pid: number;
	/** Resolves when it has ended, asked or not. */
	ended: Promise<Ending>;
	/** The last lines it wrote. */
	lastLines(): string[];
	stop(): Promise<void>;
};

const startLimitMs = 20_000;

/**
 * Starts `nats-server` on a free port and waits until it greets.
 *
 * @throws StartProblem with its last words
 */
export async function startNats(options: {
	path: string;
	env: NodeJS.ProcessEnv;
	signal?: AbortSignal;
}): Promise<EmbeddedNats> {
	for (let attempt = 1; ; attempt++) {
		const port = await freePort();
		const child = await startGuarded(options.path, ['-a', '127.0.0.1', '-p', String(port)], { env: options.env });
		const failure = await waitForGreeting(child, port, options.signal);
		if (failure === null) return embedded(child, port);
		await child.stop();
		options.signal?.throwIfAborted();
		const words = child.lastLines().join('\n');
		if (attempt < 5 && /address already in use/i.test(words)) continue;
		throw new StartProblem(`NATS does not start: ${failure}${words === '' ? '' : `\n${words}`}`);
	}
}

function embedded(child: GuardedProcess, port: number): EmbeddedNats {
	return {
		url: `nats://127.0.0.1:${port}`,
		port,
		pid: child.pid,
		ended: child.ended,
		lastLines: child.lastLines,
		async stop() {
			await child.stop();
		},
	};
}

/** @returns null when it answers, else why it does not. */
async function waitForGreeting(child: GuardedProcess, port: number, signal?: AbortSignal): Promise<string | null> {
	let ending: Ending | null = null;
	void child.ended.then((end) => (ending = end));
	const end = performance.now() + startLimitMs;
	while (performance.now() < end) {
		if (signal?.aborted === true) return 'stopped';
		if (ending !== null) return `it ended with exit code ${(ending as Ending).code}`;
		if (await greets(port)) return null;
		await pause(20);
	}
	return `no answer within ${startLimitMs / 1000} s`;
}

/** A NATS server speaks first. */
function greets(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ port, host: '127.0.0.1' });
		const finish = (result: boolean): void => {
			socket.destroy();
			resolve(result);
		};
		socket.setTimeout(2_000, () => finish(false));
		socket.once('error', () => finish(false));
		socket.once('data', (data) => finish(data.toString('latin1').startsWith('INFO {')));
	});
}
