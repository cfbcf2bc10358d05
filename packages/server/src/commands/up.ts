import { createServer } from 'node:net';
import { processNames, startProcesses } from '../processes.ts';
import type { Config } from '../platform/config.ts';
import { freePort } from '../platform/embedded/free-port.ts';
import { openContext, whenDatabaseAnswers } from './open-context.ts';
import { portProblem, runUntilStopped } from './run.ts';
import { checkedTransporter, mongoFor } from './servers.ts';

/** `rookery up`: everything in this process, with a MongoDB of its own unless `MONGO_URL` names one. */
export function up(): Promise<void> {
	return runUntilStopped('rookery', async (session) => {
		const { log, shutdown } = session;
		const config = await withPort(session.config);
		const mongoUrl = await mongoFor(session);
		const opened = await openContext({
			...session,
			config,
			name: 'rookery',
			mongoUrl,
			transporter: config.transporter === null ? null : checkedTransporter(config.transporter),
			rootUrl: rootUrlOf(config),
			hasPublicHealth: true,
		});
		try {
			const running = await whenDatabaseAnswers(session, () => startProcesses(processNames, opened.context));
			opened.watch(running);
		} catch (error) {
			throw portProblem(error, { variable: 'PORT', port: config.port, host: hostOf(config) });
		}
		shutdown.signal.throwIfAborted();
		const address = publicAddress(config);
		log.info({ event: 'ready', address }, `ready at ${address}`);
	});
}

function hostOf(config: Config): string {
	return config.bindIp ?? '127.0.0.1';
}

/**
 * The configuration with a port that can be had: a busy one is told before anything is fetched or started, and 0 becomes a
 * free one.
 *
 * @throws StartProblem
 */
export async function withPort(config: Config): Promise<Config> {
	if (config.port === 0) return { ...config, bindIp: hostOf(config), port: await freePort() };
	try {
		await tryListening(config.port, hostOf(config));
	} catch (error) {
		throw portProblem(error, { variable: 'PORT', port: config.port, host: hostOf(config) });
	}
	return { ...config, bindIp: hostOf(config) };
}

function tryListening(port: number, host: string): Promise<void> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once('error', reject);
		server.listen(port, host, () => server.close(() => resolve()));
	});
}

/** `ROOT_URL`, or the address on this machine. */
export function rootUrlOf(config: Config): string {
	return config.rootUrl ?? `http://localhost:${config.port}`;
}

/** Where a browser on this machine finds the server. */
export function publicAddress(config: Config): string {
	const prefix = new URL(rootUrlOf(config)).pathname.replace(/\/$/, '');
	const host = hostOf(config);
	const isHere = host === '0.0.0.0' || host === '::' || host === '127.0.0.1' || host === 'localhost';
	return `http://${isHere ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${config.port}${prefix}`;
}
