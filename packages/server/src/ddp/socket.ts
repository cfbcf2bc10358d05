import type { OutFrame } from './out-frame.ts';

/** What is known of a socket before its client has said anything. */
export type SocketInfo = {
	clientAddress: string;
	userAgent: string;
	transport: 'websocket' | 'sockjs';
	/** Second factor that came with the headers of the handshake (mobile app). */
	twoFactor?: { code: string; method: string };
};

/**
 * Why a frame is sent. `own`: an answer to the client's own call, which alone may be larger than the bound of the outgoing
 * buffer. `event`: must arrive or the socket is closed. `{coalesce}`: only the newest of the same key matters (typing,
 * presence), once the buffer is long.
 */
export type SendKind = 'own' | 'event' | { coalesce: () => string };

/** A client's socket as the DDP side sees it. Bytes, framing and bounds are the transport's. */
export type ClientSocket = {
	readonly info: SocketInfo;
	/** Queues a frame. Never blocks, never throws; on a closed socket nothing happens. */
	send(frame: OutFrame, kind: SendKind): void;
	/** Sends what is queued, then closes. Later frames are dropped. */
	close(code: number, reason: string): void;
	/** Largest message the client may send from now on, in bytes. */
	setMaxMessageBytes(bytes: number): void;
	/** Bytes queued and not yet taken by the system. */
	readonly bufferedBytes: number;
};

/** What the DDP side wants to hear of a socket. */
export type SocketHandlers = {
	/** One text message: the client's DDP frame. */
	onText(text: string): void;
	/** Exactly once, whoever closed it. */
	onClose(code: number): void;
};

/** What the transport asks the DDP side. */
export type SocketAcceptor = {
	/** Whether a handshake from this address is taken. Refused: 503 with this many seconds in `Retry-After`. */
	admit(clientAddress: string): { ok: true } | { ok: false; retryAfterSeconds: number };
	accept(socket: ClientSocket): SocketHandlers;
};
