import { processNames, type ProcessName } from '../processes.ts';
import type { Config } from '../platform/config.ts';
import { answerHealth, isOwnRequest } from '../platform/health.ts';
import { listen } from '../platform/listen.ts';
import { createMetrics } from '../platform/metrics.ts';
import { supervise, type Supervised } from './child-process.ts';
import { frontServer } from './front.ts';
import { portProblem, runUntilStopped, type Session } from './run.ts';
import { mongoFor, natsFor } from './servers.ts';
import { publicAddress, rootUrlOf, withPort } from './up.ts';

/** How many processes of the two kinds that carry the load. */
export type Counts = { streamers: number; cores: number };

/** All but the first part of what a stop may take: sockets leave first, what they lean on last. */
const stopOrder: { names: readonly ProcessName[]; limitMs: number }[] = [
	{ names: ['ddp-streamer'], limitMs: 12_000 },
	{ names: ['core'], limitMs: 8_000 },
	{ names: ['accounts', 'authorization', 'presence', 'stream-hub'], limitMs: 6_000 },
];

/**
 * `rookery up --separate`: the six services as processes of their own over NATS, started again when they die, behind one
 * public port.
 */
export function upSeparate(counts: Counts): Promise<void> {
	return runUntilStopped('rookery', async (session) => {
		const { log, shutdown } = session;
		const config = await withPort(session.config);
		const mongoUrl = await mongoFor(session);
		const transporter = await natsFor(session);
		const group = startAll({ ...session, config }, counts, { mongoUrl, transporter });
		await openFront({ ...session, config }, group);
		await group.ready(shutdown.signal);
		const address = publicAddress(config);
		log.info({ event: 'ready', address }, `ready at ${address}`);
	});
}

type Group = {
	children: Supervised[];
	/** Resolves when every process is ready. */
	ready(signal: AbortSignal): Promise<void>;
	/** Resolves with the next change of a process, or after the time. */
	changed(limitMs: number): Promise<void>;
};

function startAll(session: Session, counts: Counts, urls: { mongoUrl: string; transporter: string }): Group {
	const { config, log, shutdown } = session;
	const waiting = new Set<() => void>();
	const onChange = (): void => {
		for (const wake of waiting) wake();
	};
	const onHopeless = (label: string, lastLines: string[]): void => {
		process.stderr.write(`${lastLines.map(readable).join('\n')}\n${label} does not start.\n`);
		void shutdown.stop(`${label} does not start`, 1);
	};
	const children = labels(counts).map(({ name, label }) => {
		const env = environmentOf(config, label, urls);
		return supervise({ process: name, label, env, log, onChange, onHopeless: (lines) => onHopeless(label, lines) });
	});
	shutdown.add('processes', async () => {
		for (const { names, limitMs } of stopOrder) {
			const part = children.filter((child) => names.includes(child.process));
			await Promise.all(part.map((child) => child.stop(limitMs)));
		}
	});
	const changed = (limitMs: number): Promise<void> =>
		new Promise((resolve) => {
			const wake = (): void => {
				clearTimeout(timer);
				waiting.delete(wake);
				resolve();
			};
			const timer = setTimeout(wake, limitMs);
			waiting.add(wake);
		});
	return {
		children,
		changed,
		async ready(signal) {
			while (!children.every((child) => child.isReady)) {
				await changed(1_000);
				signal.throwIfAborted();
			}
		},
	};
}

/** The message of a line of a child's log. */
function readable(line: string): string {
	try {
		return (JSON.parse(line) as { msg?: string }).msg ?? line;
	} catch {
		return line;
	}
}

function labels({ streamers, cores }: Counts): { name: ProcessName; label: string }[] {
	const copies: Partial<Record<ProcessName, number>> = { 'ddp-streamer': streamers, core: cores };
	return processNames.flatMap((name) => {
		const count = copies[name] ?? 1;
		return Array.from({ length: count }, (_, index) => ({ name, label: count === 1 ? name : `${name}-${index + 1}` }));
	});
}

/** What a child is told: everything we were, but where it listens, whom it follows and how it writes its log. */
function environmentOf(
	config: Config,
	label: string,
	{ mongoUrl, transporter }: { mongoUrl: string; transporter: string },
): NodeJS.ProcessEnv {
	return {
		...config.environment,
		MONGO_URL: mongoUrl,
		TRANSPORTER: transporter,
		ROOT_URL: rootUrlOf(config),
		PORT: '0',
		BIND_IP: '127.0.0.1',
		METRICS_PORT: '0',
		METRICS_BIND_IP: '127.0.0.1',
		// We stand in front, as one proxy more.
		HTTP_FORWARDED_COUNT: String(config.forwardedCount + 1),
		INSTANCE_ID: `${config.instanceId}-${label}`,
		LOG_FORMAT: 'json',
		ROOKERY_SUPERVISED: '1',
	};
}

async function openFront({ config, log, shutdown }: Session, { children, changed }: Group): Promise<void> {
	const metrics = createMetrics();
	shutdown.add('metrics', metrics.stop);
	const checks = Object.fromEntries(children.map((child) => [child.label, () => child.isReady]));
	const targetsOf = (name: ProcessName) => () =>
		children.flatMap((child) =>
			child.process === name && child.port !== null ? [{ key: child.label, port: child.port }] : [],
		);
	const server = frontServer({
		prefix: new URL(rootUrlOf(config)).pathname.replace(/\/$/, ''),
		cores: targetsOf('core'),
		streamers: targetsOf('ddp-streamer'),
		changed,
		before: (request, response) => isOwnRequest(request) && answerHealth(request, response, { metrics, checks }),
		log,
	});
	const host = config.bindIp ?? '127.0.0.1';
	try {
		await listen(server, config.port, host);
	} catch (error) {
		throw portProblem(error, { variable: 'PORT', port: config.port, host });
	}
	// Sockets that are open are ended by their streamers; the front only takes no more.
	shutdown.add('front', () => {
		server.close();
		server.closeIdleConnections();
	});
}
