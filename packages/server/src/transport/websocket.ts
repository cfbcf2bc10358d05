import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type ServerOptions } from 'ws';
import type { SocketAcceptor, SocketInfo } from '../ddp/socket.ts';
import type { Clock } from '../platform/clock.ts';
import { clientAddress } from './client-address.ts';
import { offersDeflate, plainDeflateOffer } from './deflate-offer.ts';
import type { Encoding } from './framing.ts';
import { OpenSocket, Wire } from './open-socket.ts';
import { isForeign } from './origins.ts';
import { outboxLimits, type OutboxLimits, type OutboxRules } from './outbox.ts';
import { socketInfo } from './socket-info.ts';
import { pathWithin, socketPath } from './sockjs-path.ts';
import { Turn } from './turn.ts';

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

export type SocketDeps = {
	server: Server;
	/** Path prefix of the deployment: '' or `/chat`. */
	prefix: string;
	/** Number of trusted proxies in front. @see `clientAddress` */
	forwardedCount: number;
	acceptor: SocketAcceptor;
	clock: Clock;
	limits?: SocketLimits;
	/** Origins that browsers may come from; absent or empty: all of them. */
	allowedOrigins?: readonly string[];
	/** Whether permessage-deflate is negotiated with clients that offer it. Default: no. */
	deflate?: boolean;
};

/** Time a peer has to answer a close frame before its TCP connection is cut, in ms. */
const closeTimeoutMs = 5_000;

/** Silence after which TCP asks whether the peer is still there, in ms: for clients that know no DDP ping. */
const keepAliveMs = 60_000;

const ageCheckMs = 1_000;

/**
 * Takes WebSocket handshakes on an HTTP server and hands the sockets to the DDP side. Plain requests to the same paths
 * are answered by `sockjsRequests`. Upgrades to anything but WebSocket are left to the server as ordinary requests.
 *
 * @returns Ends taking handshakes and cuts what is still open.
 * @see realtime contract 1
 */
export function attachSockets(deps: SocketDeps): () => void {
	const limits = deps.limits ?? socketLimits;
	const rules: OutboxRules = { limits: limits.outbox, clock: deps.clock, turn: new Turn(), late: new Set() };
	const shared = { rules, open: new Set<OpenSocket>() };
	const plain = handshakes(limits, false);
	const deflating = deps.deflate === true ? handshakes(limits, true) : null;

	const take = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
		// Shared: a function made here would keep the request as long as the socket lives.
		socket.on('error', destroy);
		const verdict = judge(request, deps, limits);
		if ('status' in verdict) return refuse(socket, verdict.status, verdict.headers);
		if (!(socket instanceof Socket)) return refuse(socket, 400);
		socket.setKeepAlive(true, keepAliveMs);
		const isDeflating = deflating !== null && offersDeflate(request.headers['sec-websocket-extensions']);
		// What `ws` does not understand of an offer it refuses: it is told only what we take of it.
		request.headers['sec-websocket-extensions'] = isDeflating ? plainDeflateOffer : undefined;
		(isDeflating ? deflating : plain).handleUpgrade(request, socket, head, (wire) => {
			const encoding: Encoding = isDeflating ? `${verdict.framing}Deflated` : verdict.framing;
			// From here on `ws` listens.
			socket.off('error', destroy);
			new OpenSocket({ wire, socket, encoding, info: verdict.info, shared }).open(deps.acceptor);
		});
	};
	deps.server.on('upgrade', take);
	// Clients that offer `Upgrade: h2c` with a plain request must be answered as if they had not.
	(deps.server as { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }).shouldUpgradeCallback = (
		request,
	) => request.headers.upgrade?.toLowerCase() === 'websocket';
	const ages = setInterval(() => {
		for (const box of rules.late) box.checkAge();
	}, ageCheckMs);
	return () => {
		clearInterval(ages);
		deps.server.off('upgrade', take);
		for (const socket of shared.open) socket.terminate();
	};
}

function destroy(this: Duplex): void {
	this.destroy();
}

/** Options of `ws` that its types do not know yet. */
type Untyped = { maxFragments: number; closeTimeout: number };

/** The handshakes of `ws`. Compression: every message is a stream of its own, in both directions. */
function handshakes(limits: SocketLimits, isDeflating: boolean) {
	const options: ServerOptions<typeof Wire> & Untyped = {
		noServer: true,
		clientTracking: false,
		WebSocket: Wire,
		perMessageDeflate: isDeflating
			? {
					serverNoContextTakeover: true,
					clientNoContextTakeover: true,
					// Small pieces: a decompressor stays with its socket, and with it one of them.
					zlibInflateOptions: { chunkSize: 4 * 1024 },
				}
			: false,
		maxPayload: limits.maxMessageBytes,
		maxFragments: limits.maxFragments,
		closeTimeout: closeTimeoutMs,
		handleProtocols: () => false,
	};
	return new WebSocketServer<typeof Wire>(options);
}

type Verdict = { framing: 'raw' | 'sockjs'; info: SocketInfo };

function judge(
	request: IncomingMessage,
	deps: SocketDeps,
	limits: SocketLimits,
): Verdict | { status: number; headers?: Record<string, string> } {
	const path = pathWithin(request.url, deps.prefix);
	const framing = path === null ? null : socketPath(path);
	if (framing === null) return { status: 404 };
	if (request.rawHeaders.length > limits.maxHeaders * 2) return { status: 431 };
	if (isForeign(request, deps.allowedOrigins ?? [])) return { status: 403 };
	const address = clientAddress(request, deps.forwardedCount);
	const admission = deps.acceptor.admit(address);
	if (!admission.ok) return { status: 503, headers: { 'Retry-After': String(admission.retryAfterSeconds) } };
	return { framing, info: socketInfo(request, framing === 'raw' ? 'websocket' : 'sockjs', address) };
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
