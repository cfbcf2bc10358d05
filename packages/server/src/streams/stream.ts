import type { Publication, StreamName } from '@rookery/protocol/events.ts';
import type { Actor, AuthorizationApi } from '../services/contracts.ts';
import type { SettingsReader } from '../services/settings.ts';

/** What a stream's rules may ask. */
export type StreamServices = { authorization: AuthorizationApi; settings: SettingsReader };

/** Named groups of a stream's `key` pattern in an event name. */
export type StreamKey = Record<string, string | undefined>;

export type StreamRequest = {
	actor: Actor | null;
	/** The event name, and its named groups by the stream's `key` pattern. */
	event: string;
	key: StreamKey;
	/** The first of the client's `args` when it is an object, else {}. */
	extra: Record<string, unknown>;
	/** Tokens of visitors which this connection has proved for the room already. */
	tokens?: readonly string[];
	services: StreamServices;
};

/** Who may subscribe at all. `nobody`: internal streams, and those that only take emits. */
export type StreamAccess = 'public' | 'user' | 'nobody';

/** Who may subscribe, and what that depends on: when some of it changes, open subscriptions are judged again. */
export type ReadRule = {
	/** `user` refuses anonymous callers before `mayRead` is asked. */
	readonly access: StreamAccess;
	/** Permissions that the rule asks for. */
	readonly permissions: readonly string[];
	/** Settings that the rule reads. */
	readonly settings: readonly string[];
	/** Whether the rule asks for the room that the key names as `rid`: its type, its members, its parent. */
	readonly isOfRoom: boolean;
	mayRead(request: StreamRequest): Promise<boolean>;
};

export type EmitRequest = Pick<StreamRequest, 'actor' | 'key' | 'tokens' | 'services'> & {
	/** What the client gave behind the event name; nothing is checked yet. */
	args: unknown[];
};

/** What becomes of something a client says to the others. */
export type Emit = {
	/** At most 4 a second per room and connection. */
	readonly isThrottled: boolean;
	/** Judges what a client says, and makes the events of it. Empty: nothing happens. */
	publish(request: EmitRequest): Promise<Publication[]>;
};

/** Who may emit at all. `visitor`: also who proves a room's token. */
export type WriteAccess = 'nobody' | 'user' | 'visitor';

/** Rules of one stream. Made by `stream`. */
export type Stream = {
	readonly name: StreamName;
	/** Event names that mean something. Others are accepted when `mayRead` passes, and stay silent. */
	readonly key: RegExp;
	/** The rule of the stream, and those of single events. */
	readonly read: ReadRule;
	readonly events: ReadonlyMap<string, ReadRule>;
	readonly write: WriteAccess;
	/** What clients may say, by the group `event` of the key. */
	readonly emits: ReadonlyMap<string, Emit>;
	/** Events that everybody hears and nobody waits for: with many listeners they leave a little spread in time. */
	readonly spread: ReadonlySet<string>;
	/** Which key of the bus carries this event, or null when nobody ever emits it. */
	busKey(
		request: Pick<StreamRequest, 'event' | 'key' | 'actor'>,
	): `room:${string}` | `user:${string}` | `all:${string}` | null;
	/** The rule for an event: its own, or the stream's. */
	ruleOf(event: string): ReadRule;
	/** Who may subscribe. Judged again on every change of rights. */
	mayRead(request: StreamRequest): Promise<boolean>;
	/** Whether an anonymous caller's refusal waits 1 s for a login: false where a login would change nothing. */
	readonly waitsForLogin: boolean;
};

type Spec = {
	key?: RegExp;
	read: ReadRule;
	/** Rules of single events in place of the stream's. */
	events?: Record<string, ReadRule>;
	write: WriteAccess;
	emits?: Record<string, Emit>;
	spread?: string[];
	busKey?: Stream['busKey'];
	waitsForLogin?: boolean;
};

/**
 * Declares a stream: who may read it, on what that depends, who may write and what becomes of it.
 *
 * @throws Error for a declaration that is incomplete or contradicts itself: the process does not start.
 * @see security contract SEC-AZ-1, SEC-AZ-6
 */
export function stream(name: StreamName, spec: Spec): Stream {
	const { read, write } = spec;
	const events = new Map(Object.entries(spec.events ?? {}));
	const emits = new Map(Object.entries(spec.emits ?? {}));
	const declared: Pick<Stream, 'name' | 'key' | 'read' | 'events' | 'write' | 'emits'> = {
		name,
		key: spec.key ?? /^.+$/s,
		read,
		events,
		write,
		emits,
	};
	check(declared);
	const ruleOf = (event: string): ReadRule => events.get(event) ?? read;
	return {
		...declared,
		spread: new Set(spec.spread),
		busKey: spec.busKey ?? (() => null),
		ruleOf,
		mayRead(request) {
			const rule = ruleOf(request.event);
			if (rule.access === 'nobody') return Promise.resolve(false);
			if (rule.access === 'user' && request.actor === null) return Promise.resolve(false);
			return rule.mayRead(request);
		},
		waitsForLogin: spec.waitsForLogin ?? true,
	};
}

function check({
	name,
	key,
	read,
	events,
	write,
	emits,
}: Parameters<typeof checkEmits>[0] & Pick<Stream, 'read' | 'events'>) {
	// Whoever writes a stream without types could leave it out.
	if (read === undefined || write === undefined) throw new Error(`stream ${name}: access is not declared`);
	for (const rule of [read, ...events.values()]) {
		if (rule.isOfRoom && !key.source.includes('(?<rid>')) throw new Error(`stream ${name}: the key names no room`);
	}
	checkEmits({ name, key, write, emits });
}

function checkEmits({ name, key, write, emits }: Pick<Stream, 'name' | 'key' | 'write' | 'emits'>): void {
	if ((write === 'nobody') !== (emits.size === 0))
		throw new Error(`stream ${name}: its emits contradict its write class`);
	if (emits.size > 0 && !key.source.includes('(?<event>')) throw new Error(`stream ${name}: the key names no event`);
}
