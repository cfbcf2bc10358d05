import { connect, type Msg, type NatsConnection, type MsgHdrs, type Subscription } from '@nats-io/transport-node';
import { busState, type BusStateBox } from './bus-state.ts';
import { busLimits, unavailable } from './call-wire.ts';
import type { NatsServers } from './nats-servers.ts';

/** What the bus says to the operator; a pino logger fits. */
export type BusLog = {
	info(fields: object, message: string): void;
	warn(fields: object, message: string): void;
	error(fields: object, message: string): void;
};

export type NatsOptions = { servers: NatsServers; name: string; log: BusLog };

/** Reconnecting waits between these, with a random part. */
const firstPauseMs = 100;
const longestPauseMs = 2000;
/** How long one server may take to answer a connection attempt. */
const connectTimeoutMs = 3000;
/** A ping each second; two without an answer are a lost connection. */
const pingIntervalMs = 1000;
const pingsMissed = 2;
/** After so many bytes the server is asked whether it has them. */
const markEveryBytes = 256 * 1024;

/** Takes what arrives: an object, because there are very many and a closure for each costs more. */
export type Handler = { onMessage(message: Msg): void };

/** A subscription that outlives connections. */
export type Interest = {
	/** Resolves when the server knows of it: a message published after that arrives. Rejects when the bus is closed. */
	effective(): Promise<void>;
	stop(): void;
	/** Ends it, but only after what the server had already handed to us has been handled. */
	drain(): Promise<void>;
};

/** What subscriptions need of their connection. */
type Host = {
	effective(): Promise<void>;
	forget(wanted: Wanted): void;
	drain(live: Subscription): Promise<void>;
};

class Wanted implements Interest {
	private readonly host: Host;
	readonly subject: string;
	readonly queue: string | undefined;
	readonly handler: Handler;
	live: Subscription | null = null;

	constructor(host: Host, subject: string, queue: string | undefined, handler: Handler) {
		this.host = host;
		this.subject = subject;
		this.queue = queue;
		this.handler = handler;
	}

	effective(): Promise<void> {
		return this.host.effective();
	}

	stop(): void {
		this.host.forget(this);
		this.live?.unsubscribe();
		this.live = null;
	}

	async drain(): Promise<void> {
		this.host.forget(this);
		const { live } = this;
		this.live = null;
		if (live !== null && !live.isClosed()) await this.host.drain(live);
	}
}

/** One connection: it is used until it is lost, and never again. */
type Link = {
	nats: NatsConnection;
	unconfirmedBytes: number;
	sinceMark: number;
	/** Who waits for a round trip: the client library leaves them waiting when the connection is lost. */
	waiting: Set<(error: Error) => void>;
};

/**
 * Keeps a connection to NATS: connects again for ever, subscribes again, tells of each loss, and never holds back a message
 * for a later connection.
 *
 * The client library could reconnect by itself, but would then send what was published in between, and can wait for ever
 * on a peer that stopped reading; a fresh connection each time has neither.
 */
export function natsConnection({ servers, name, log }: NatsOptions) {
	const box: BusStateBox = busState('disconnected');
	const wanted = new Set<Wanted>();
	const stopping = new AbortController();
	let link: Link | null = null;
	let flushing: Promise<void> | null = null;
	let wasConnected = false;

	function subscribeOn(current: Link, entry: Wanted): void {
		const callback = (error: Error | null, message: Msg) => {
			if (error !== null) return log.error({ err: error, subject: entry.subject }, 'NATS refused a subscription');
			try {
				entry.handler.onMessage(message);
			} catch (bug) {
				log.error({ event: 'unhandled', err: bug, subject: entry.subject }, 'a handler of the bus failed');
			}
		};
		const { queue, subject } = entry;
		entry.live = current.nats.subscribe(subject, queue === undefined ? { callback } : { queue, callback });
	}

	function lose(lost: Link, why: string): void {
		if (link !== lost) return;
		link = null;
		for (const entry of wanted) entry.live = null;
		abandon(lost);
		log.warn({ event: 'bus.disconnected', server: lost.nats.getServer(), why }, 'connection to NATS lost');
		box.moveTo('disconnected');
		void lost.nats.close();
	}

	/** Takes a fresh connection into use. */
	async function use(nats: NatsConnection): Promise<void> {
		const current: Link = { nats, unconfirmedBytes: 0, sinceMark: 0, waiting: new Set() };
		link = current;
		const ended = watch(nats, log).then((why) => lose(current, why));
		for (const entry of wanted) subscribeOn(current, entry);
		try {
			await roundTrip(current, () => nats.flush());
		} catch {
			return ended;
		}
		if (link !== current) return ended;
		log.info({ event: 'bus.connected', server: nats.getServer() }, 'connected to NATS');
		box.moveTo('connected');
		if (wasConnected) {
			log.warn({ event: 'bus.gap' }, 'events may have been missed while NATS was away');
			box.tell('gap');
		}
		wasConnected = true;
		await ended;
	}

	async function run(): Promise<void> {
		let failures = 0;
		while (!stopping.signal.aborted) {
			try {
				const nats = await connect(connectOptions(servers, name));
				if (stopping.signal.aborted) return await nats.close();
				failures = 0;
				await use(nats);
			} catch (error) {
				if (failures === 0)
					log.warn({ err: error, servers: servers.addresses }, 'NATS cannot be reached, trying again');
				failures += 1;
			}
			await pauseBefore(failures, stopping.signal);
		}
	}

	/** The connection that may be used now. @throws ClientError `error-service-unavailable` */
	function liveLink(): Link {
		box.requireConnection();
		if (link === null) throw unavailable('The bus is not connected');
		return link;
	}

	/** Every so often asks the server whether it has what was sent, so that the bound on what it has not can be kept. */
	function countOut(current: Link, bytes: number): void {
		current.unconfirmedBytes += bytes;
		current.sinceMark += bytes;
		if (current.sinceMark < markEveryBytes) return;
		const marked = current.sinceMark;
		current.sinceMark = 0;
		roundTrip(current, () => current.nats.flush()).then(
			() => (current.unconfirmedBytes -= marked),
			() => undefined, // the connection is lost, and with it this count
		);
	}

	/** One round trip for all who ask in the same turn of the event loop. */
	function flush(): Promise<void> {
		flushing ??= new Promise<void>((resolve, reject) => {
			setImmediate(() => {
				flushing = null;
				try {
					const current = liveLink();
					roundTrip(current, () => current.nats.flush()).then(resolve, reject);
				} catch (error) {
					reject(error as Error);
				}
			});
		});
		return flushing;
	}

	async function effective(): Promise<void> {
		for (;;) {
			await box.connected();
			try {
				return await flush();
			} catch (error) {
				if (box.state === 'closed') throw error;
			}
		}
	}

	const running = run();
	const host: Host = {
		effective,
		forget: (entry) => void wanted.delete(entry),
		async drain(live) {
			if (link === null) return;
			await roundTrip(link, () => live.drain()).catch(() => undefined); // lost: nothing more can arrive
		},
	};

	return {
		box,
		flush,
		/**
		 * Sends a message now.
		 *
		 * @throws ClientError `error-service-unavailable` when there is no connection, or 8 MiB are unconfirmed
		 */
		publish(subject: string, data: Uint8Array, options: { reply?: string; headers?: MsgHdrs } = {}): void {
			const current = liveLink();
			if (current.unconfirmedBytes + data.length > busLimits.outgoingBytes) throw unavailable('The bus is congested');
			current.nats.publish(subject, data, options);
			countOut(current, data.length);
		},
		/** Resolves when at most half of the outgoing bound is in use. Rejects when the connection is lost. */
		async roomToSend(): Promise<void> {
			while (liveLink().unconfirmedBytes > busLimits.outgoingBytes / 2) await flush();
		},
		/** Subscribes now and on every later connection. */
		subscribe(subject: string, handler: Handler, queue?: string): Interest {
			const entry = new Wanted(host, subject, queue, handler);
			wanted.add(entry);
			if (link !== null) subscribeOn(link, entry);
			return entry;
		},
		async close(): Promise<void> {
			if (box.state === 'closed') return;
			const last = link;
			if (last !== null && box.state === 'connected') await lastFlush(last);
			box.moveTo('closed');
			stopping.abort();
			link = null;
			if (last !== null) {
				abandon(last);
				await last.nats.close();
			}
			await running;
		},
	};
}

export type NatsLink = ReturnType<typeof natsConnection>;

/** Waits for an answer of the server, but no longer than the connection lives. */
function roundTrip(link: Link, ask: () => Promise<void>): Promise<void> {
	return new Promise((resolve, reject) => {
		const lost = (error: Error): void => reject(error);
		link.waiting.add(lost);
		ask().then(
			() => {
				link.waiting.delete(lost);
				resolve();
			},
			() => {
				link.waiting.delete(lost);
				reject(unavailable('The bus is not connected'));
			},
		);
	});
}

/** Ends the waiting on a connection that is gone. */
function abandon(link: Link): void {
	for (const lost of link.waiting) lost(unavailable('The bus is not connected'));
	link.waiting.clear();
}

/** Sends out what is still here, unless the server does not answer. */
async function lastFlush(link: Link): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const tooLong = new Promise<void>((resolve) => {
		timer = setTimeout(resolve, pingIntervalMs * pingsMissed);
	});
	await Promise.race([roundTrip(link, () => link.nats.flush()).catch(() => undefined), tooLong]);
	clearTimeout(timer);
}

function connectOptions({ addresses, user, password, token, tls }: NatsServers, name: string) {
	return {
		servers: addresses,
		name,
		reconnect: false,
		ignoreClusterUpdates: true,
		noAsyncTraces: true,
		timeout: connectTimeoutMs,
		pingInterval: pingIntervalMs,
		maxPingOut: pingsMissed,
		...(user === undefined ? {} : { user }),
		...(password === undefined ? {} : { pass: password }),
		...(token === undefined ? {} : { token }),
		...(tls ? { tls: {} } : {}),
	};
}

/** Resolves with the reason when the connection has ended or stopped answering. */
async function watch(nats: NatsConnection, log: BusLog): Promise<string> {
	for await (const status of nats.status()) {
		if (status.type === 'staleConnection') return 'no answer to pings';
		if (status.type === 'disconnect' || status.type === 'close') return 'connection closed';
		if (status.type === 'error') log.error({ err: status.error }, 'NATS reported an error');
		if (status.type === 'ldm') log.info({ server: status.server }, 'the NATS server is going to stop');
	}
	return 'connection closed';
}

/** Exponential from 100 ms to 2 s, half of it random, so that not everybody comes back at once. */
async function pauseBefore(failures: number, stop: AbortSignal): Promise<void> {
	if (stop.aborted) return;
	const ceiling = Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
	const pauseMs = Math.max(firstPauseMs, ceiling / 2 + (Math.random() * ceiling) / 2);
	await new Promise<void>((resolve) => {
		const finish = (): void => {
			clearTimeout(timer);
			stop.removeEventListener('abort', finish);
			resolve();
		};
		const timer = setTimeout(finish, pauseMs);
		stop.addEventListener('abort', finish);
	});
}
