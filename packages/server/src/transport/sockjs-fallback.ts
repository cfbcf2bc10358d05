import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SocketAcceptor } from '../ddp/socket.ts';
import type { Clock } from '../platform/clock.ts';
import { clientAddress } from './client-address.ts';
import { outboxLimits } from './outbox.ts';
import { discardBody, readBody } from './request-body.ts';
import { socketInfo } from './socket-info.ts';
import { addCors, answerOptions, answerText, refuseMethod, uncached } from './sockjs-answer.ts';
import { readSockjsMessage } from './sockjs-message.ts';
import type { TransportPath } from './sockjs-path.ts';
import { isCallback, Receiver, receiverKinds, type ReceiverKind } from './sockjs-receiver.ts';
import { SockjsSession, type SessionLimits } from './sockjs-session.ts';
import { Turn } from './turn.ts';

export type FallbackLimits = SessionLimits & {
	/** Sessions that are remembered, closed ones included. */
	maxSessions: number;
	bodyTimeoutMs: number;
	/** How often time is looked at, in ms. */
	checkEveryMs: number;
};

/** @see realtime contract 1.6, 1.7; security contract 4 */
export const fallbackLimits: FallbackLimits = {
	maxMessageBytes: 64 * 1024,
	keepMs: 60_000,
	heartbeatMs: 25_000,
	streamBytes: 128 * 1024,
	outbox: outboxLimits,
	maxSessions: 20_000,
	bodyTimeoutMs: 30_000,
	checkEveryMs: 1_000,
};

export type FallbackDeps = {
	/** Number of trusted proxies in front. @see `clientAddress` */
	forwardedCount: number;
	acceptor: SocketAcceptor;
	clock: Clock;
	/** Origins that browsers may come from; absent or empty: all of them. */
	allowedOrigins?: readonly string[];
	limits?: FallbackLimits;
};

/**
 * SockJS over plain HTTP, for clients between whom and us something breaks WebSockets: `xhr`, `xhr_streaming`,
 * `eventsource`, `htmlfile` bring frames, `xhr_send` takes messages. A session lives in one process: proxies send all its
 * requests to the same one.
 *
 * @see realtime contract 1.6
 */
export function fallbackTransports(deps: FallbackDeps) {
	const { acceptor, clock, forwardedCount, allowedOrigins = [], limits = fallbackLimits } = deps;
	const sessions = new Map<string, SockjsSession>();
	const rules = { limits, clock, turn: new Turn() };
	const checks = setInterval(() => {
		for (const [name, session] of sessions) {
			if (!session.check()) continue;
			sessions.delete(name);
			session.terminate();
		}
	}, limits.checkEveryMs);

	/** A new session, or null when it was refused: that is answered then. */
	function openSession(request: IncomingMessage, response: ServerResponse, name: string): SockjsSession | null {
		const address = clientAddress(request, forwardedCount);
		const admission = acceptor.admit(address);
		if (!admission.ok || sessions.size >= limits.maxSessions) {
			response.setHeader('Retry-After', String(admission.ok ? 2 : admission.retryAfterSeconds));
			answerText(response, 503, 'Service Unavailable\n');
			return null;
		}
		const session = new SockjsSession(socketInfo(request, 'sockjs', address), rules);
		sessions.set(name, session);
		session.open(acceptor);
		return session;
	}

	function receive(request: IncomingMessage, response: ServerResponse, name: string, kind: ReceiverKind): void {
		const callback = new URLSearchParams((request.url ?? '').split('?', 2)[1] ?? '').get('c') ?? '';
		if (kind.needsCallback && !isCallback(callback)) {
			const problem = callback === '' ? '"callback" parameter required' : 'invalid "callback" parameter';
			return answerText(response, 500, problem);
		}
		const session = sessions.get(name) ?? openSession(request, response, name);
		session?.receive(new Receiver(kind, response, callback, clock.monotonic()));
	}

	async function send(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
		const session = sessions.get(name);
		if (session === undefined) return answerText(response, 404, 'Not Found\n');
		let reserved = 0;
		const mayTake = (bytes: number) => {
			const isTaken = session.reserve(bytes);
			if (isTaken) reserved += bytes;
			return isTaken;
		};
		const body = await readBody(request, { timeoutMs: limits.bodyTimeoutMs, mayTake });
		session.release(reserved);
		if (body === 'gone') return;
		if (body === 'large') return refuseLarge(request, response);
		if (body === 'slow') return refuseSlow(response);
		if (body.length === 0) return answerText(response, 500, 'Payload expected.');
		const texts = readSockjsMessage(body.toString('utf8'));
		if (typeof texts === 'string') {
			return answerText(response, 500, texts === 'broken' ? 'Broken JSON encoding.' : 'Payload expected.');
		}
		session.hear(texts);
		response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
		response.writeHead(204).end();
	}

	return {
		allowedOrigins,

		/** Answers a request to a transport of a session. */
		answer(request: IncomingMessage, response: ServerResponse, { session, transport }: TransportPath): void {
			const kind = receiverKinds.get(transport);
			if (kind === undefined && transport !== 'xhr_send') return answerText(response, 404, 'Not Found\n');
			const method = kind?.method ?? 'POST';
			addCors(request, response);
			if (request.method === 'OPTIONS') return answerOptions(response, `OPTIONS, ${method}`);
			if (request.method !== method) return refuseMethod(response, `OPTIONS, ${method}`);
			response.setHeader('Cache-Control', uncached);
			if (kind !== undefined) receive(request, response, session, kind);
			else void send(request, response, session);
		},

		/** Cuts all sessions and ends looking at time. */
		stop(): void {
			clearInterval(checks);
			for (const session of sessions.values()) session.terminate();
			sessions.clear();
		},

		/** Sessions that are remembered. */
		get size(): number {
			return sessions.size;
		},
	};
}

export type FallbackTransports = ReturnType<typeof fallbackTransports>;

/** The rest of the body is read first: a client that is still sending would see a broken connection instead. */
async function refuseLarge(request: IncomingMessage, response: ServerResponse): Promise<void> {
	await discardBody(request);
	response.setHeader('Connection', 'close');
	answerText(response, 413, 'Payload Too Large\n');
}

function refuseSlow(response: ServerResponse): void {
	response.setHeader('Connection', 'close');
	answerText(response, 408, 'Request Timeout\n');
}
