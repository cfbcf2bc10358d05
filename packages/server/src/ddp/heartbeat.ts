import { pingFrame } from '@rookery/protocol/server-frames.ts';
import type { Session } from './client-session.ts';
import type { DdpContext } from './context.ts';
import { revokeExpired } from './identity.ts';
import { outFrame } from './out-frame.ts';
import { timingWheel } from './timing-wheel.ts';

/** How often sessions whose time has come are looked at, in ms. */
export const tickMs = 250;

/** One turn of the wheel covers the longest wait: silence, then the time to answer a ping. */
const slots = 256;

/** Longest time between two looks at a session, in ms: expiry of logins is by the wall clock, which may be set. */
const maxWaitMs = 20_000;

/**
 * Times of all sessions, on one wheel: handshakes that do not come, silence, proofs of receipt, expired logins, sessions
 * that nobody came back for. To hear a frame costs a timestamp.
 *
 * @see realtime contract 1.7, 2.3
 */
export function heartbeat(context: DdpContext) {
	const { clock } = context;
	const wheel = timingWheel<Session>({ tickMs, slots, onDue: (session, now) => look(context, session, now) });

	return {
		/** Looks at it at this time, or before. */
		lookAt(session: Session, dueAt: number): void {
			if (session.wheelNext === null || session.wheelTick * tickMs > dueAt) wheel.add(session, dueAt);
		},
		/** To be called every `tickMs`. */
		tick(): void {
			context.coarseNow = clock.monotonic();
			wheel.tick(context.coarseNow);
			context.recent.prune();
		},
	};
}

export type Heartbeat = ReturnType<typeof heartbeat>;

/** @returns When to look again; null: not any more. */
function look(context: DdpContext, session: Session, now: number): number | null {
	const { limits } = context;
	const { state, openedAt } = session;
	if (state === 'closed') return null;
	if (state === 'detached') return context.resumption.lookAtDetached(session, now);
	if (state !== 'opening') return lookAtOpen(context, session, now);
	if (now - openedAt <= limits.connectTimeoutMs) return openedAt + limits.connectTimeoutMs + 1;
	session.socket.close(4001, 'CONNECT_TIMEOUT');
	return null;
}

function lookAtOpen(context: DdpContext, session: Session, now: number): number | null {
	revokeExpired(context, session);
	const dueAt = Math.min(
		now + maxWaitMs,
		session.proofDueAt(now) ?? Number.POSITIVE_INFINITY,
		context.resumption.lookAtClaim(session, now) ?? Number.POSITIVE_INFINITY,
		expiryOf(context, session, now),
		silenceDueAt(context, session, now),
	);
	return session.state === 'closed' ? null : dueAt;
}

/** Asks a silent client whether it is there; nobody can tell of one without pings: TCP has to. */
function silenceDueAt({ limits }: DdpContext, session: Session, now: number): number {
	if (!session.knowsPing) return Number.POSITIVE_INFINITY;
	if (session.pingedAt !== null) {
		const endsAt = session.pingedAt + limits.closeAfterPingMs;
		if (now > endsAt) session.socket.close(4408, 'TIMEOUT');
		return endsAt + 1;
	}
	const pingAt = session.lastHeardAt + limits.pingAfterMs;
	if (now <= pingAt) return pingAt + 1;
	session.pingWithoutId(outFrame(pingFrame()));
	return now + limits.closeAfterPingMs + 1;
}

function expiryOf({ clock }: DdpContext, { actor }: Session, now: number): number {
	const expires = actor?.tokenExpires ?? null;
	return expires === null ? Number.POSITIVE_INFINITY : now + Math.max(0, expires.getTime() - clock.now());
}
