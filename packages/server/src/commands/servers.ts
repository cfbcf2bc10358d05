import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinary, type FoundBinary } from '../platform/binaries/find-binary.ts';
import { BadServers, parseServers } from '../bus/nats-servers.ts';
import { variables } from '../platform/config-variables.ts';
import type { Config } from '../platform/config.ts';
import { startMongod } from '../platform/embedded/mongod.ts';
import { startNats } from '../platform/embedded/nats.ts';
import { lockHolder } from '../platform/file-lock.ts';
import type { Log } from '../platform/log.ts';
import { printedProgress, type Progress } from '../platform/progress.ts';
import type { Shutdown } from '../platform/shutdown.ts';
import { StartProblem } from '../platform/start-problem.ts';
import { defaultDatabaseName } from '../repositories/database.ts';
import { mongoUrlProblem } from '../repositories/mongo-url.ts';
import { ensurePrimary } from '../repositories/replica-set.ts';

type Options = { config: Config; log: Log; shutdown: Shutdown; progress?: Progress };

const withoutDatabaseMs = 3_000;

/**
 * The MongoDB to use: that of `MONGO_URL`, else one of our own, found or fetched and started.
 *
 * @returns Its URL.
 * @throws StartProblem
 */
export async function mongoFor({ config, log, shutdown, progress = printedProgress() }: Options): Promise<string> {
	if (config.mongoUrl !== null) return checkedMongoUrl(config.mongoUrl);
	const { path } = await find('mongod', config, progress, shutdown.signal);
	progress.step(`starting MongoDB on the data in ${config.dataDirectory}`);
	const server = await startMongod({
		path,
		dataDirectory: config.dataDirectory,
		env: process.env,
		progress,
		initiate: ensurePrimary,
		signal: shutdown.signal,
	});
	shutdown.add('mongod', server.stop);
	log.info({ event: 'mongod.started', childPid: server.pid, port: server.port }, 'MongoDB is ready');
	void server.ended.then(async (ending) => {
		if (shutdown.signal.aborted) return;
		const lastLines = (await server.lastLogLines()).slice(-5);
		log.fatal(
			{ event: 'mongod.ended', ...ending, lastLines },
			`MongoDB ended unexpectedly; its log is in ${config.dataDirectory}`,
		);
		// Nothing can be stored any more: there is nothing to wait for.
		await shutdown.stop('MongoDB ended', 1, withoutDatabaseMs);
	});
	return withDatabase(server.url);
}

/**
 * The NATS to use: that of `TRANSPORTER`, else one of our own, found or fetched and started.
 *
 * @returns As for `TRANSPORTER`.
 * @throws StartProblem also when `TRANSPORTER` cannot be read
 */
export async function natsFor({ config, log, shutdown, progress = printedProgress() }: Options): Promise<string> {
	if (config.transporter !== null) return checkedTransporter(config.transporter);
	const { path } = await find('nats-server', config, progress, shutdown.signal);
	const server = await startNats({ path, env: process.env, signal: shutdown.signal });
	shutdown.add('nats-server', server.stop);
	log.info({ event: 'nats.started', childPid: server.pid, port: server.port }, 'NATS is ready');
	void server.ended.then(async (ending) => {
		if (shutdown.signal.aborted) return;
		log.fatal({ event: 'nats.ended', ...ending, lastLines: server.lastLines().slice(-5) }, 'NATS ended unexpectedly');
		await shutdown.stop('NATS ended', 1);
	});
	return server.url;
}

/** The URL, when a driver can read it. @throws StartProblem */
export function checkedMongoUrl(url: string): string {
	const problem = mongoUrlProblem(url);
	if (problem !== null) throw new StartProblem(`MONGO_URL: ${problem}. Allowed: ${variables.MONGO_URL.allowed}.`);
	return url;
}

/** The servers, when they can be read. @throws StartProblem */
export function checkedTransporter(servers: string): string {
	try {
		parseServers(servers);
		return servers;
	} catch (error) {
		if (!(error instanceof BadServers)) throw error;
		throw new StartProblem(`TRANSPORTER: ${error.message}. Allowed: ${variables.TRANSPORTER.allowed}.`);
	}
}

/** URL of the MongoDB that a running `rookery up` started on this data, or null when none runs. */
export async function runningMongo(config: Config): Promise<string | null> {
	if ((await lockHolder(join(config.dataDirectory, 'rookery.lock'))) === null) return null;
	const port = Number.parseInt(await readFile(join(config.dataDirectory, 'mongod.port'), 'utf8').catch(() => ''), 10);
	return port > 0 ? withDatabase(`mongodb://127.0.0.1:${port}/?replicaSet=rs01`) : null;
}

function withDatabase(url: string): string {
	return url.replace('/?', `/${defaultDatabaseName}?`);
}

function find(
	program: 'mongod' | 'nats-server',
	config: Config,
	progress: Progress,
	signal: AbortSignal,
): Promise<FoundBinary> {
	const named = program === 'mongod' ? config.mongod : config.natsServer;
	return findBinary(program, { named, binDirectory: config.binDirectory, env: process.env, progress, signal });
}
