import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { sockjsCloseFrame } from '@rookery/protocol/server-frames.ts';
import type { OutFrame } from '../ddp/out-frame.ts';
import type { ClientSocket, SendKind, SocketAcceptor, SocketHandlers, SocketInfo } from '../ddp/socket.ts';
import type { Clock } from '../platform/clock.ts';
import { clientAddress } from './client-address.ts';
import { encodeFrame, textFrame, type Encoding } from './framing.ts';
import { outbox, outboxLimits, type Outbox, type OutboxLimits } from './outbox.ts';
import { pathWithin, readSockjsMessage, socketPath } from './sockjs.ts';

export type SocketLimits = {
	/** Largest message of a client that has not logged in, in bytes. */
	maxMessageBytes: number;
	maxFragments: number;
	maxHeaders: number;
	outbox: OutboxLimits;
};

/** @see security contract 4 */
export const socketLimits: SocketLimits = {
	maxMessageBytes: 64 * 1024,
	maxFragments: 128,
	maxHeaders: 100,
	outbox: outboxLimits,
};

type Deps = {
	server: Server;
	/** Path prefix of the deployment: '' or `/chat`. */
	prefix: string;
	/** Number of trusted proxies in front. @see `clientAddress` */
	forwardedCount: number;
	acceptor: SocketAcceptor;
	clock: Clock;
	limits?: SocketLimits;
	/** Origins that browsers may come from; absent or empty: all of them. */
	allowedOrigins?: string[];
};

/** Time a peer has to answer a close frame before its TCP connection is cut, in ms. */
const closeTimeoutMs = 5_000;

/** Silence after which TCP asks whether the peer is still there, in ms: for clients that know no DDP ping. */
const keepAliveMs = 60_000;

/**
 * Takes WebSocket handshakes on an HTTP server and hands the sockets to the DDP side. Plain requests to the same paths
 * are answered by `socketRequests`. Upgrades to anything but WebSocket are left to the server as ordinary requests.
 *
 * @returns Ends taking handshakes and cuts what is still open.
 * @see realtime contract 1
 */
export function attachSockets(deps: Deps): () => void {
	const limits = deps.limits ?? socketLimits;
	const sockets = new Set<OpenSocket>();
	const flush = flushQueue();
	const handshakes = new WebSocketServer({
		noServer: true,
		clientTracking: false,
		perMessageDeflate: false,
		maxPayload: limits.maxMessageBytes,
		maxFragments: limits.maxFragments,
		closeTimeout: closeTimeoutMs,
		handleProtocols: () => false,
	} as ConstructorParameters<typeof WebSocketServer>[0]);

	const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
		socket.on('error', () => socket.destroy());
		if (socket instanceof Socket) socket.setKeepAlive(true, keepAliveMs);
		const verdict = judge(request, deps, limits);
		if ('status' in verdict) return refuse(socket, verdict.status, verdict.headers);
		handshakes.handleUpgrade(request, socket, head, (ws) => {
			const open = openSocket({ ws, socket, verdict, request, limits, deps, schedule: flush });
			sockets.add(open);
			ws.once('close', () => sockets.delete(open));
		});
	};
	deps.server.on('upgrade', onUpgrade);
	// Clients that offer `Upgrade: h2c` with a plain request must be answered as if they had not.
	(deps.server as { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }).shouldUpgradeCallback = (
		request,
	) => request.headers.upgrade?.toLowerCase() === 'websocket';
	const ages = setInterval(() => {
		for (const { box } of sockets) box.checkAge();
	}, 1_000);
	return () => {
		clearInterval(ages);
		deps.server.off('upgrade', onUpgrade);
		for (const { ws } of sockets) ws.terminate();
	};
}

type Verdict = { encoding: Encoding; info: SocketInfo };
type OpenSocket = { ws: WebSocket; box: Outbox };

function judge(
	request: IncomingMessage,
	deps: Deps,
	limits: SocketLimits,
): Verdict | { status: number; headers?: Record<string, string> } {
	const path = pathWithin(request.url, deps.prefix);
	const encoding = path === null ? null : socketPath(path);
	if (encoding === null) return { status: 404 };
	if (request.rawHeaders.length > limits.maxHeaders * 2) return { status: 431 };
	const { origin } = request.headers;
	const allowed = deps.allowedOrigins ?? [];
	if (origin !== undefined && allowed.length > 0 && !allowed.includes(origin)) return { status: 403 };
	const address = clientAddress(request, deps.forwardedCount);
	const admission = deps.acceptor.admit(address);
	if (!admission.ok) return { status: 503, headers: { 'Retry-After': String(admission.retryAfterSeconds) } };
	return { encoding, info: socketInfo(request, encoding, address) };
}

function socketInfo(request: IncomingMessage, encoding: Encoding, clientAddress: string): SocketInfo {
	const code = request.headers['x-2fa-code'];
	const method = request.headers['x-2fa-method'];
	return {
		clientAddress,
		userAgent: (request.headers['user-agent'] ?? '').slice(0, 500),
		transport: encoding === 'raw' ? 'websocket' : 'sockjs',
		...(typeof code === 'string' ? { twoFactor: { code, method: typeof method === 'string' ? method : '' } } : {}),
	};
}

function refuse(socket: Duplex, status: number, headers: Record<string, string> = {}): void {
	const text = STATUS_CODES[status] ?? '';
	const lines = Object.entries({
		Connection: 'close',
		'Content-Type': 'text/plain; charset=UTF-8',
		'Content-Length': String(Buffer.byteLength(text)),
		...headers,
	}).map(([name, value]) => `${name}: ${value}\r\n`);
	socket.once('finish', () => socket.destroy());
	socket.end(`HTTP/1.1 ${status} ${text}\r\n${lines.join('')}\r\n${text}`);
}

type Opening = {
	ws: WebSocket;
	socket: Duplex;
	verdict: Verdict;
	request: IncomingMessage;
	limits: SocketLimits;
	deps: Deps;
	schedule(flush: () => void): void;
};

/**
 * Wires one socket. Frames are written to the TCP socket as they are: compression is off, so `ws` itself writes only
 * whole control frames, between ours.
 */
function openSocket({ ws, socket, verdict, limits, deps, schedule }: Opening): OpenSocket {
	const { encoding, info } = verdict;
	const box = outbox({
		sink: socket,
		limits: limits.outbox,
		clock: deps.clock,
		schedule,
		onOverflow: () => shut(4429, 'SLOW_CONSUMER'),
	});
	let handlers: SocketHandlers | null = null;
	let isShut = false;

	function shut(code: number, reason: string): void {
		if (isShut) return;
		isShut = true;
		if (encoding === 'sockjs' && code !== 4429) box.push(textFrame([sockjsCloseFrame(code, reason)]), 'own');
		box.drain();
		ws.close(code, reason);
		end(code);
	}

	/** Tells the DDP side at once: a peer that is gone may take seconds to be closed. */
	function end(code: number): void {
		box.stop();
		const told = handlers;
		handlers = null;
		told?.onClose(code);
	}

	const client: ClientSocket = {
		info,
		send(frame: OutFrame, kind: SendKind) {
			if (!isShut) box.push(encodeFrame(frame, encoding), kind);
		},
		close: shut,
		setMaxMessageBytes: (bytes) => setMaxPayload(ws, bytes),
		get bufferedBytes() {
			return box.pendingBytes;
		},
	};
	if (encoding === 'sockjs') box.push(textFrame(['o']), 'own');
	handlers = deps.acceptor.accept(client);
	ws.on('message', (data, isBinary) => {
		if (isBinary) return shut(1003, 'UNSUPPORTED_DATA');
		const texts = encoding === 'raw' ? [textOf(data)] : readSockjsMessage(textOf(data));
		if (texts === null) return shut(1007, 'UNSUPPORTED_DATA');
		for (const text of texts) handlers?.onText(text);
	});
	// A broken frame: `ws` closes with the right code by itself (1002, 1007, 1009).
	ws.on('error', () => box.stop());
	ws.once('close', (code) => {
		isShut = true;
		end(code);
	});
	return { ws, box };
}

function textOf(data: Buffer | ArrayBuffer | Buffer[]): string {
	if (Buffer.isBuffer(data)) return data.toString('utf8');
	return Array.isArray(data) ? Buffer.concat(data).toString('utf8') : Buffer.from(data).toString('utf8');
}

/**
 * Changes the largest message of an open socket. `ws` fixes it at the handshake for all sockets of a server, but ours
 * depends on whether the client has logged in; the receiver reads its field for each message.
 */
function setMaxPayload(ws: WebSocket, bytes: number): void {
	const { _receiver: receiver } = ws as unknown as { _receiver?: { _maxPayload?: unknown } | null };
	if (receiver === null || receiver === undefined) return;
	if (typeof receiver._maxPayload !== 'number') throw new Error('this version of ws keeps its message limit elsewhere');
	receiver._maxPayload = bytes;
}

/** Runs what was asked for in this turn of the event loop at its end, all sockets in one go. */
function flushQueue(): (flush: () => void) => void {
	let waiting: (() => void)[] = [];
	return (flush) => {
		waiting.push(flush);
		if (waiting.length > 1) return;
		setImmediate(() => {
			const now = waiting;
			waiting = [];
			for (const run of now) run();
		});
	};
}
