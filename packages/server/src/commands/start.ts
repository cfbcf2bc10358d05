import { busClient } from '../bus/bus.ts';
import { serveHealth } from '../platform/health.ts';
import { retry } from '../platform/retry.ts';
import { StartProblem } from '../platform/start-problem.ts';
import { processNames, startProcesses, type ProcessContext, type ProcessName } from '../processes.ts';
import type { CoreApi } from '../services/contracts.ts';
import { openContext, whenDatabaseAnswers, type Opened } from './open-context.ts';
import { portProblem, runUntilStopped, type Session } from './run.ts';
import { checkedMongoUrl, checkedTransporter } from './servers.ts';
import { rootUrlOf } from './up.ts';

/** The names of the containers in Rocket.Chat's microservices guide. */
const otherNames: Record<string, ProcessName> = {
	'accounts-service': 'accounts',
	'authorization-service': 'authorization',
	'presence-service': 'presence',
	'mongodb-stream-hub': 'stream-hub',
	'stream-hub-service': 'stream-hub',
	'ddp-streamer-service': 'ddp-streamer',
	rocketchat: 'core',
};

/** The process of this name. @throws StartProblem */
export function processOf(name: string): ProcessName {
	const found = processNames.find((known) => known === name) ?? otherNames[name];
	if (found !== undefined) return found;
	throw new StartProblem(`There is no process '${name}'. Known: ${processNames.join(', ')}.`);
}

/** `rookery start <process>`: one process of a deployment, over `MONGO_URL` and `TRANSPORTER`. */
export function start(processName: string): Promise<void> {
	const name = processOf(processName);
	return runUntilStopped(name, async (session) => {
		const { config, log, shutdown } = session;
		const { mongoUrl, transporter } = config;
		if (mongoUrl === null || transporter === null) throw new StartProblem(missingVariables(mongoUrl, transporter));
		stopWithSupervisor(session);
		const opened = await openContext({
			...session,
			name,
			mongoUrl: checkedMongoUrl(mongoUrl),
			transporter: checkedTransporter(transporter),
			rootUrl: rootUrlOf(config),
			hasPublicHealth: false,
			onMetrics: (health) => openHealth(session, health),
		});
		const host = config.bindIp ?? '0.0.0.0';
		const context = { ...opened.context, config: { ...config, bindIp: host } };
		try {
			const running = await whenDatabaseAnswers(session, () => startProcesses([name], context));
			opened.watch(running);
			shutdown.signal.throwIfAborted();
			const address =
				running.port === null ? null : `http://${host.includes(':') ? `[${host}]` : host}:${running.port}`;
			log.info({ event: 'ready', process: name, address }, address === null ? 'ready' : `ready at ${address}`);
			if (name !== 'core') welcomeAdmin(session, opened.context);
		} catch (error) {
			throw portProblem(error, { variable: 'PORT', port: config.port, host });
		}
	});
}

function missingVariables(mongoUrl: string | null, transporter: string | null): string {
	const missing = [...(mongoUrl === null ? ['MONGO_URL'] : []), ...(transporter === null ? ['TRANSPORTER'] : [])];
	return (
		`${missing.join(' and ')} must be set: a process of a deployment shares its database and bus with the others, e.g.\n` +
		'    MONGO_URL=mongodb://mongo/rocketchat?replicaSet=rs01 TRANSPORTER=nats://nats:4222 rookery start core\n' +
		'All of them at once, with nothing set: rookery up'
	);
}

/** The administrator this start made joins the default rooms as everybody does: a core does that, once one is there. */
function welcomeAdmin({ log, shutdown }: Session, { bus, newAdminId }: ProcessContext): void {
	if (newAdminId === null) return;
	const core = busClient<CoreApi>(bus, 'core', { joinDefaultRooms: { deadlineMs: 15_000 } });
	retry(() => core.joinDefaultRooms(newAdminId, true), { signal: shutdown.signal }).catch((error: unknown) => {
		if (!shutdown.signal.aborted) log.error({ event: 'join-default-rooms', uid: newAdminId, err: error }, 'not joined');
	});
}

/** Answers from the first moment on: a process that waits for its database is alive and not ready. */
async function openHealth(
	{ config, log, shutdown }: Session,
	health: Pick<Opened, 'metrics' | 'checks'>,
): Promise<void> {
	const { metricsPort: port, metricsBindIp: host } = config;
	try {
		const server = await serveHealth({ ...health, port, host });
		shutdown.add('health', server.close);
		log.info({ event: 'health', port: server.port, host }, 'health and metrics are served');
	} catch (error) {
		throw portProblem(error, { variable: 'METRICS_PORT', port, host });
	}
}

/** A supervisor holds our standard input: when it is gone, however it went, so are we. */
function stopWithSupervisor({ config, shutdown }: Session): void {
	if (config.environment['ROOKERY_SUPERVISED'] !== '1') return;
	process.stdin.on('error', () => undefined).on('close', () => void shutdown.stop('the supervisor is gone'));
	process.stdin.resume();
}
