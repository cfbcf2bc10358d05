import type { StreamName } from '@rookery/protocol/events.ts';
import type { Actor, AuthorizationApi } from '../services/contracts.ts';
import type { SettingsReader } from '../services/settings.ts';

/** What a stream's rules may ask. */
export type StreamServices = { authorization: AuthorizationApi; settings: SettingsReader };

export type StreamRequest = {
	actor: Actor | null;
	/** The event name, and its named groups by the stream's `key` pattern. */
	event: string;
	key: Record<string, string | undefined>;
	/** The first of the client's `args` when it is an object, else {}. */
	extra: Record<string, unknown>;
	services: StreamServices;
};

/** Who may subscribe at all, before `mayRead` is asked. `nobody`: internal streams, and those that only take emits. */
export type StreamAccess = 'public' | 'user' | 'nobody';

/** Rules of one stream. Made by `stream`. */
export type Stream = {
	name: StreamName;
	access: StreamAccess;
	/** Event names that mean something. Others are accepted when `mayRead` passes, and stay silent. */
	key: RegExp;
	/** Which key of the bus carries this event, or null when nobody ever emits it. */
	busKey(
		request: Pick<StreamRequest, 'event' | 'key' | 'actor'>,
	): `room:${string}` | `user:${string}` | `all:${string}` | null;
	/** Who may subscribe. Judged again on every change of rights. */
	mayRead(request: StreamRequest): Promise<boolean>;
	/** Whether an anonymous caller's refusal waits 1 s for a login: false where a login would change nothing. */
	waitsForLogin: boolean;
};

/**
 * Declares a stream. Without `mayRead` nobody may subscribe.
 *
 * @param spec.access The access class: `user` refuses anonymous callers before `mayRead` is asked.
 */
export function stream(
	name: StreamName,
	spec: {
		access: StreamAccess;
		key?: RegExp;
		busKey?: Stream['busKey'];
		mayRead?: Stream['mayRead'];
		waitsForLogin?: boolean;
	},
): Stream {
	const { access, mayRead } = spec;
	return {
		name,
		access,
		key: spec.key ?? /^.+$/s,
		busKey: spec.busKey ?? (() => null),
		mayRead: (request) => {
			if (mayRead === undefined || access === 'nobody') return Promise.resolve(false);
			if (access === 'user' && request.actor === null) return Promise.resolve(false);
			return mayRead(request);
		},
		waitsForLogin: spec.waitsForLogin ?? true,
	};
}
