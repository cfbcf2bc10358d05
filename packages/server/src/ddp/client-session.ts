import type { ClientFrame } from '@rookery/protocol/frames.ts';
import { pingFrame } from '@rookery/protocol/server-frames.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import type { Actor } from '../services/contracts.ts';
import type { Claim } from './claim.ts';
import type { DdpContext } from './context.ts';
import { DocumentStore } from './documents.ts';
import type { Receiver } from './fanout.ts';
import type { Lease } from './interest.ts';
import { KeptAnswers } from './kept-answers.ts';
import { outFrame, type OutFrame } from './out-frame.ts';
import type { ClientSocket, SendKind } from './socket.ts';
import { SubList } from './sub-list.ts';
import type { WheelItem } from './timing-wheel.ts';
import { WorkQueue, type Work, type WorkHost } from './work-queue.ts';

/** A method on its way. */
export type Call = {
	/** Tells whether it is asked for again; '': its answer is for nobody but who waits for it already. */
	asked: string;
	isBegun: boolean;
	/** The socket it came by is gone. */
	isEarlier: boolean;
	/** Its client has asked for it again on a later socket, and waits. */
	isAskedAgain: boolean;
};

/** A frame of the client that waits for its turn. @param call Of a method */
export type ClientWork = Work & {
	frame: Extract<ClientFrame, { msg: 'method' | 'sub' | 'unsub' }>;
	call: Call | null;
};

/** What a socket's handlers speak to: another session may take the socket over. */
export type SocketLink = { session: Session | null };

/**
 * `opening`: no `connect` yet. `claiming`: `connect` names a session, it is being looked for. `ending`: the login was
 * revoked, the socket is about to be closed and only pings are answered. `detached`: the socket went, the client may come
 * back. `closed`: nothing is left.
 */
export type SessionState = 'opening' | 'claiming' | 'open' | 'ending' | 'detached' | 'closed';

/** Sessions watch the presence of these users. */
export type PresenceWatch = { mainId: string; lease: Lease; uids: Set<UserId>; since: number };

/**
 * One client. There are very many, so parts that most of them do not need are made when they are needed.
 *
 * What the client has received is proven by its `pong` to a ping with an id that was sent behind it; what was sent since
 * the last proof is sent again when it comes back on another socket.
 *
 * @see architecture 3, "Session resumption"
 */
export class Session implements Receiver, WheelItem, WorkHost<ClientWork> {
	// First what every frame looks at, so that it stands together in memory.
	socket: ClientSocket;
	state: SessionState = 'opening';
	/** Frames are only noted: they will be sent behind those of the session's earlier place. */
	isCatchingUp = false;
	/** Index of the first frame that is not proven to have been received; 0 = none. */
	private unproven = 0;
	/** As `unproven`, of what was sent behind the ping that is out. */
	private unprovenSincePing = 0;
	/** Number of the ping that is out; 0 = none. */
	private proofPing = 0;
	private isProofDue = false;
	/** A secret: who knows it may take the session over. */
	id: string;
	holds = 0;
	/** false for DDP version pre1. */
	knowsPing = true;
	/** false: something was lost or judged away that a return could not make good. */
	mayResume = true;
	private pings = 0;
	/** Pings without an id that were not answered. */
	private plainPings = 0;
	private lastProofAt: number;
	readonly context: DdpContext;

	link: SocketLink;
	actor: Actor | null = null;
	/** Grows with each change of identity: work of an older one is judged again. */
	identity = 0;
	/** A logout that is on its way: its own revocation then changes nothing more. */
	loggingOut: { hashedToken: string; isRevoked: boolean } | null = null;
	userLease: Lease | null = null;
	readonly subs = new SubList();
	readonly documents: DocumentStore;
	work: WorkQueue<ClientWork>;
	/** Methods that have not been answered, by their ids. */
	openMethods: Map<string, Call> | null = null;
	/** Those of the socket before: they are answered on this one when they are asked for again. */
	earlierMethods: Map<string, Call> | null = null;
	answers: KeptAnswers | null = null;
	/** How many sockets it has had. */
	sockets = 1;
	/** Subs that wait for a login. */
	loginWaiters: Set<() => void> | null = null;
	watch: PresenceWatch | null = null;

	/** Times are whole ms of the monotonic clock: such numbers need no memory of their own. */
	openedAt: number;
	lastHeardAt: number;
	pingedAt: number | null = null;
	earlyFrames = 0;
	brokenFrames = 0;
	wheelNext: WheelItem | null = null;
	wheelPrev: WheelItem | null = null;
	wheelTick = 0;

	detachedAt = 0;
	/** Who wants to take this session over. */
	claimedBy: object | null = null;
	/** The session this client wants back; it has still to log in. */
	claim: Claim | null = null;
	/** The session that took this one's socket over: what is still sent goes there. */
	successor: Session | null = null;

	constructor(context: DdpContext, socket: ClientSocket, link: SocketLink) {
		const now = wholeMs(context);
		this.id = context.newSessionId();
		this.context = context;
		this.socket = socket;
		this.link = link;
		this.openedAt = now;
		this.lastHeardAt = now;
		this.lastProofAt = now;
		this.documents = new DocumentStore(this);
		this.work = new WorkQueue<ClientWork>(context.limits.maxRunningMethods, this);
	}

	perform(work: ClientWork): Promise<void> {
		return this.context.perform(this, work);
	}

	onBug(error: unknown): void {
		this.context.log.error({ err: error }, 'a frame could not be handled');
	}

	/** Sends an answer, or what is of no use later. Without a socket nothing happens. */
	send(frame: OutFrame, kind: SendKind): void {
		if (this.successor !== null) return this.successor.send(frame, kind);
		if (this.hasSocket) this.socket.send(frame, kind);
	}

	/** One event of a stream. @see Receiver */
	deliver(frame: OutFrame, kind: SendKind, index: number): void {
		if (index > 0) this.note(index);
		if (this.isCatchingUp || !this.hasSocket) return;
		this.socket.send(frame, kind);
		if (index > 0 && this.proofPing === 0 && !this.isProofDue) this.proveSoon();
	}

	/**
	 * Tells this client alone, as an event: it is told again when it comes back.
	 *
	 * @param key What it is about: told again only while the client listens to that. null: in any case.
	 */
	tell(frame: OutFrame, key: string | null = null): void {
		const index = this.context.recent.append(key === null ? privateKey(this) : handedKey(this, key), frame);
		this.deliver(frame, 'event', index);
	}

	/**
	 * Keeps an answer, for a client that asks again on another socket.
	 *
	 * @param isSent To the present socket; false: to none.
	 */
	keepAnswer(id: string, asked: string, answer: OutFrame, isSent: boolean): void {
		if (!this.knowsPing || !this.mayResume || asked === '') return;
		this.answers ??= new KeptAnswers(this.context.answerBytes);
		this.answers.keep(id, asked, answer, isSent ? this.sockets : 0);
		this.proveSoon();
	}

	/** Too much was kept back: the client has to start anew. */
	overrun(): void {
		this.giveUp(1012, 'SERVICE_RESTART');
	}

	/** Closes the socket, and nothing is kept for a return: a plain start is the way on. */
	giveUp(code: number, reason: string): void {
		this.mayResume = false;
		this.socket.close(code, reason);
	}

	private get hasSocket(): boolean {
		return this.state !== 'detached' && this.state !== 'closed';
	}

	private note(index: number): void {
		if (this.proofPing === 0) this.unproven = earliest(this.unproven, index);
		else this.unprovenSincePing = earliest(this.unprovenSincePing, index);
	}

	/** Asks for a proof now or a while after the last one. */
	proveSoon(): void {
		if (this.proofPing !== 0 || this.isProofDue || !this.knowsPing || !this.mayResume) return;
		const dueAt = this.lastProofAt + this.context.limits.proofEveryMs;
		const { coarseNow, limits } = this.context;
		if (coarseNow >= dueAt) this.prove();
		if (this.proofPing !== 0 || !this.hasSocket) return;
		this.isProofDue = true;
		this.context.lookAt(this, dueAt > coarseNow ? dueAt : coarseNow + limits.proofEveryMs);
	}

	/** Sends the ping that proves what stands before it. What is kept back would leave behind it, out of order. */
	private prove(): void {
		if (this.holds > 0 || this.isCatchingUp || this.state !== 'open') return;
		this.isProofDue = false;
		this.pings += 1;
		this.proofPing = this.pings;
		this.answers?.markPing();
		this.socket.send(outFrame(pingFrame(proofId(this.proofPing))), 'event');
	}

	/** When the next proof is to be asked for; null: nothing is waiting for one. */
	proofDueAt(now: number): number | null {
		if (!this.isProofDue) return null;
		const dueAt = this.lastProofAt + this.context.limits.proofEveryMs;
		if (now < dueAt) return dueAt;
		this.prove();
		return this.isProofDue ? now + this.context.limits.proofEveryMs : null;
	}

	/** A ping without an id was sent: it asks whether the client is there, and proves nothing. */
	pingWithoutId(frame: OutFrame): void {
		this.pingedAt = wholeMs(this.context);
		this.plainPings += 1;
		this.send(frame, 'event');
	}

	/** A `pong` came. A client that does not give the id back cannot prove anything: nothing is kept for it. */
	ponged(id: string | undefined): void {
		if (id === undefined) {
			if (this.plainPings > 0) this.plainPings -= 1;
			else if (this.proofPing !== 0) this.keepNothing();
			return;
		}
		if (this.proofPing === 0 || id !== proofId(this.proofPing)) return;
		this.answers?.prove();
		if (this.answers?.isEmpty === true) this.answers = null;
		this.proofPing = 0;
		this.lastProofAt = wholeMs(this.context);
		this.unproven = this.unprovenSincePing;
		this.unprovenSincePing = 0;
		if (this.unproven !== 0 || this.answers !== null) this.proveSoon();
	}

	/** The client will not be able to come back. */
	keepNothing(): void {
		this.mayResume = false;
		this.answers?.clear();
		this.answers = null;
	}

	/** The socket of the proof is gone: what was sent behind its ping is as unproven as what stood before it. */
	forgetPing(): void {
		this.unproven = earliest(this.unproven, this.unprovenSincePing);
		this.unprovenSincePing = 0;
		this.proofPing = 0;
		this.isProofDue = false;
	}

	/** The client is gone from this socket: what has not begun it will ask for again, what has is answered then. */
	leaveSocket(): void {
		this.forgetPing();
		this.plainPings = 0;
		this.pingedAt = null;
		for (const { frame, call } of this.work.takeWaiting()) if (call !== null) this.openMethods?.delete(frame.id);
		for (const [id, call] of this.openMethods ?? []) {
			call.isEarlier = true;
			(this.earlierMethods ??= new Map<string, Call>()).set(id, call);
		}
		this.openMethods = null;
		this.answers?.leaveSocket();
		this.sockets += 1;
	}

	/** Goes on with the socket of a session that ends here. What was sent on it before proves nothing of this one. */
	takeSocketOf(fresh: Session): void {
		this.socket = fresh.socket;
		this.link = fresh.link;
		this.link.session = this;
		this.openMethods = fresh.openMethods;
		this.knowsPing = fresh.knowsPing;
		this.lastHeardAt = fresh.lastHeardAt;
		this.pings = Math.max(this.pings, fresh.pings);
		this.plainPings = fresh.plainPings;
		this.pingedAt = fresh.pingedAt;
		fresh.successor = this;
		fresh.keepNothing();
	}

	/** Somebody else is here from now on, or nobody: what was told and answered before is not told again. */
	forgetTold(): void {
		this.unproven = 0;
		this.unprovenSincePing = 0;
		this.answers?.clear();
		this.answers = null;
		for (const calls of [this.openMethods, this.earlierMethods]) {
			for (const call of calls?.values() ?? []) if (call.isBegun) call.asked = '';
		}
	}

	/** Index of the first frame the client may not have; 0: it has all. */
	get firstUnproven(): number {
		return earliest(this.unproven, this.unprovenSincePing);
	}

	/**
	 * What stands before is done with; everything from this index on (0: nothing) is about to be sent again, and to be
	 * proven soon.
	 */
	restartProof(firstUnproven: number): void {
		this.forgetPing();
		this.unproven = firstUnproven;
		this.lastProofAt = wholeMs(this.context) - this.context.limits.proofEveryMs;
	}

	/** Whether everything the client may not have is still at hand. */
	get isCovered(): boolean {
		const { firstUnproven } = this;
		return firstUnproven === 0 || this.context.recent.covers(firstUnproven);
	}
}

/** Now, in whole ms of the monotonic clock. */
export function wholeMs({ clock }: Pick<DdpContext, 'clock'>): number {
	return Math.floor(clock.monotonic());
}

/** Where what is told to one session alone stands in the log. */
export function privateKey({ id }: Pick<Session, 'id'>): string {
	return `\n${id}`;
}

/** Where a frame of a key stands that is meant for this session alone, of those who listen to the key. */
export function handedKey(session: Pick<Session, 'id'>, key: string): string {
	return `${privateKey(session)}\n${key}`;
}

function proofId(ping: number): string {
	return `p${ping}`;
}

/** The smaller index; 0 = none. */
function earliest(one: number, other: number): number {
	if (one === 0 || other === 0) return one + other;
	return Math.min(one, other);
}
