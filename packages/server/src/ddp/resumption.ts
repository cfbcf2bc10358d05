import type { LoginResult } from '../services/contracts.ts';
import type { Claim } from './claim.ts';
import { wholeMs, type Session } from './client-session.ts';
import type { DdpContext } from './context.ts';
import { handOver, type HandOver } from './hand-over.ts';
import { publishUser } from './identity.ts';
import { replay } from './replay.ts';
import { endSession } from './session.ts';
import type { ClientSocket, SocketInfo } from './socket.ts';
import { subscribeAgain } from './subscriptions.ts';

export type Resumption = ReturnType<typeof resumption>;

/** Close codes that say the client did wrong, has no right any more, or was never let in. */
const finalCodes = new Set([1002, 1003, 1007, 1009, 4001, 4403]);

/**
 * Sessions whose socket went go on collecting for a while; the client that comes back with their id and proves to be the
 * same user goes on where it was, also on another streamer. Everybody else starts plainly.
 *
 * @see architecture 3, "Session resumption"; realtime contract 2.2
 */
export function resumption(context: DdpContext) {
	const { limits, clock } = context;
	const byId = new Map<string, Session>();
	const others: HandOver = handOver(context, { find: findFree, discard });
	let mayDetach = true;
	let resumed = 0;

	/** A session of this process that may be taken over: whole, and nobody else is about to. */
	function findFree(id: string): Session | null {
		const session = byId.get(id);
		if (session === undefined || session.claimedBy !== null || !session.mayResume || !session.isCovered) return null;
		if (session.state !== 'open' && session.state !== 'detached') return null;
		return session.work.isIdentityPending || session.isCatchingUp || session.claim !== null ? null : session;
	}

	function localClaim(session: Session, old: Session): Claim {
		old.claimedBy = session;
		return {
			uid: old.actor?.uid ?? null,
			endsAt: clock.monotonic() + limits.resumeLoginMs,
			adopt: (_session, login) => takeOver(context, session, old, login),
			discard: () => discard(old),
			release: () => {
				if (old.claimedBy === session) old.claimedBy = null;
			},
		};
	}

	/** Ends a session that nobody can have back. */
	function discard(session: Session): void {
		session.mayResume = false;
		if (session.state === 'detached') endSession(context, session);
		else session.giveUp(1012, 'SERVICE_RESTART');
	}

	/** The client did not prove to be who it has to be: it starts anew. */
	function refuse(session: Session): void {
		const { claim } = session;
		session.claim = null;
		claim?.discard();
		session.giveUp(1012, 'SERVICE_RESTART');
	}

	function isWorthKeeping(session: Session, code: number): boolean {
		if (!mayDetach || !session.mayResume || !session.knowsPing || finalCodes.has(code)) return false;
		if (session.state !== 'open' || session.claim !== null || session.isCatchingUp) return false;
		return (session.actor !== null || session.subs.size > 0) && session.isCovered;
	}

	/** Bounds: the oldest go first. */
	function makeRoom({ actor }: Session): void {
		const [oldest] = context.detached;
		if (context.detached.size >= limits.maxDetached && oldest !== undefined) discard(oldest);
		if (actor === null) return;
		const own = [...(context.byUser.get(actor.uid) ?? [])].filter(({ state }) => state === 'detached');
		const [first] = own;
		if (own.length >= limits.maxDetachedPerUser && first !== undefined) discard(first);
	}

	function wentOn(session: Session): void {
		if (session.state === 'closed') return;
		resumed += 1;
		byId.set(session.id, session);
	}

	return {
		/** Makes what can be taken over known under its id. */
		register(session: Session): void {
			byId.set(session.id, session);
		},

		/** Looks for the session a client wants back; `session.claim` and `session.id` say that it was found. */
		async claim(session: Session, id: string): Promise<void> {
			const old = findFree(id);
			const found = old === null ? await others.claim(session, id) : localClaim(session, old);
			if (found === null) return;
			if (session.state !== 'claiming') return found.release();
			session.claim = found;
			session.id = id;
		},

		/** After the negotiation: where nobody was logged in nothing has to be proved. */
		async resumeAnonymous(session: Session): Promise<void> {
			const { claim } = session;
			if (claim === null || claim.uid !== null) return;
			session.claim = null;
			const goesOn = await claim.adopt(session, null);
			if (goesOn !== null) wentOn(goesOn);
			else session.giveUp(1012, 'SERVICE_RESTART');
		},

		/**
		 * Somebody has logged in on a socket that wants a session back.
		 *
		 * @returns The session that goes on; null: another user, or it could not be had. The socket is closed.
		 */
		async resumeAs(session: Session, login: LoginResult): Promise<Session | null> {
			const { claim } = session;
			if (claim === null) return session;
			if (claim.uid !== login.actor.uid) {
				refuse(session);
				return null;
			}
			const goesOn = await claim.adopt(session, login);
			session.claim = goesOn === null ? claim : null;
			if (goesOn === null) refuse(session);
			else wentOn(goesOn);
			return goesOn;
		},

		/** A login failed: whose session it was has not been proved. Its answer leaves first. */
		loginFailed(session: Session): void {
			if (session.claim !== null) setImmediate(() => refuse(session));
		},

		/**
		 * The socket of a session went.
		 *
		 * @returns false: it is not worth keeping
		 */
		detach(session: Session, code: number): boolean {
			if (!isWorthKeeping(session, code)) return false;
			makeRoom(session);
			session.leaveSocket();
			session.socket = new NoSocket(context, session);
			session.state = 'detached';
			session.detachedAt = wholeMs(context);
			context.detached.add(session);
			context.addresses.update(session);
			context.reporter.disconnected(session.id);
			context.lookAt(session, session.detachedAt + limits.detachedMs);
			return true;
		},

		/** @returns When to look again; null when it has waited long enough and is gone. */
		lookAtDetached(session: Session, now: number): number | null {
			const endsAt = session.detachedAt + limits.detachedMs;
			const expires = session.actor?.tokenExpires ?? null;
			const isExpired = expires !== null && expires.getTime() <= clock.now();
			if (now < endsAt && !isExpired && session.isCovered) return Math.min(endsAt, now + limits.detachedMs / 4);
			discard(session);
			return null;
		},

		/** Whether a client that wants a session back takes too long to log in. @returns When to look; null: nothing to see */
		lookAtClaim(session: Session, now: number): number | null {
			const { claim } = session;
			if (claim === null) return null;
			if (now < claim.endsAt || session.work.isIdentityPending) return Math.max(claim.endsAt, now + 1_000);
			refuse(session);
			return null;
		},

		/** A session has ended. */
		forget(session: Session): void {
			const { claim } = session;
			session.claim = null;
			claim?.release();
			context.detached.delete(session);
			if (byId.get(session.id) === session) byId.delete(session.id);
		},

		discard,

		/** Another streamer tells that it has sessions now. */
		onMoved: others.onMoved,

		/** Another streamer has started: it is told what it cannot know. */
		tellMoved: (): void => others.tellMoved(byId.values()),

		/** This streamer has started. */
		askMoved: others.askMoved,

		/** Answers other streamers. @returns Ends it */
		serve: (): Promise<() => Promise<void>> => others.serve(),

		/** Whether another streamer is there to take sessions over, once this one does not offer itself any more. */
		hasPeers: (): Promise<boolean> => others.hasPeers(),

		/** Sessions that were taken up again since the start. */
		get resumed(): number {
			return resumed;
		},

		/** From now on sessions end with their sockets. */
		keepNone(): void {
			mayDetach = false;
		},
	};
}

/** The old session goes on with the socket of the new one, in one turn: nothing can be missed in between. */
function takeOver(context: DdpContext, fresh: Session, old: Session, login: LoginResult | null): Session | null {
	old.claimedBy = null;
	const isThere = old.state === 'open' || old.state === 'detached';
	if (
		!isThere ||
		old.work.isIdentityPending ||
		!old.isCovered ||
		(old.actor?.uid ?? null) !== (login?.actor.uid ?? null)
	)
		return null;
	const before = old.state === 'open' ? old.socket : null;
	if (before !== null) {
		old.leaveSocket();
		old.link.session = null;
	}
	moveSocket(context, fresh, old);
	before?.close(1012, 'SERVICE_RESTART');
	if (login !== null) {
		old.actor = login.actor;
		old.socket.setMaxMessageBytes(context.limits.maxMessageBytes);
		context.reporter.connected(old.id, login.actor.uid);
	}
	old.documents.resend(fresh.documents);
	if (login !== null) publishUser(old, login);
	if (!replay(context, old)) {
		subscribeAgain(context, fresh, old);
		// It owns the socket now: this ends it for good.
		old.giveUp(1012, 'SERVICE_RESTART');
		return old;
	}
	old.proveSoon();
	subscribeAgain(context, fresh, old);
	return old;
}

function moveSocket(context: DdpContext, fresh: Session, old: Session): void {
	old.takeSocketOf(fresh);
	fresh.work.writeAfter(old.work);
	old.work = fresh.work;
	old.work.host = old;
	old.state = 'open';
	fresh.state = 'closed';
	context.rates.closed(fresh);
	context.sessions.delete(fresh);
	context.detached.delete(old);
	context.addresses.update(fresh);
	context.addresses.update(old);
	context.lookAt(old, context.clock.monotonic() + context.limits.pingAfterMs);
}

/** Stands where a socket was. To close it ends the session. */
class NoSocket implements ClientSocket {
	readonly info: SocketInfo;
	readonly bufferedBytes = 0;
	private readonly context: DdpContext;
	private readonly session: Session;

	constructor(context: DdpContext, session: Session) {
		this.info = session.socket.info;
		this.context = context;
		this.session = session;
	}

	send(): void {}
	setMaxMessageBytes(): void {}
	close(): void {
		endSession(this.context, this.session);
	}
}
