import { ClientError } from '@rookery/protocol/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '@rookery/protocol/envelope.ts';
import type { Publication } from '@rookery/protocol/events.ts';
import { systemClock, type Clock } from '../platform/clock.ts';
import type { Bus, CallHandler, CallOptions, Envelope, EnvelopeHandler, ServiceName } from './bus.ts';
import { busState } from './bus-state.ts';
import {
	busLimits,
	callInTries,
	decodeError,
	decodeResult,
	encodeArgs,
	runHandler,
	splitTarget,
	timedOut,
	unavailable,
	type Answer,
} from './call-wire.ts';

/** Events of this process that wait for their macrotask. Over the bound they are lost, and a gap is told. */
const maxQueuedEvents = 100_000;
const maxQueuedBytes = 64 * 1024 * 1024;

/** The local bus, and what a test may do to it. */
export type LocalBus = Bus & {
	/** As if the connection went: calls in progress end, events on their way are lost. */
	disconnect(): void;
	/** As if it came back: subscriptions and services are there again, and a gap is told. */
	reconnect(): void;
	/** The next events are lost without a sign. */
	dropNext(events: number): void;
	/** Everything sent from now on takes this long. 0 = the next macrotask. */
	slowDown(ms: number): void;
};

type Options = {
	clock?: Clock;
	/** Hears what a handler threw and should not have. */
	reportBug?: (error: unknown, what: string) => void;
};

type Pending = { fail: (error: ClientError) => void };
/** `running`: its calls that neither have ended nor passed their deadline; `onEnd` hears of each that does. */
type Replica = { methods: Record<string, CallHandler>; running: Set<Pending>; onEnd: () => void };

/**
 * The bus of one process: everybody in it shares this object. Carries the same bytes as the others, delivers in a later
 * macrotask and in order, and is bounded.
 */
export function localBus({ clock = systemClock, reportBug = warnOfBug }: Options = {}): LocalBus {
	const counters = { published: 0, received: 0, calls: 0, bytesOut: 0 };
	const link = busState('connected');
	const subscribers = new Map<string, EnvelopeHandler[]>();
	let roomSubscribers: EnvelopeHandler[] = [];
	const services = new Map<ServiceName, Replica[]>();
	const pending = new Set<Pending>();
	const events = eventQueue({ deliver, onOverflow: () => link.tell('gap') });

	function deliver(bytes: Uint8Array): void {
		const envelope = decodeEnvelope(bytes);
		const { key } = envelope.header;
		hand(envelope, subscribers.get(key) ?? []);
		if (key.startsWith('room:')) hand(envelope, roomSubscribers);
	}

	function hand(envelope: Envelope, handlers: EnvelopeHandler[]): void {
		if (handlers.length > 0) counters.received += 1;
		for (const handler of handlers) {
			try {
				handler(envelope);
			} catch (error) {
				reportBug(error, `event ${envelope.header.key}`);
			}
		}
	}

	function failPending(error: ClientError): void {
		for (const entry of pending) entry.fail(error);
	}

	/** One try of a call: picks the replica now, runs it in a later macrotask. */
	function attempt(target: string, argsText: string, deadlineMs: number): Promise<string> {
		const { service, method } = splitTarget(target);
		return new Promise((resolve, reject) => {
			link.requireConnection();
			if (pending.size >= busLimits.pendingCalls) return reject(unavailable('Too many calls are waiting'));
			const replica = nextReplica(services.get(service));
			if (replica === undefined) return reject(unavailable(`Nobody answers to '${service}'`));
			counters.calls += 1;
			const abort = new AbortController();
			const finish = (settle: () => void) => {
				if (!pending.delete(entry)) return;
				clearTimeout(timer);
				replica.running.delete(entry);
				replica.onEnd();
				settle();
			};
			const entry: Pending = { fail: (error) => finish(() => reject(error)) };
			const timer = setTimeout(() => {
				abort.abort();
				finish(() => reject(timedOut(`'${target}' did not answer in time`)));
			}, deadlineMs);
			pending.add(entry);
			replica.running.add(entry);
			const context = { signal: abort.signal, deadlineAt: clock.now() + deadlineMs };
			const run = async () => {
				await events.pause();
				const answer = await runHandler(replica.methods, method, argsText, context, reportBug);
				await events.pause();
				finish(() => settleWith(answer, resolve, reject));
			};
			void run();
		});
	}

	async function callRaw(target: string, args: unknown[], options: CallOptions = {}): Promise<string> {
		const argsText = encodeArgs(args);
		return callInTries((deadlineMs) => attempt(target, argsText, deadlineMs), options);
	}

	const bus: LocalBus = {
		callRaw,
		async call(target, args, options) {
			return decodeResult(await callRaw(target, args, options));
		},
		async serve(service, methods) {
			const replica: Replica = { methods, running: new Set(), onEnd: () => undefined };
			services.set(service, [...(services.get(service) ?? []), replica]);
			await link.connected();
			await events.pause();
			return async () => {
				services.set(service, without(services.get(service) ?? [], replica));
				await allEnded(replica);
			};
		},
		publish(publication: Publication, position) {
			link.requireConnection();
			const bytes = encodeEnvelope(publication, position);
			if (bytes.length > busLimits.messageBytes)
				throw new ClientError('error-invalid-payload', 'The event is too large');
			counters.published += 1;
			counters.bytesOut += bytes.length;
			events.push(bytes);
		},
		async subscribe(key, handler) {
			const own: EnvelopeHandler = (envelope) => handler(envelope);
			subscribers.set(key, [...(subscribers.get(key) ?? []), own]);
			await link.connected();
			await events.pause();
			return () => {
				const rest = without(subscribers.get(key) ?? [], own);
				if (rest.length === 0) subscribers.delete(key);
				else subscribers.set(key, rest);
			};
		},
		async subscribeRooms(handler) {
			const own: EnvelopeHandler = (envelope) => handler(envelope);
			roomSubscribers = [...roomSubscribers, own];
			await link.connected();
			await events.pause();
			return () => {
				roomSubscribers = without(roomSubscribers, own);
			};
		},
		async flush() {
			link.requireConnection();
			await events.pause();
		},
		get state() {
			return link.state;
		},
		onState: link.onState,
		counters,
		async close() {
			if (link.state === 'closed') return;
			events.clear();
			link.moveTo('closed');
			failPending(unavailable('The bus was closed'));
			subscribers.clear();
			roomSubscribers = [];
			services.clear();
			await events.pause();
		},
		disconnect() {
			if (link.state !== 'connected') return;
			events.clear();
			link.moveTo('disconnected');
			failPending(timedOut('The connection was lost'));
		},
		reconnect() {
			if (link.state !== 'disconnected') return;
			link.moveTo('connected');
			link.tell('gap');
		},
		dropNext: events.dropNext,
		slowDown: events.slowDown,
	};
	return bus;
}

/** Envelopes on their way: in order, each in a later macrotask than its publication. */
function eventQueue({ deliver, onOverflow }: { deliver: (bytes: Uint8Array) => void; onOverflow: () => void }) {
	let queue: Uint8Array[] = [];
	let bytes = 0;
	let isScheduled = false;
	let toDrop = 0;
	let delayMs = 0;

	function later(run: () => void): void {
		if (delayMs > 0) setTimeout(run, delayMs);
		else setImmediate(run);
	}

	/** Delivers what was there when the turn began; what handlers publish waits for the next one. */
	function drain(): void {
		const batch = queue;
		queue = [];
		bytes = 0;
		isScheduled = false;
		for (const envelope of batch) deliver(envelope);
	}

	return {
		push(envelope: Uint8Array): void {
			if (toDrop > 0) {
				toDrop -= 1;
				return;
			}
			if (queue.length >= maxQueuedEvents || bytes + envelope.length > maxQueuedBytes) return onOverflow();
			queue.push(envelope);
			bytes += envelope.length;
			if (isScheduled) return;
			isScheduled = true;
			later(drain);
		},
		clear(): void {
			queue = [];
			bytes = 0;
		},
		/** The time that one message takes. */
		pause: (): Promise<void> => new Promise((resolve) => later(resolve)),
		dropNext(events: number): void {
			toDrop = events;
		},
		slowDown(ms: number): void {
			delayMs = ms;
		},
	};
}

/** Takes turns: the replica chosen goes to the end of the list. */
function nextReplica(replicas: Replica[] | undefined): Replica | undefined {
	const replica = replicas?.shift();
	if (replica !== undefined) replicas?.push(replica);
	return replica;
}

function without<T>(list: T[], item: T): T[] {
	return list.filter((other) => other !== item);
}

function allEnded(replica: Replica): Promise<void> {
	return new Promise((resolve) => {
		replica.onEnd = () => {
			if (replica.running.size === 0) resolve();
		};
		replica.onEnd();
	});
}

function settleWith({ failed, text }: Answer, resolve: (text: string) => void, reject: (error: Error) => void): void {
	if (failed) reject(decodeError(text));
	else resolve(text);
}

/** Where nobody listens for bugs, they are at least printed. */
function warnOfBug(error: unknown, what: string): void {
	process.emitWarning(error instanceof Error ? error : String(error), { detail: what });
}
