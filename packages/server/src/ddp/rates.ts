import { ClientError } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { takeToken, tokenBuckets, type RateWindow } from '../platform/rate-limit.ts';
import type { Tally } from '../platform/tally.ts';
import type { SettingsReader } from '../services/settings.ts';
import { connectionBuckets, type RatedSession } from './connection-buckets.ts';

/** Limits of methods that are answered here, in place of the two by name; the others' are core's. */
const ownRules = new Map<string, { rule: RateWindow; by: 'user' | 'connection' }>([
	['login', { rule: { calls: 5, perMs: 10_000 }, by: 'connection' }],
	['setUserStatus', { rule: { calls: 1, perMs: 1_000 }, by: 'user' }],
]);

/** A connection may open as many subscriptions at once as it may hold, and then 10 a second. */
const subKey = 'sub';
const subRule: RateWindow = { calls: 1_000, perMs: 100_000 };

/** Typing and the like, per room and connection. */
const emitRule: RateWindow = { calls: 4, perMs: 1_000 };

const scopes = {
	IP: { calls: 120_000, perMs: 60_000 },
	User: { calls: 1_200, perMs: 60_000 },
	Connection: { calls: 600, perMs: 60_000 },
	User_By_Method: { calls: 20, perMs: 10_000 },
	Connection_By_Method: { calls: 10, perMs: 10_000 },
} as const satisfies Record<string, RateWindow>;

/** Longer names and room ids are nobody's: they share one bucket. */
const maxNameLength = 256;

type Deps = { settings: SettingsReader; clock: Clock; tally?: Tally };

/**
 * How often a client may ask, as token buckets: over all names by address, user and connection; by name only what is
 * answered here. Pings are never counted.
 *
 * The buckets of a connection outlive it: the next one of the same user, address and program goes on with them. That of
 * `sub` starts full, because a client that comes back opens all its subscriptions again.
 *
 * @see realtime contract 2.10; security contract 4
 */
export function rateLimits({ settings, clock, tally }: Deps) {
	const shared = tokenBuckets(clock);
	const connections = connectionBuckets([subKey]);

	function ruleOf(scope: keyof typeof scopes, factor = 1): RateWindow | null {
		const id = `DDP_Rate_Limit_${scope}`;
		if (!settings.flag(`${id}_Enabled`, true)) return null;
		return {
			calls: settings.number(`${id}_Requests_Allowed`, scopes[scope].calls) * factor,
			perMs: settings.number(`${id}_Interval_Time`, scopes[scope].perMs) * factor,
		};
	}

	function takeShared(key: string, rule: RateWindow | null, label: string): void {
		if (rule === null) return;
		const { allowed, resetMs } = shared.take(key, rule);
		if (!allowed) refuse(resetMs, label);
	}

	function takeOwn(session: RatedSession, key: string, rule: RateWindow | null, label: string): void {
		if (rule === null) return;
		const now = clock.monotonic();
		const { allowed, resetMs } = takeToken(connections.of(session, now), key, rule, now);
		if (!allowed) refuse(resetMs, label);
	}

	function refuse(resetMs: number, label: string): never {
		tally?.('limited', label);
		throw tooMany(resetMs);
	}

	return {
		/** Counts a method call. @throws ClientError `too-many-requests` */
		method(session: RatedSession): void {
			takeOwn(session, 'all', ruleOf('Connection'), 'connection');
			if (session.actor !== null) takeShared(`user ${session.actor.uid}`, ruleOf('User'), 'user');
			takeShared(`address ${session.socket.info.clientAddress}`, ruleOf('IP'), 'address');
		},

		/** Counts a call of a method that is answered here by its name. @throws ClientError `too-many-requests` */
		localMethod(session: RatedSession, name: string): void {
			const key = `method ${nameOf(name)}`;
			const uid = session.actor?.uid;
			const own = ownRules.get(name);
			if (own !== undefined) {
				if (own.by === 'user' && uid !== undefined) return takeShared(`${key} ${uid}`, own.rule, 'method');
				return takeOwn(session, key, own.rule, name === 'login' ? 'login' : 'method');
			}
			const factor = name.startsWith('stream-') ? 4 : 1;
			takeOwn(session, key, ruleOf('Connection_By_Method', factor), 'method');
			if (uid !== undefined) takeShared(`${key} ${uid}`, ruleOf('User_By_Method', factor), 'method');
		},

		/** Counts a `sub`. @throws ClientError `too-many-requests` */
		sub(session: RatedSession): void {
			takeOwn(session, subKey, subRule, 'sub');
			takeShared(`address ${session.socket.info.clientAddress}`, ruleOf('IP'), 'address');
		},

		/** Typing and the like: 4 a second per room and connection. */
		mayEmit(session: RatedSession, rid: string): boolean {
			const now = clock.monotonic();
			return takeToken(connections.of(session, now), `emit ${nameOf(rid)}`, emitRule, now).allowed;
		},

		/** The connection is gone for good: its buckets wait for the user's next one until they are full. */
		closed(session: RatedSession): void {
			connections.close(session, clock.monotonic());
		},

		/** Connections that have buckets, open and gone ones. */
		get size(): number {
			return connections.size;
		},
	};
}

export type RateLimits = ReturnType<typeof rateLimits>;

function nameOf(name: string): string {
	return name.length > maxNameLength ? '(long)' : name;
}

/** @param resetMs Until the next try may succeed. */
export function tooMany(resetMs: number): ClientError {
	const seconds = Math.max(1, Math.ceil(resetMs / 1_000));
	return new ClientError(
		'too-many-requests',
		`Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying again.`,
		{ timeToReset: Math.max(1, resetMs) },
	);
}
