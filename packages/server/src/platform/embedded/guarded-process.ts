import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** How a program ended. A program that a signal ended has 128 + its number as code. */
export type Ending = { code: number | null; signal: NodeJS.Signals | null };

/** A program that runs beside this process and never longer than it. */
export type GuardedProcess = {
	/** Of the program itself. */
	readonly pid: number;
	/** Resolves when it has ended, for whatever reason. */
	readonly ended: Promise<Ending>;
	/** The last lines it wrote, for the report of a crash. */
	lastLines(): string[];
	/** Asks it to end and waits; after the limit (default 20 s) it is killed. */
	stop(limitMs?: number): Promise<Ending>;
};

type Options = { env: NodeJS.ProcessEnv; onLine?: (line: string) => void };

/**
 * A shell stands between us and the program: it holds a pipe of ours, and when that ends, however this process died, it asks
 * the program to end. Both run in a session of their own, so Ctrl-C in a terminal does not reach them: we decide.
 */
const guard = `
exec 4<&0
"$@" 3>&- 4<&- </dev/null &
program=$!
echo "$program" >&3
exec 3>&-
(read -r line <&4; kill -TERM "$program") >/dev/null 2>&1 &
watcher=$!
exec 4<&- </dev/null
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

const keptLines = 40;

/**
 * Starts a program that ends with this process, also when this process is killed.
 *
 * @throws The system's error when it cannot be started
 */
export async function startGuarded(command: string, args: string[], options: Options): Promise<GuardedProcess> {
	const isWindows = process.platform === 'win32';
	const child = isWindows
		? spawn(command, args, { env: options.env, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true })
		: spawn('/bin/sh', ['-c', guard, 'sh', command, ...args], {
				env: options.env,
				stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
				detached: true,
			});
	const lines: string[] = [];
	readLines([child.stdout, child.stderr], (line) => {
		lines.push(line);
		if (lines.length > keptLines) lines.shift();
		options.onLine?.(line);
	});
	const ended = new Promise<Ending>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
	child.stdin?.on('error', () => undefined); // it has ended already
	const pid = isWindows ? await ownPid(child) : await programPid(child);
	return {
		pid,
		ended,
		lastLines: () => [...lines],
		async stop(limitMs = 20_000) {
			if (isWindows) child.kill();
			else child.stdin?.end();
			const timer = setTimeout(() => kill(pid), limitMs);
			const ending = await ended;
			clearTimeout(timer);
			return ending;
		},
	};
}

function readLines(streams: (Readable | null)[], onLine: (line: string) => void): void {
	for (const input of streams) if (input !== null) createInterface({ input }).on('line', onLine);
}

function ownPid(child: ChildProcess): Promise<number> {
	return new Promise((resolve, reject) => {
		child.once('error', reject);
		child.once('spawn', () => resolve(child.pid ?? 0));
	});
}

/** The shell tells the program's number on a pipe of its own. */
function programPid(child: ChildProcess): Promise<number> {
	return new Promise((resolve, reject) => {
		const pipe = child.stdio[3] as Readable & Writable;
		let text = '';
		child.once('error', reject);
		pipe.on('data', (chunk: Buffer) => (text += chunk.toString()));
		pipe.once('end', () => {
			const pid = Number.parseInt(text, 10);
			if (pid > 0) resolve(pid);
			else reject(new Error('the program could not be started'));
		});
	});
}

function kill(pid: number): void {
	try {
		process.kill(pid, 'SIGKILL');
	} catch {
		// it has just ended
	}
}
