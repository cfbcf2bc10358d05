import { ClientError } from '@rookery/protocol/errors.ts';
import { agreeVersion, parseFrame, type ClientFrame, type FrameProblem } from '@rookery/protocol/frames.ts';
import { connectedFrame, errorFrame, failedFrame, pongFrame } from '@rookery/protocol/server-frames.ts';
import { greeting, nosub } from './answers.ts';
import { Session, wholeMs, type ClientWork, type SocketLink } from './client-session.ts';
import type { DdpContext } from './context.ts';
import { identityMethods, refuseMethod, runMethod, takeCall } from './dispatch.ts';
import { endIdentity } from './identity.ts';
import { askedOf } from './kept-answers.ts';
import { wakeLoginWaiters } from './login-wait.ts';
import { outFrame } from './out-frame.ts';
import { endWatch } from './presence-watch.ts';
import { tooMany } from './rates.ts';
import type { ClientSocket, SocketHandlers } from './socket.ts';
import { endSub, subscribe, unsubscribe } from './subscriptions.ts';
import { writtenRoom } from './written-room.ts';

/**
 * A new session on a socket that has just been opened. Sends the first frame.
 *
 * @returns What the transport tells of the socket.
 */
export function openSession(
	context: DdpContext,
	socket: ClientSocket,
	onClosed: (code: number) => void,
): SocketHandlers {
	const link: SocketLink = { session: null };
	const session = new Session(context, socket, link);
	link.session = session;
	context.sessions.add(session);
	context.addresses.update(session);
	context.lookAt(session, session.openedAt + context.limits.connectTimeoutMs + 1);
	session.send(greeting(), 'own');
	return {
		onText: (text) => {
			const heard = link.session;
			if (heard === null) return;
			heard.lastHeardAt = wholeMs(context);
			heard.pingedAt = null;
			hear(context, heard, text);
		},
		onClose: (code) => {
			const ended = link.session;
			link.session = null;
			if (ended !== null && !context.resumption.detach(ended, code)) endSession(context, ended);
			onClosed(code);
		},
	};
}

/** Nothing is left of a session. */
export function endSession(context: DdpContext, session: Session): void {
	if (session.state === 'closed') return;
	session.state = 'closed';
	context.resumption.forget(session);
	session.work.stop();
	for (const sub of session.subs.values()) endSub(context, session, sub);
	endWatch(context, session);
	endIdentity(context, session);
	wakeLoginWaiters(session);
	session.keepNothing();
	context.rates.closed(session);
	context.sessions.delete(session);
	context.addresses.update(session);
}

/** Does what a client asked for when its turn has come. */
export function perform(context: DdpContext, session: Session, { frame, call }: ClientWork): Promise<void> {
	if (frame.msg === 'method' && call !== null) return runMethod(context, session, frame, call);
	if (frame.msg === 'sub') return subscribe(context, session, frame);
	unsubscribe(context, session, frame.id);
	return Promise.resolve();
}

function hear(context: DdpContext, session: Session, text: string): void {
	const frame = parseFrame(text);
	if ('problem' in frame) return hearProblem(context, session, frame);
	if (session.state === 'opening') return hearEarly(context, session, frame, text);
	if (frame.msg === 'ping') return answerPing(session, frame.id, text);
	if (frame.msg === 'pong') return session.ponged(frame.id);
	if (session.state === 'ending') return;
	if (frame.msg === 'connect') return reply(session, errorFrame('Already connected', text));
	take(context, session, frame, text);
}

function reply(session: Session, text: string): void {
	session.send(outFrame(text), 'own');
}

function hearProblem(context: DdpContext, session: Session, problem: FrameProblem): void {
	if (problem.problem === 'params') {
		if (session.state === 'opening' || session.state === 'ending') return;
		const error = new ClientError(400, 'Match failed');
		if (problem.msg === 'method') {
			if (takeCall(session, problem.id, '') !== null) refuseMethod(session, problem.id, error);
		} else session.send(nosub(problem.id, error), 'own');
		return;
	}
	reply(session, errorFrame(problem.reason, problem.offending));
	if (problem.reason !== 'Parse error') return;
	session.brokenFrames += 1;
	if (session.brokenFrames > context.limits.maxBrokenFrames) session.giveUp(1007, 'UNSUPPORTED_DATA');
}

/** Before the negotiation only `connect` means something. */
function hearEarly(context: DdpContext, session: Session, frame: ClientFrame, text: string): void {
	if (frame.msg === 'connect') return connect(context, session, frame);
	reply(session, errorFrame('Must connect first', text));
	session.earlyFrames += 1;
	if (session.earlyFrames >= context.limits.maxEarlyFrames) session.giveUp(1002, 'CLOSE_PROTOCOL_ERROR');
}

/** @see realtime contract 2.2 */
function connect(context: DdpContext, session: Session, frame: ClientFrame & { msg: 'connect' }): void {
	const { agreed, version } = agreeVersion(frame);
	if (!agreed) {
		reply(session, failedFrame(version));
		session.giveUp(1000, '');
		return;
	}
	session.knowsPing = version !== 'pre1';
	if (frame.session === undefined || !session.knowsPing) return begin(context, session);
	session.state = 'claiming';
	void context.resumption.claim(session, frame.session).then(() => {
		if (session.state === 'claiming') begin(context, session);
	});
}

/** The client may begin: it has its old session back, or a new one. */
function begin(context: DdpContext, session: Session): void {
	session.state = 'open';
	context.addresses.update(session);
	reply(session, connectedFrame(session.id));
	if (session.claim === null) {
		context.resumption.register(session);
		session.work.open();
		return;
	}
	const { work } = session;
	void context.resumption.resumeAnonymous(session).then(() => work.open());
}

/** At once, ahead of queued work. */
function answerPing(session: Session, id: string | undefined, text: string): void {
	reply(session, session.knowsPing ? pongFrame(id) : errorFrame('Bad request', text));
}

/** Puts a method, `sub` or `unsub` in its place in the order of the connection. */
function take(context: DdpContext, session: Session, frame: ClientFrame, text: string): void {
	switch (frame.msg) {
		case 'method':
			return takeMethod(context, session, frame, askedOf(text));
		case 'sub':
			if (session.work.waitingOf('instant') >= context.limits.maxQueuedSubs) {
				return session.send(nosub(frame.id, new ClientError('too-many-requests', 'Too many subscriptions')), 'own');
			}
			return session.work.push({ kind: 'instant', room: null, frame, call: null });
		case 'unsub':
			if (session.work.waitingOf('instant') >= context.limits.maxQueuedSubs) {
				return session.giveUp(1013, 'TRY_AGAIN_LATER');
			}
			return session.work.push({ kind: 'instant', room: null, frame, call: null });
		case 'connect':
		case 'ping':
		case 'pong':
			return;
	}
}

function takeMethod(
	context: DdpContext,
	session: Session,
	frame: ClientFrame & { msg: 'method' },
	asked: string,
): void {
	const call = takeCall(session, frame.id, asked);
	if (call === null) return;
	const kind = identityMethods.has(frame.method) ? 'identity' : 'method';
	const waiting = session.work.waitingOf('method') + session.work.waitingOf('identity');
	if (waiting >= context.limits.maxQueuedMethods) return refuseMethod(session, frame.id, tooMany(1_000));
	const room = kind === 'method' ? writtenRoom(frame.method, frame.params) : null;
	session.work.push({ kind, room, frame, call });
}
