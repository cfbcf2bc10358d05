import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { setTimeout as pause } from 'node:timers/promises';
import { randomId } from '@rookery/protocol/ids.ts';
import { findBinary, type FoundBinary } from '../platform/binaries/find-binary.ts';
import { startMongod, type EmbeddedMongod } from '../platform/embedded/mongod.ts';
import { startNats, type EmbeddedNats } from '../platform/embedded/nats.ts';
import { readConfig } from '../platform/config.ts';
import { printedProgress } from '../platform/progress.ts';
import { StartProblem } from '../platform/start-problem.ts';
import { ensurePrimary } from '../repositories/replica-set.ts';

/**
 * `npm test`: brings a MongoDB and a NATS server, runs the test files on them and removes everything again. The last line is
 * `N passed, N failed`.
 *
 * Arguments are files or parts of file names; none = every test.
 */

const root = resolve(import.meta.dirname, '../../../..');
const patterns = ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'];
/** Of one test that names no limit of its own. */
const testLimitMs = 180_000;
const wholeLimitMs = 20 * 60_000;
const filesAtOnce = 2;

type Counts = { passed: number; failed: number; skipped: number };

const progress = printedProgress();
const stopping = new AbortController();
const mark = randomId();

for (const name of ['SIGINT', 'SIGTERM'] as const) {
	process.on(name, () => stopping.abort(new StartProblem(`stopped by ${name}`)));
}

process.exitCode = await main(process.argv.slice(2));

/** @returns The exit code. */
async function main(filters: string[]): Promise<number> {
	const files = testFiles(filters);
	if (files.length === 0) {
		process.stderr.write(`No test file matches ${filters.join(', ')}.\n`);
		return 1;
	}
	const folder = await mkdtemp(join(tmpdir(), 'rookery-test-'));
	try {
		const counts = await withServers(folder, () => runFiles(files));
		if (counts.skipped > 0) process.stdout.write(`${counts.skipped} skipped\n`);
		process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
		return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
	} catch (error) {
		if (!(error instanceof StartProblem)) throw error;
		process.stderr.write(`${error.message}\n`);
		return 1;
	} finally {
		await rm(folder, { recursive: true, force: true, maxRetries: 5 });
	}
}

function testFiles(filters: string[]): string[] {
	const all = globSync(patterns, { cwd: root }).map((file) => file.replaceAll('\\', '/'));
	const wanted = filters.map((filter) => filter.replace(/^\.\//, '').replace(`${root}/`, ''));
	const files = wanted.length === 0 ? all : all.filter((file) => wanted.some((part) => file.includes(part)));
	const named = filters
		.filter((filter) => filter.endsWith('.test.ts') && existsSync(filter))
		.map((file) => resolve(file));
	return [...new Set([...files.map((file) => join(root, file)), ...named])].sort();
}

async function withServers(folder: string, work: () => Promise<Counts>): Promise<Counts> {
	const servers: { stop(): Promise<void> }[] = [];
	try {
		const mongod = await find('mongod');
		const natsServer = await find('nats-server');
		const mongo = await startMongod({
			path: mongod.path,
			dataDirectory: join(folder, 'data'),
			env: process.env,
			progress,
			cacheGb: 0.5,
			// Hundreds of databases come and go: files of dropped ones must not stay open until the limit of the system.
			extra: [
				'--wiredTigerEngineConfigString',
				'file_manager=(close_idle_time=3,close_scan_interval=1,close_handle_minimum=100)',
			],
			initiate: ensurePrimary,
			signal: stopping.signal,
		});
		servers.push(mongo);
		const nats = await startNats({ path: natsServer.path, env: process.env, signal: stopping.signal });
		servers.push(nats);
		watch(mongo, nats);
		progress.step(
			`testing on MongoDB ${mongod.version} (port ${mongo.port}) and NATS ${natsServer.version} (${nats.port})`,
		);
		Object.assign(process.env, {
			ROOKERY_TEST_MONGO_URL: mongo.url,
			ROOKERY_TEST_NATS_URL: nats.url,
			ROOKERY_TEST_MONGOD: mongod.path,
			ROOKERY_TEST_NATS_SERVER: natsServer.path,
			ROOKERY_TEST_RUN: mark,
			// Every file is a process of its own that loads the same sources.
			NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, 'node_modules', '.cache', 'rookery'),
		});
		return await work();
	} finally {
		await endLeftOver();
		await Promise.all(servers.map((server) => server.stop()));
	}
}

/** A server that dies takes the run with it: what follows would only confuse. */
function watch(mongo: EmbeddedMongod, nats: EmbeddedNats): void {
	void mongo.ended.then(() => stopping.abort(new StartProblem('MongoDB ended while the tests ran')));
	void nats.ended.then(() => stopping.abort(new StartProblem('NATS ended while the tests ran')));
}

function find(program: 'mongod' | 'nats-server'): Promise<FoundBinary> {
	const config = readConfig(process.env);
	return findBinary(program, {
		named: program === 'mongod' ? config.mongod : config.natsServer,
		binDirectory: config.binDirectory,
		env: process.env,
		progress,
		signal: stopping.signal,
	});
}

async function runFiles(files: string[]): Promise<Counts> {
	const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
	const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(wholeLimitMs)]);
	const events = run({ files, concurrency: filesAtOnce, timeout: testLimitMs, signal, cwd: root });
	let isSuccess = false;
	events.on('test:summary', ({ file, success, counts: { tests, passed, skipped, todo } }) => {
		// With a file it is a part of the whole.
		if (file !== undefined) return;
		isSuccess = success;
		Object.assign(counts, { passed, skipped: skipped + todo, failed: tests - passed - skipped - todo });
	});
	const report = events.compose(spec);
	for await (const text of report) process.stdout.write(text as string);
	if (signal.aborted) process.stderr.write(`${signal.reason instanceof Error ? signal.reason.message : 'stopped'}\n`);
	// A hook that failed is no test, but a failure.
	if (!isSuccess || signal.aborted) counts.failed = Math.max(1, counts.failed);
	return counts;
}

/** Ends what tests started and left: processes that carry this run's mark in their environment. Linux only. */
async function endLeftOver(): Promise<void> {
	const left = markedProcesses();
	if (left.length === 0) return;
	progress.step(`ending ${left.length} processes that tests left behind`);
	for (const pid of left) signalTo(pid, 'SIGTERM');
	for (let waitedMs = 0; waitedMs < 5_000 && markedProcesses().length > 0; waitedMs += 100) await pause(100);
	for (const pid of markedProcesses()) signalTo(pid, 'SIGKILL');
}

function markedProcesses(): number[] {
	if (process.platform !== 'linux') return [];
	const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
	return pids.filter((pid) => environmentOf(pid).includes(`ROOKERY_TEST_RUN=${mark}`)).map(Number);
}

/** '' when it is gone, or not ours. */
function environmentOf(pid: string): string {
	try {
		return readFileSync(`/proc/${pid}/environ`, 'latin1');
	} catch {
		return '';
	}
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch {
		// it has just ended
	}
}
