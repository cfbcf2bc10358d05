import { ClientError } from '@rookery/protocol/errors.ts';
import { agreeVersion, parseFrame, type ClientFrame, type FrameProblem } from '@rookery/protocol/frames.ts';
import { connectedFrame, errorFrame, failedFrame, pingFrame, pongFrame } from '@rookery/protocol/server-frames.ts';
import { greeting, nosub } from './answers.ts';
import type { DdpContext, Session } from './context.ts';
import { identityMethods, refuseMethod, runMethod, type MethodFrame } from './dispatch.ts';
import { documentStore } from './documents.ts';
import { endIdentity, revokeExpired } from './identity.ts';
import { wakeLoginWaiters } from './login-wait.ts';
import { outFrame, type OutFrame } from './out-frame.ts';
import { endWatch } from './presence-watch.ts';
import { tooMany } from './rates.ts';
import type { ClientSocket, SendKind, SocketHandlers } from './socket.ts';
import { endSub, subscribe, unsubscribe, type SubFrame } from './subscriptions.ts';
import { workQueue } from './work-queue.ts';
import { writtenRoom } from './written-room.ts';

/** A new session on a socket that has just been opened. Sends the first frame. */
export function openSession(context: DdpContext, socket: ClientSocket): Session {
	const now = context.clock.monotonic();
	const send = (frame: OutFrame, kind: SendKind) => {
		if (session.state !== 'closed') socket.send(frame, kind);
	};
	const session: Session = {
		id: context.newSessionId(),
		socket,
		state: 'opening',
		knowsPing: true,
		actor: null,
		identity: 0,
		loggingOut: null,
		userLease: null,
		subs: new Map(),
		documents: documentStore((frame) => send(frame, 'own')),
		work: workQueue({
			maxRunning: context.limits.maxRunningMethods,
			onBug: (error) => context.log.error({ err: error }, 'a frame could not be handled'),
		}),
		openMethods: new Set(),
		loginWaiters: new Set(),
		watch: null,
		openedAt: now,
		lastHeardAt: now,
		pingedAt: null,
		earlyFrames: 0,
		brokenFrames: 0,
		send,
		overrun: () => socket.close(1012, 'SERVICE_RESTART'),
	};
	context.sessions.add(session);
	context.addresses.update(session);
	send(greeting(), 'own');
	return session;
}

/** What the transport tells of the socket. */
export function sessionHandlers(
	context: DdpContext,
	session: Session,
	onClosed: (code: number) => void,
): SocketHandlers {
	return {
		onText: (text) => {
			if (session.state === 'closed') return;
			session.lastHeardAt = context.clock.monotonic();
			session.pingedAt = null;
			hear(context, session, text);
		},
		onClose: (code) => {
			if (session.state === 'closed') return;
			closeSession(context, session);
			onClosed(code);
		},
	};
}

function closeSession(context: DdpContext, session: Session): void {
	session.state = 'closed';
	session.work.stop();
	for (const sub of session.subs.values()) endSub(context, session, sub);
	endWatch(context, session);
	endIdentity(context, session);
	wakeLoginWaiters(session);
	context.sessions.delete(session);
	context.addresses.update(session);
}

function hear(context: DdpContext, session: Session, text: string): void {
	const frame = parseFrame(text);
	if ('problem' in frame) return hearProblem(context, session, frame);
	if (session.state === 'opening') return hearEarly(context, session, frame, text);
	if (frame.msg === 'ping') return answerPing(session, frame.id, text);
	if (frame.msg === 'pong' || session.state === 'ending') return;
	if (frame.msg === 'connect') return reply(session, errorFrame('Already connected', text));
	take(context, session, frame);
}

function reply(session: Session, text: string): void {
	session.send(outFrame(text), 'own');
}

function hearProblem(context: DdpContext, session: Session, problem: FrameProblem): void {
	if (problem.problem === 'params') {
		if (session.state !== 'open') return;
		const error = new ClientError(400, 'Match failed');
		if (problem.msg === 'method') refuseMethod(session, problem.id, error);
		else session.send(nosub(problem.id, error), 'own');
		return;
	}
	reply(session, errorFrame(problem.reason, problem.offending));
	if (problem.reason !== 'Parse error') return;
	session.brokenFrames += 1;
	if (session.brokenFrames > context.limits.maxBrokenFrames) session.socket.close(1007, 'UNSUPPORTED_DATA');
}

/** Before the negotiation only `connect` means something. */
function hearEarly(context: DdpContext, session: Session, frame: ClientFrame, text: string): void {
	if (frame.msg === 'connect') return connect(context, session, frame);
	reply(session, errorFrame('Must connect first', text));
	session.earlyFrames += 1;
	if (session.earlyFrames >= context.limits.maxEarlyFrames) session.socket.close(1002, 'CLOSE_PROTOCOL_ERROR');
}

/** @see realtime contract 2.2 */
function connect(context: DdpContext, session: Session, frame: ClientFrame & { msg: 'connect' }): void {
	const { agreed, version } = agreeVersion(frame);
	if (!agreed) {
		reply(session, failedFrame(version));
		session.socket.close(1000, '');
		return;
	}
	session.knowsPing = version !== 'pre1';
	session.state = 'open';
	context.addresses.update(session);
	reply(session, connectedFrame(session.id));
	session.work.open();
}

/** At once, ahead of queued work. */
function answerPing(session: Session, id: string | undefined, text: string): void {
	reply(session, session.knowsPing ? pongFrame(id) : errorFrame('Bad request', text));
}

/** Puts a method, `sub` or `unsub` in its place in the order of the connection. */
function take(context: DdpContext, session: Session, frame: ClientFrame): void {
	switch (frame.msg) {
		case 'method':
			return takeMethod(context, session, { id: frame.id, method: frame.method, params: frame.params });
		case 'sub':
			return takeSub(context, session, { id: frame.id, name: frame.name, params: frame.params });
		case 'unsub':
			if (session.work.waitingOf('instant') >= context.limits.maxQueuedSubs) {
				return session.socket.close(1013, 'TRY_AGAIN_LATER');
			}
			return session.work.push({
				kind: 'instant',
				room: null,
				run: async () => unsubscribe(context, session, frame.id),
			});
		case 'connect':
		case 'ping':
		case 'pong':
			return;
	}
}

function takeMethod(context: DdpContext, session: Session, frame: MethodFrame): void {
	if (session.openMethods.has(frame.id)) return;
	session.openMethods.add(frame.id);
	const kind = identityMethods.has(frame.method) ? 'identity' : 'method';
	const waiting = session.work.waitingOf('method') + session.work.waitingOf('identity');
	if (waiting >= context.limits.maxQueuedMethods) return refuseMethod(session, frame.id, tooMany(1_000));
	session.work.push({
		kind,
		room: kind === 'method' ? writtenRoom(frame.method, frame.params) : null,
		run: () => runMethod(context, session, frame),
	});
}

function takeSub(context: DdpContext, session: Session, frame: SubFrame): void {
	if (session.work.waitingOf('instant') >= context.limits.maxQueuedSubs) {
		return session.send(nosub(frame.id, new ClientError('too-many-requests', 'Too many subscriptions')), 'own');
	}
	session.work.push({ kind: 'instant', room: null, run: () => subscribe(context, session, frame) });
}

/** Time passes: handshakes that do not come, silence, expired logins. To be called a few times a second. */
export function checkSession(context: DdpContext, session: Session): void {
	const { limits } = context;
	const now = context.clock.monotonic();
	if (session.state === 'opening') {
		if (now - session.openedAt > limits.connectTimeoutMs) session.socket.close(4001, 'CONNECT_TIMEOUT');
		return;
	}
	revokeExpired(context, session);
	// Nobody can tell whether a client without pings is there: TCP has to.
	if (!session.knowsPing) return;
	if (session.pingedAt !== null) {
		if (now - session.pingedAt > limits.closeAfterPingMs) session.socket.close(4408, 'TIMEOUT');
		return;
	}
	if (now - session.lastHeardAt <= limits.pingAfterMs) return;
	session.pingedAt = now;
	session.send(outFrame(pingFrame()), 'event');
}
