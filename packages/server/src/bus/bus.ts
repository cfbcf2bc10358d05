import type { EnvelopeHeader, EventKey, EventPart, Publication } from '@rookery/protocol/events.ts';

/**
 * Services that answer calls. The names are those of the processes; `ddp-streamer-<tag>` is one boot of one streamer,
 * letters and digits only.
 */
export type ServiceName =
	| 'core'
	| 'accounts'
	| 'authorization'
	| 'presence'
	| 'stream-hub'
	| 'ddp-streamer'
	| `ddp-streamer-${string}`;

export type CallOptions = {
	/** Whole time for the call in ms. Default 5,000; client methods and logins 15,000. */
	deadlineMs?: number;
	/** true: may be repeated (at most 3 tries, jittered) when no answer came. Default false. */
	idempotent?: boolean;
};

/** What a handler learns about its call. `signal` aborts when the caller's deadline has passed. */
export type CallContext = { signal: AbortSignal; deadlineAt: number };

/** A function that answers a call. It throws a `ClientError` for a refusal the client may see. */
export type CallHandler = (args: unknown[], context: CallContext) => Promise<unknown>;

/** A result that is EJSON text already: it is spliced into the answer, never encoded again. */
export class EncodedJson {
	readonly text: string;
	constructor(text: string) {
		this.text = text;
	}
}

/** One decoded part of a received envelope: its header and a view of its bytes (not decoded). */
export type ReceivedPart = { header: EnvelopeHeader['parts'][number]; body: Uint8Array };

/** An envelope as it arrived. Bodies are decoded by who needs them. */
export type Envelope = { header: EnvelopeHeader; parts: ReceivedPart[] };

export type EnvelopeHandler = (envelope: Envelope) => void;

export type BusState = 'connected' | 'disconnected' | 'closed';

/**
 * How the services speak to each other: calls and events. Drivers: `local` (one process) and `nats`.
 *
 * Nothing here is unbounded: a full pending table, outgoing buffer or subscription queue is an error of the call
 * (`error-service-unavailable`) or a reported gap, never growth.
 */
export type Bus = {
	/**
	 * Calls one replica of a service.
	 *
	 * @param target `<service>.<method>`, e.g. `accounts.login`.
	 * @param args Plain data: goes through EJSON in every driver, also the local one. `undefined` is cut at the end, and
	 *   arrives as null before that. At most 9 MiB; results at most 16 MiB.
	 * @returns The decoded result; undefined when the handler returned nothing.
	 * @throws ClientError as the handler threw it; `error-service-unavailable` when nobody answers to the name (seen at
	 *   once) or the bus is not connected; `error-timeout` when the deadline passed: whether it took effect is unknown.
	 */
	call(target: `${ServiceName}.${string}`, args: unknown[], options?: CallOptions): Promise<unknown>;
	/** As `call`, but hands over the result's EJSON text undecoded: '' when the handler returned nothing. */
	callRaw(target: `${ServiceName}.${string}`, args: unknown[], options?: CallOptions): Promise<string>;
	/**
	 * Answers calls to a service, together with its other replicas (each call reaches one of them).
	 * An unknown method answers 404. Ends with the returned function, which waits for calls in progress.
	 */
	serve(service: ServiceName, methods: Record<string, CallHandler>): Promise<() => Promise<void>>;

	/**
	 * Sends an event to everybody who has subscribed to its key. Encodes each part once.
	 *
	 * @param position Given by the hub for stored changes; absent for what is never stored.
	 * @throws ClientError `error-service-unavailable` when the bus is not connected or congested: nothing
	 *   was sent; `error-invalid-payload` for more than 512 KiB.
	 */
	publish(publication: Publication, position?: Pick<EnvelopeHeader, 'epoch' | 'pos' | 'prev'>): void;
	/**
	 * Hears the events of a key. Several subscriptions of one process to a key share one subject on the wire.
	 * Handlers run in order of arrival, in a later macrotask than the publisher, and must not throw.
	 *
	 * @returns Resolves when the subscription is effective at the server.
	 */
	subscribe(key: EventKey, handler: EnvelopeHandler): Promise<() => void>;
	/**
	 * Hears the events of all rooms, each once, also of those that are subscribed to by their key. As `subscribe` otherwise;
	 * publishers pay nothing for it, but its process hears the whole traffic: only for who cannot name the rooms.
	 */
	subscribeRooms(handler: EnvelopeHandler): Promise<() => void>;
	/** Resolves when everything published before has reached the server. */
	flush(): Promise<void>;

	readonly state: BusState;
	/** Tells of each change of `state`, and of a `gap`: events of this process's subscriptions may have been lost. */
	onState(listener: (event: BusState | 'gap') => void): () => void;
	/** Counters since the start, for metrics and benches. */
	readonly counters: { published: number; received: number; calls: number; bytesOut: number };
	/** Stops: calls in progress are rejected, subscriptions end. */
	close(): Promise<void>;
};

/**
 * A typed client of a service: each function of `Api` becomes a call.
 *
 * @param options By method name; the default of `call` otherwise.
 */
export function busClient<Api extends object>(
	bus: Bus,
	service: ServiceName,
	options: { [M in keyof Api]?: CallOptions } = {},
): Api {
	return new Proxy({} as Api, {
		get(_target, name) {
			if (typeof name !== 'string' || name === 'then') return undefined;
			return (...args: unknown[]) => bus.call(`${service}.${name}`, args, options[name as keyof Api]);
		},
	});
}

/** Turns the functions of a service into call handlers, for `serve`. */
export function handlersOf<Api extends object>(api: Api): Record<Extract<keyof Api, string>, CallHandler> {
	const handlers: Record<string, CallHandler> = {};
	for (const [name, value] of Object.entries(api) as [string, unknown][]) {
		if (typeof value === 'function') handlers[name] = async (args) => (await value.apply(api, args)) as unknown;
	}
	return handlers;
}

export type { EventPart };
