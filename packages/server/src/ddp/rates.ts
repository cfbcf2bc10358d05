import { ClientError } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { rateLimiter } from '../platform/rate-limit.ts';
import type { SettingsReader } from '../services/settings.ts';
import type { Session } from './context.ts';

/** Limits of methods that are answered here; the others' are core's. @see realtime contract 2.10 */
const ownRules = new Map([
	['login', { calls: 5, perMs: 10_000 }],
	['setUserStatus', { calls: 1, perMs: 1_000 }],
]);

/** A connection may open this many subscriptions at once and then so many a second. */
const subBurst = 1_000;
const subsPerSecond = 10;

const scopes = {
	IP: { calls: 120_000, perMs: 60_000 },
	User: { calls: 1_200, perMs: 60_000 },
	Connection: { calls: 600, perMs: 60_000 },
	User_By_Method: { calls: 20, perMs: 10_000 },
	Connection_By_Method: { calls: 10, perMs: 10_000 },
} as const;

/**
 * How often a client may ask. Over all names: by address, user and connection. By name only what is answered here.
 *
 * @see realtime contract 2.10; security contract 4
 */
export function rateLimits({ settings, clock }: { settings: SettingsReader; clock: Clock }) {
	const limiter = rateLimiter(clock);
	const buckets = new WeakMap<Session, { tokens: number; at: number }>();

	function ruleOf(scope: keyof typeof scopes, factor: number) {
		const id = `DDP_Rate_Limit_${scope}`;
		if (!settings.flag(`${id}_Enabled`, true)) return null;
		return {
			calls: settings.number(`${id}_Requests_Allowed`, scopes[scope].calls) * factor,
			perMs: settings.number(`${id}_Interval_Time`, scopes[scope].perMs) * factor,
		};
	}

	function take(scope: keyof typeof scopes, key: string, factor = 1): void {
		const rule = ruleOf(scope, factor);
		if (rule !== null) count(`${scope}|${key}`, rule);
	}

	function count(key: string, rule: { calls: number; perMs: number }): void {
		const { allowed, resetMs } = limiter.take(key, rule);
		if (!allowed) throw tooMany(resetMs);
	}

	return {
		/** Counts a method call. @throws ClientError `too-many-requests` */
		method(session: Session): void {
			take('IP', session.socket.info.clientAddress);
			if (session.actor !== null) take('User', session.actor.uid);
			take('Connection', session.id);
		},

		/** Counts a call of a method that is answered here by its name. @throws ClientError `too-many-requests` */
		localMethod(session: Session, name: string): void {
			const own = ownRules.get(name);
			if (own !== undefined) return count(`${name}|${session.id}`, own);
			const factor = name.startsWith('stream-') ? 4 : 1;
			if (session.actor !== null) take('User_By_Method', `${name}|${session.actor.uid}`, factor);
			take('Connection_By_Method', `${name}|${session.id}`, factor);
		},

		/** Counts a `sub`. @throws ClientError `too-many-requests` */
		sub(session: Session): void {
			take('IP', session.socket.info.clientAddress);
			const now = clock.monotonic();
			const bucket = buckets.get(session) ?? { tokens: subBurst, at: now };
			buckets.set(session, bucket);
			bucket.tokens = Math.min(subBurst, bucket.tokens + ((now - bucket.at) / 1_000) * subsPerSecond);
			bucket.at = now;
			if (bucket.tokens < 1) throw tooMany(Math.ceil(((1 - bucket.tokens) / subsPerSecond) * 1_000));
			bucket.tokens -= 1;
		},

		/** Typing and the like: 4 a second per room and connection. */
		mayEmit(session: Session, rid: string): boolean {
			return limiter.take(`emit|${session.id}|${rid}`, { calls: 4, perMs: 1_000 }).allowed;
		},
	};
}

export type RateLimits = ReturnType<typeof rateLimits>;

/** @param resetMs Until the next try may succeed. */
export function tooMany(resetMs: number): ClientError {
	const seconds = Math.max(1, Math.ceil(resetMs / 1_000));
	return new ClientError(
		'too-many-requests',
		`Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying again.`,
		{ timeToReset: Math.max(1, resetMs) },
	);
}
