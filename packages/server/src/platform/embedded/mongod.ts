import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isAlive, isLock, takeLock, type FileLock } from '../file-lock.ts';
import type { Progress } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { StartProblem } from '../start-problem.ts';
import { freePort } from './free-port.ts';
import { startGuarded, type Ending, type GuardedProcess } from './guarded-process.ts';

/** A MongoDB of our own: one node of replica set `rs01` on the loopback address. */
export type EmbeddedMongod = {
	/** With the replica set's name, without a database. */
	url: string;
	port: number;
	pid: number;
	/** Resolves when it has ended, asked or not. */
	ended: Promise<Ending>;
	/** The end of its log: what it said before it ended. */
	lastLogLines(): Promise<string[]>;
	/** Shuts it down cleanly and frees the data. */
	stop(): Promise<void>;
};

type Options = {
	/** The program. */
	path: string;
	/** Where the data lies; created. */
	dataDirectory: string;
	env: NodeJS.ProcessEnv;
	progress: Progress;
	/** Size of its cache. Default 0.25. */
	cacheGb?: number;
	/** Further arguments of the program. */
	extra?: string[];
	/** Makes the node on this port primary of its set and returns when it is: see `ensurePrimary`. */
	initiate: (target: { port: number; replicaSet: string; signal: AbortSignal }) => Promise<void>;
	signal?: AbortSignal;
};

const replicaSet = 'rs01';
/** A recovery after a crash included. */
const startLimitMs = 60_000;
const maxLogBytes = 10 * 1024 * 1024;

/**
 * Starts `mongod` on a free port and waits until it is primary. One server a data directory: a second start is refused; one
 * that a killed start left behind is stopped first.
 *
 * @throws StartProblem when the data is in use or the server does not start, with the reason from its log
 * @see architecture, "Getting MongoDB and NATS on a bare machine"
 */
export async function startMongod(options: Options): Promise<EmbeddedMongod> {
	const { dataDirectory } = options;
	const lock = await lockData(dataDirectory);
	try {
		await stopLeftOver(options);
		const server = await startOnFreePort(options);
		const url = `mongodb://127.0.0.1:${server.port}/?replicaSet=${replicaSet}`;
		return {
			url,
			port: server.port,
			pid: server.process.pid,
			ended: server.process.ended,
			lastLogLines: () => lastLogLines(dataDirectory),
			async stop() {
				await server.process.stop();
				await lock.release();
			},
		};
	} catch (error) {
		await lock.release();
		throw error;
	}
}

async function lockData(dataDirectory: string): Promise<FileLock> {
	try {
		await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
		const lock = await takeLock(join(dataDirectory, 'rookery.lock'), 'rookery up');
		if (isLock(lock)) return lock;
		throw new StartProblem(
			`The data in ${dataDirectory} is in use by another Rookery (process ${lock.pid}).\n` +
				'Stop it first, or start this one on other data: ROOKERY_DATA=/another/folder',
		);
	} catch (error) {
		if (error instanceof StartProblem) throw error;
		throw new StartProblem(`The data folder ${dataDirectory} cannot be used: ${messageOf(error)}`);
	}
}

/** A server on this data whose starter was killed together with its guard. */
async function stopLeftOver({ dataDirectory, env, progress }: Options): Promise<void> {
	const text = await readFile(join(dataDirectory, 'mongod.lock'), 'utf8').catch(() => '');
	const pid = Number.parseInt(text, 10);
	if (!(pid > 0) || !isAlive(pid) || !(await isServerOn(pid, dataDirectory, env))) return;
	progress.step(`stopping the MongoDB (process ${pid}) that an earlier start left behind`);
	process.kill(pid, 'SIGTERM');
	for (let waitedMs = 0; isAlive(pid); waitedMs += 100) {
		if (waitedMs >= 20_000) process.kill(pid, 'SIGKILL');
		if (waitedMs >= 25_000)
			throw new StartProblem(`The MongoDB of an earlier start (process ${pid}) cannot be stopped.`);
		await pause(100);
	}
}

/** Numbers of processes are used again: only one that was started on this data is meant. */
async function isServerOn(pid: number, dataDirectory: string, env: NodeJS.ProcessEnv): Promise<boolean> {
	const fromProc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
	const command =
		fromProc ?? (await runCommand('ps', ['-p', String(pid), '-o', 'command='], { env, timeoutMs: 5_000 })).stdout;
	return command.includes('mongod') && command.includes(dataDirectory);
}

type Server = { process: GuardedProcess; port: number };

/** A port may be taken between our look and the server's: then another one is tried. */
async function startOnFreePort(options: Options): Promise<Server> {
	const portFile = join(options.dataDirectory, 'mongod.port');
	// The set's configuration holds the port: the same one again saves a reconfiguration.
	const lastPort = Number.parseInt(await readFile(portFile, 'utf8').catch(() => '0'), 10) || 0;
	for (let attempt = 1; ; attempt++) {
		const port = await freePort(attempt === 1 ? lastPort : 0);
		const server = await start(options, port);
		if (server !== 'port taken') {
			await writeFile(portFile, `${port}\n`);
			return server;
		}
		if (attempt === 5) throw new StartProblem('MongoDB found no free port on 127.0.0.1.');
	}
}

async function start(options: Options, port: number): Promise<Server | 'port taken'> {
	const { path, dataDirectory, env, initiate, signal } = options;
	await rotateLog(dataDirectory);
	const child = await startGuarded(path, mongodArguments(options, port), { env });
	const starting = new AbortController();
	const limits = [starting.signal, AbortSignal.timeout(startLimitMs), ...(signal === undefined ? [] : [signal])];
	try {
		await Promise.race([
			initiate({ port, replicaSet, signal: AbortSignal.any(limits) }),
			child.ended.then(({ code }) =>
				Promise.reject(new EndedEarly(`MongoDB ended while it started (exit code ${code})`)),
			),
		]);
		return { process: child, port };
	} catch (error) {
		starting.abort();
		await child.stop();
		signal?.throwIfAborted();
		const lines = [...child.lastLines(), ...(await lastLogLines(dataDirectory))];
		if (error instanceof EndedEarly && lines.some((line) => /address already in use/i.test(line))) return 'port taken';
		throw new StartProblem(explain(messageOf(error), lines, dataDirectory));
	}
}

class EndedEarly extends Error {}

function mongodArguments({ dataDirectory, cacheGb = 0.25, extra = [] }: Options, port: number): string[] {
	return [
		'--dbpath',
		dataDirectory,
		'--port',
		String(port),
		'--bind_ip',
		'127.0.0.1',
		'--nounixsocket',
		'--replSet',
		replicaSet,
		'--wiredTigerCacheSizeGB',
		String(cacheGb),
		'--setParameter',
		'diagnosticDataCollectionEnabled=false',
		// Alone in its set it has nobody to hand over to.
		'--setParameter',
		'shutdownTimeoutMillisForSignaledShutdown=100',
		'--quiet',
		'--logpath',
		logPath(dataDirectory),
		'--logappend',
		...extra,
	];
}

function logPath(dataDirectory: string): string {
	return join(dataDirectory, 'mongod.log');
}

/** Keeps the log of this start and at most 10 MiB of earlier ones. */
async function rotateLog(dataDirectory: string): Promise<void> {
	const path = logPath(dataDirectory);
	const size = await stat(path).then(
		(found) => found.size,
		() => 0,
	);
	if (size > maxLogBytes) await rename(path, `${path}.1`);
}

async function lastLogLines(dataDirectory: string): Promise<string[]> {
	const wanted = 64 * 1024;
	try {
		const file = await open(logPath(dataDirectory), 'r');
		try {
			const { size } = await file.stat();
			const { buffer, bytesRead } = await file.read(Buffer.alloc(wanted), 0, wanted, Math.max(0, size - wanted));
			return buffer.toString('utf8', 0, bytesRead).trim().split('\n').slice(-60);
		} finally {
			await file.close();
		}
	} catch {
		return [];
	}
}

/** What the log says went wrong, in words. */
function explain(what: string, lines: string[], dataDirectory: string): string {
	const text = lines.join('\n');
	const where = `Its log: ${logPath(dataDirectory)}`;
	if (/No space left on device/i.test(text)) return `MongoDB does not start: the disk of ${dataDirectory} is full.`;
	if (/Permission denied/i.test(text)) return `MongoDB does not start: ${dataDirectory} may not be written.\n${where}`;
	if (/DBPathInUse|Unable to lock the lock file/i.test(text)) {
		return `The data in ${dataDirectory} is in use by another MongoDB.\nStop it first, or set ROOKERY_DATA to another folder.`;
	}
	if (
		/featureCompatibilityVersion|FeatureCompatibilityVersion|UPGRADE PROBLEM|unsupported WiredTiger file version/.test(
			text,
		)
	) {
		return `MongoDB does not start: the data in ${dataDirectory} was written by another version of it.\nName that version's mongod by ROOKERY_MONGOD, or set ROOKERY_DATA to another folder.\n${where}`;
	}
	const reasons = lines.map(reasonOf).filter((reason) => reason !== null);
	return `${what}.${reasons.length === 0 ? '' : `\n${reasons.slice(-3).join('\n')}`}\n${where}`;
}

/** The message of a line of MongoDB's log that tells of an error. */
function reasonOf(line: string): string | null {
	try {
		const { s, msg, attr } = JSON.parse(line) as { s: string; msg: string; attr?: unknown };
		return s === 'E' || s === 'F'
			? `${msg} ${attr === undefined ? '' : JSON.stringify(attr).slice(0, 300)}`.trim()
			: null;
	} catch {
		return null;
	}
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
