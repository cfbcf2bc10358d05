import { createHash } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createProxyServer } from 'http-proxy-3';
import type { Log } from '../platform/log.ts';

/** A process that requests can go to. `key` stays the same when it is started again. */
export type Target = { key: string; port: number };

export type FrontDeps = {
	/** Path prefix of the deployment: '' or `/chat`. */
	prefix: string;
	/** The processes that answer now. */
	cores(): Target[];
	streamers(): Target[];
	/** Resolves when one of them has become ready, or after the time. */
	changed(limitMs: number): Promise<void>;
	/** Asked before everything else. */
	before(request: IncomingMessage, response: ServerResponse): boolean;
	log: Log;
};

/** How long a request waits for a process that is just being started again. */
const waitMs = 10_000;
/** Requests that wait at once; more are refused. */
const maxWaiting = 1_000;

/**
 * The one public port in front of several processes: sockets go to the streamers in turn (those of one SockJS session always
 * to the same), everything else to the cores in turn. A request that meets no process waits for one for 10 s.
 */
export function frontServer(deps: FrontDeps): Server {
	const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64 });
	const proxy = createProxyServer({ xfwd: true, agent, ws: true });
	const choose = chooser(deps);
	let waiting = 0;

	async function targetFor(url: string | undefined): Promise<Target | null> {
		const present = choose(url);
		if (present !== null || waiting >= maxWaiting) return present;
		waiting += 1;
		try {
			const end = performance.now() + waitMs;
			for (let leftMs = waitMs; leftMs > 0; leftMs = end - performance.now()) {
				await deps.changed(leftMs);
				const found = choose(url);
				if (found !== null) return found;
			}
			return null;
		} finally {
			waiting -= 1;
		}
	}

	// Time limits for bodies are those of the processes behind: they know how long an answer may take.
	const server = createServer({ headersTimeout: 10_000, requestTimeout: 0, maxHeaderSize: 16 * 1024 });
	server.keepAliveTimeout = 60_000;
	server.on('request', (request, response) => {
		if (deps.before(request, response)) return;
		void targetFor(request.url).then((target) => {
			if (target === null) return unavailable(response);
			proxy.web(request, response, { target: addressOf(target) }, () => unavailable(response));
		});
	});
	server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
		socket.on('error', () => socket.destroy());
		void targetFor(request.url).then((target) => {
			if (target === null) return refuse(socket);
			proxy.ws(request, socket, head, { target: addressOf(target) }, () => refuse(socket));
		});
	});
	proxy.on('error', (error) => deps.log.debug({ event: 'front.error', err: error }, 'a process behind did not answer'));
	proxy.on('proxyRes', (answer, _request, response) => {
		// A process that dies in the middle of its answer: the client must not wait for the rest.
		answer.once('close', () => {
			if (!answer.complete) response.destroy();
		});
	});
	server.on('close', () => agent.destroy());
	return server;
}

/** Whom a URL goes to now; null when nobody is there. */
function chooser({ prefix, cores, streamers }: Pick<FrontDeps, 'prefix' | 'cores' | 'streamers'>) {
	let turn = 0;
	return (url: string | undefined): Target | null => {
		const path = (url ?? '').split('?', 1)[0] ?? '';
		const inner = path.startsWith(prefix) ? path.slice(prefix.length) : path;
		const isSocket = /^\/(websocket|sockjs)(\/|$)/.test(inner);
		const targets = isSocket ? streamers() : cores();
		const session = /^\/sockjs\/[^/]+\/([^/]+)\/./.exec(inner)?.[1];
		if (session !== undefined) return stickyTarget(session, targets);
		turn = (turn + 1) % 1_000_000;
		return targets[turn % targets.length] ?? null;
	};
}

/**
 * The target of a session: the same while that target lives, and spread evenly (highest weight of hash(session, target)).
 */
export function stickyTarget(session: string, targets: Target[]): Target | null {
	let best: { target: Target; weight: string } | null = null;
	for (const target of targets) {
		const weight = createHash('sha1').update(`${session}\n${target.key}`).digest('hex');
		if (best === null || weight > best.weight) best = { target, weight };
	}
	return best?.target ?? null;
}

function addressOf({ port }: Target): { host: string; port: number; protocol: string } {
	return { host: '127.0.0.1', port, protocol: 'http:' };
}

/** Seconds, not the same for everybody: they do not all come back at once. */
function retryAfter(): string {
	return String(1 + Math.floor(Math.random() * 4));
}

/** Clients try again after a 503. */
function unavailable(response: ServerResponse): void {
	if (response.headersSent) {
		response.destroy();
		return;
	}
	response.writeHead(503, {
		'content-type': 'application/json',
		'retry-after': retryAfter(),
		'cache-control': 'no-store',
	});
	response.end('{"success":false,"error":"Service Unavailable"}');
}

function refuse(socket: Duplex): void {
	if (socket.destroyed) return;
	const head = [
		'HTTP/1.1 503 Service Unavailable',
		'Connection: close',
		`Retry-After: ${retryAfter()}`,
		'Content-Length: 0',
	];
	socket.end(`${head.join('\r\n')}\r\n\r\n`);
}
