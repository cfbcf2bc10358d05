import { flushCompileCache } from 'node:module';
import { readConfig, ConfigError, type Config } from '../platform/config.ts';
import { createLog, type Log, type ProcessLog } from '../platform/log.ts';
import { handleShutdown, type Shutdown } from '../platform/shutdown.ts';
import { StartProblem } from '../platform/start-problem.ts';

/** What a command that keeps running works with. */
export type Session = { config: Config; log: ProcessLog; shutdown: Shutdown };

/** The message of an error that the person who typed the command can act on, or null: then it is a bug. */
export function problemText(error: unknown): string | null {
	if (error instanceof ConfigError || error instanceof StartProblem) return error.message;
	return null;
}

/** Names the port that cannot be had. Other errors stay as they are. */
export function portProblem(
	error: unknown,
	{ variable, port, host }: { variable: string; port: number; host: string },
) {
	const code = error instanceof Error && 'code' in error ? error.code : null;
	const address = variable === 'PORT' ? 'BIND_IP' : 'METRICS_BIND_IP';
	if (code === 'EADDRINUSE') {
		return new StartProblem(
			`Port ${port} is in use by another program. Stop it, or choose another port: ${variable}=${port + 1} (0 = any free one).`,
		);
	}
	if (code === 'EACCES') {
		return new StartProblem(
			`Port ${port} may not be used without more rights. Choose one from 1024: ${variable}=3000.`,
		);
	}
	if (code === 'EADDRNOTAVAIL') return new StartProblem(`${address}: this machine does not have the address ${host}.`);
	return error;
}

/**
 * Runs a command that keeps running until it is asked to stop: reads the configuration, starts, and on a failure stops what
 * was started and exits with 1.
 *
 * @param start Adds what it opened to the shutdown, as it opens it. Anything may be cut off by the shutdown's signal.
 */
export async function runUntilStopped(name: string, start: (session: Session) => Promise<void>): Promise<void> {
	const config = readConfig(process.env);
	const log = createLog({ name, level: config.logLevel, format: config.logFormat });
	const shutdown = handleShutdown({ log });
	reportBugs(log, shutdown);
	if (config.ignored.length > 0) {
		log.info(
			{ event: 'config.ignored', variables: config.ignored },
			'these variables have no meaning here and are ignored',
		);
	}
	const starting = start({ config, log, shutdown });
	// Stopped last: a start that is cut off unwinds first.
	shutdown.add('start', () => starting.catch(() => undefined));
	try {
		await starting;
		// Kept for the next start, also when this process is killed.
		flushCompileCache();
	} catch (error) {
		if (shutdown.signal.aborted) return;
		const problem = problemText(error);
		if (problem === null) log.fatal({ event: 'start.failed', err: error }, 'the start failed');
		else process.stderr.write(`${problem}\n`);
		await shutdown.stop('start failed', 1);
	}
}

/** A bug in one place must not end the rest; one that leaves an unknown state does. @see security contract, REL-13 */
function reportBugs(log: Log, shutdown: Shutdown): void {
	process.on('unhandledRejection', (error) => {
		log.error({ event: 'unhandled', err: error }, 'a promise was rejected and nobody cared');
	});
	process.on('uncaughtException', (error) => {
		log.fatal({ event: 'unhandled', err: error }, 'an error was thrown and nobody caught it: stopping');
		void shutdown.stop('bug', 1);
	});
}
