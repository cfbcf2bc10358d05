import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** How often the delay of the event loop is measured. */
const sampleEveryMs = 100;

/**
 * The counters of a process, under exactly the names operators and checks rely on. Labels hold names out of our own code
 * (a route, a reason, a class), never anything of a user.
 *
 * @see security contract, 11
 */
export function createMetrics() {
	const registry = new Registry();
	const registers = [registry];
	const sources: (() => Record<string, number>)[] = [];
	collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: sampleEveryMs });
	const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
	const counter = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
		new Counter<L>({ name, help, labelNames, registers });
	const stopSampling = sampleEventLoop(registers);

	return {
		sockets: gauge('sockets', 'Open client sockets'),
		subscriptions: gauge('subscriptions', 'Subscriptions of all client sockets'),
		socketSendBufferBytes: gauge('socket_send_buffer_bytes', 'Bytes waiting to be sent to client sockets'),
		sessionsDetached: gauge('sessions_detached', 'Sessions without a socket whose client may come back'),
		sessionsResumed: counter('sessions_resumed_total', 'Sessions that went on with another socket'),
		socketClosed: counter('socket_closed_total', 'Closed client sockets by reason', 'reason'),
		busConnected: gauge('bus_connected', '1 while the bus is connected'),
		busGap: counter('bus_gap_total', 'Times events of the bus may have been lost'),
		resync: counter('resync_total', 'Times everything was read again after a gap'),
		hubLagSeconds: gauge('hub_lag_seconds', 'Age of the newest change the hub has published'),
		hubEpoch: gauge('hub_epoch', 'Epoch of the hub that publishes, as this process knows it'),
		hubIsActive: gauge('hub_is_active', '1 while this hub publishes'),
		hubPoison: counter('hub_poison_total', 'Changes that could not be handled and were skipped'),
		eventsPublished: counter('events_published_total', 'Events published on the bus'),
		authzDenied: counter('authz_denied_total', 'Refusals by class', 'class'),
		login: counter('login_total', 'Logins by result', 'result'),
		rateLimited: counter('rate_limited_total', 'Requests refused by a rate limit, by its scope', 'scope'),
		httpRequests: counter('http_requests_total', 'Answered HTTP requests', 'route', 'code'),

		/** Everything in Prometheus's text format. */
		text(): Promise<string> {
			for (const [name, value] of sources.flatMap((source) => Object.entries(source()))) put(registry, name, value);
			return registry.metrics();
		},
		/** Adds something that is asked for its numbers when the metrics are read. Names are those above. */
		readFrom(source: () => Record<string, number>): void {
			sources.push(source);
		},
		contentType: registry.contentType,
		/** Ends the measuring of the event loop. */
		stop: stopSampling,
	};
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Sets a metric without labels, a counter too: its source counts itself. Unknown names are left out. */
function put(registry: Registry, name: string, value: number): void {
	const metric = registry.getSingleMetric(name);
	if (metric instanceof Gauge) metric.set(value);
	else if (metric instanceof Counter) {
		metric.reset();
		metric.inc(Math.max(0, value));
	}
}

/** Measures by how much a timer is late: what every request waits, too. */
function sampleEventLoop(registers: Registry[]): () => void {
	const delay = new Histogram({
		name: 'event_loop_delay_seconds',
		help: 'By how much timers are late',
		buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
		registers,
	});
	let due = performance.now() + sampleEveryMs;
	const timer = setInterval(() => {
		const now = performance.now();
		delay.observe(Math.max(0, now - due) / 1000);
		due = now + sampleEveryMs;
	}, sampleEveryMs);
	timer.unref();
	return () => clearInterval(timer);
}
