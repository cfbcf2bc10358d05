import { readConfig, type Config } from '../platform/config.ts';
import { createLog, type Log } from '../platform/log.ts';
import { handleShutdown } from '../platform/shutdown.ts';
import { StartProblem } from '../platform/start-problem.ts';
import { connectDatabase, type Database } from '../repositories/database.ts';
import { mongoFor, runningMongo } from './servers.ts';

/** What a command that does one thing and ends works with. */
export type LocalWork = { config: Config; log: Log; database: Database };

const connectMs = 15_000;

/**
 * Does one thing on the database of `MONGO_URL`, else on that of a running `rookery up`, else on its data with a MongoDB
 * started just for this.
 *
 * @throws StartProblem when there is no database within 15 s
 */
export async function withLocalDatabase(work: (local: LocalWork) => Promise<void>): Promise<void> {
	const config = readConfig(process.env);
	const log = createLog({
		name: 'rookery',
		level: config.logLevel === 'info' ? 'warn' : config.logLevel,
		format: config.logFormat,
	});
	const shutdown = handleShutdown({ log, exit: (code) => void (process.exitCode ||= code) });
	try {
		const running = config.mongoUrl === null ? await runningMongo(config) : null;
		const url = running ?? (await mongoFor({ config, log, shutdown }));
		const database = await connect(url, shutdown.signal);
		shutdown.add('database', database.close);
		await work({ config, log, database });
	} finally {
		await shutdown.stop('done');
	}
}

async function connect(url: string, stopping: AbortSignal): Promise<Database> {
	const limit = AbortSignal.timeout(connectMs);
	let last = '';
	try {
		return await connectDatabase(url, {
			appName: 'rookery command',
			selectionTimeoutMs: 5_000,
			signal: AbortSignal.any([stopping, limit]),
			onRetry: (error) => (last = error.message),
		});
	} catch (error) {
		if (!limit.aborted) throw error;
		throw new StartProblem(`MongoDB cannot be reached within ${connectMs / 1000} s${last === '' ? '' : `: ${last}`}`);
	}
}
