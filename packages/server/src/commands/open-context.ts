import type { Bus } from '../bus/bus.ts';
import { localBus } from '../bus/local.ts';
import { natsBus } from '../bus/nats.ts';
import { systemClock } from '../platform/clock.ts';
import { answerHealth, isOwnRequest, type ReadinessChecks } from '../platform/health.ts';
import { limitLog } from '../platform/limit-log.ts';
import { createMetrics, type Metrics } from '../platform/metrics.ts';
import { retry } from '../platform/retry.ts';
import type { ProcessContext, Running } from '../processes.ts';
import { connectDatabase, type Database } from '../repositories/database.ts';
import { databaseHealth } from '../repositories/database-health.ts';
import { isTransient } from '../repositories/transient.ts';
import { prepareDatabase } from '../services/prepare-database.ts';
import type { Session } from './run.ts';
import { ownVersion } from './version.ts';

/** A context and what is measured about the process it is for. */
export type Opened = {
	context: ProcessContext;
	metrics: Metrics;
	checks: ReadinessChecks;
	watch(running: Running): void;
};

type Options = Session & {
	/** Of the process, for MongoDB's and NATS's own lists. */
	name: string;
	mongoUrl: string;
	/** null: the bus of this process. */
	transporter: string | null;
	rootUrl: string;
	/** Answers health and metrics on the public port, to this machine only. */
	hasPublicHealth: boolean;
	/** Gets them before anything is waited for. */
	onMetrics?: (health: Pick<Opened, 'metrics' | 'checks'>) => Promise<void>;
};

/**
 * Opens what every process needs: the database, prepared, and the bus. Waits for both, however long that takes, until the
 * shutdown's signal.
 */
export async function openContext(options: Options): Promise<Opened> {
	const { config, log, shutdown, name, rootUrl, transporter } = options;
	const metrics = createMetrics();
	shutdown.add('metrics', metrics.stop);
	const checks: ReadinessChecks = { mongodb: () => false, bus: () => false, services: () => false };
	const version = ownVersion();
	await options.onMetrics?.({ metrics, checks });

	const database = await openDatabase(options, checks);
	const { workspaceId, newAdminId } = await whenDatabaseAnswers(options, () =>
		prepareDatabase({ database, config, log, rootUrl, clock: systemClock }),
	);
	shutdown.signal.throwIfAborted();
	const bus = openBus(options, config.namespace ?? workspaceId, version);
	shutdown.add('bus', () => bus.close());
	watchBus(bus, metrics, checks);
	metrics.readFrom(() => ({ events_published_total: bus.counters.published }));

	const sayLimit = limitLog(log, systemClock);
	const counters = {
		login: (result: string) => metrics.login.inc({ result }),
		denied: (kind: string) => metrics.authzDenied.inc({ class: kind }),
		limited: (scope: string) => {
			metrics.rateLimited.inc({ scope });
			sayLimit(scope);
		},
	};
	const context: ProcessContext = {
		config,
		log,
		clock: systemClock,
		database,
		bus,
		rootUrl,
		version,
		isSingle: transporter === null,
		newAdminId,
		before: options.hasPublicHealth
			? [(request, response) => isOwnRequest(request) && answerHealth(request, response, { metrics, checks })]
			: [],
		onAnswer: (route, status) => metrics.httpRequests.inc({ route, code: String(status) }),
		tally: (what, label) => counters[what](label),
		onSocketClosed: (code) => metrics.socketClosed.inc({ reason: String(code) }),
	};
	return {
		context,
		metrics,
		checks,
		watch(running) {
			metrics.readFrom(running.numbers);
			checks['services'] = () => running.problem() === null;
			shutdown.add(name, () => {
				checks['services'] = () => false;
				return running.stop();
			});
		},
	};
}

/** Does what may be repeated until the database is there for all of it: it may go away in between. */
export function whenDatabaseAnswers<T>({ log, shutdown }: Session, work: () => Promise<T>): Promise<T> {
	return retry(work, {
		signal: shutdown.signal,
		mayRetry: isTransient,
		onRetry: (error, attempt, waitMs) =>
			log.warn({ event: 'mongodb.retry', err: error, attempt, waitMs }, 'MongoDB went away, trying again'),
	});
}

async function openDatabase({ log, shutdown, name, mongoUrl }: Options, checks: ReadinessChecks): Promise<Database> {
	const database = await connectDatabase(mongoUrl, {
		appName: `rookery ${name}`,
		signal: shutdown.signal,
		onRetry: (error, attempt, waitMs) =>
			log.warn({ event: 'mongodb.retry', err: error, attempt, waitMs }, 'MongoDB cannot be reached, trying again'),
	});
	const health = databaseHealth(database);
	shutdown.add('database', async () => {
		health.stop();
		await database.close();
	});
	checks['mongodb'] = health.isReachable;
	return database;
}

function openBus({ config, log, name, transporter }: Options, namespace: string, version: string): Bus {
	if (transporter === null) {
		return localBus({ reportBug: (error, what) => log.error({ event: 'unhandled', err: error }, what) });
	}
	return natsBus({ servers: transporter, namespace, name: `rookery ${name} ${config.instanceId}`, version, log });
}

function watchBus(bus: Bus, metrics: Metrics, checks: ReadinessChecks): void {
	checks['bus'] = () => bus.state === 'connected';
	metrics.readFrom(() => ({ bus_connected: bus.state === 'connected' ? 1 : 0 }));
	bus.onState((event) => {
		if (event === 'gap') metrics.busGap.inc();
	});
}
