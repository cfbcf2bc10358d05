import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from './listen.ts';
import type { Metrics } from './metrics.ts';

/** What must be true before a process is of use, by name: `mongodb`, `bus`, `hub`. Answers at once, from memory. */
export type ReadinessChecks = Record<string, () => boolean>;

type Deps = { metrics: Pick<Metrics, 'text' | 'contentType'>; checks: ReadinessChecks };

export type HealthAnswer = { status: number; contentType: string; body: string };

const plain = 'text/plain; charset=utf-8';

/** The event loop turns: that it answers is all it says. Never fails for a dependency. @see security contract, REL-10 */
export function livez(): HealthAnswer {
	return { status: 200, contentType: plain, body: 'ok\n' };
}

/** 200 when every check is true, else 503 with the names of those that are not. @see security contract, REL-10 */
export function readyz(checks: ReadinessChecks): HealthAnswer {
	const failing = Object.entries(checks).filter(([, isTrue]) => !isTrue());
	if (failing.length === 0) return { status: 200, contentType: plain, body: 'ok\n' };
	return { status: 503, contentType: plain, body: `not ready: ${failing.map(([name]) => name).join(', ')}\n` };
}

/** Answers `/livez`, `/readyz` and `/metrics`. null for every other path. @param path Without query. */
export async function healthAnswer(path: string, { metrics, checks }: Deps): Promise<HealthAnswer | null> {
	if (path === '/livez') return livez();
	if (path === '/readyz') return readyz(checks);
	if (path === '/metrics') return { status: 200, contentType: metrics.contentType, body: await metrics.text() };
	return null;
}

/** Whether a peer's address is of this machine: where the public port serves health, it serves it to these only. */
export function isLoopback(address: string | undefined): boolean {
	if (address === undefined) return false;
	const plainAddress = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
	return plainAddress === '::1' || /^127(\.\d{1,3}){3}$/.test(plainAddress);
}

/**
 * Whether a request comes from this machine itself. A proxy on this machine would show the whole world what is meant for
 * this machine: its headers give it away.
 */
export function isOwnRequest({ headers, socket }: IncomingMessage): boolean {
	const isForwarded = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via'].some((name) => headers[name] !== undefined);
	return !isForwarded && isLoopback(socket.remoteAddress);
}

/**
 * Answers a raw request for one of the health paths.
 *
 * @returns false when it is another path: the request is untouched.
 */
export function answerHealth(request: IncomingMessage, response: ServerResponse, deps: Deps): boolean {
	const path = (request.url ?? '').split('?', 1)[0] ?? '';
	if (path !== '/livez' && path !== '/readyz' && path !== '/metrics') return false;
	if (request.method !== 'GET' && request.method !== 'HEAD') {
		send(response, { status: 405, contentType: plain, body: 'use GET\n' });
		return true;
	}
	healthAnswer(path, deps).then(
		(answer) => send(response, answer ?? { status: 404, contentType: plain, body: 'not found\n' }),
		() => send(response, { status: 500, contentType: plain, body: 'failed\n' }),
	);
	return true;
}

function send(response: ServerResponse, { status, contentType, body }: HealthAnswer): void {
	response.writeHead(status, {
		'content-type': contentType,
		'content-length': Buffer.byteLength(body),
		'cache-control': 'no-store',
		'x-content-type-options': 'nosniff',
	});
	response.end(body);
}

/** The server behind `METRICS_PORT`. @throws The system's error when the port cannot be used, e.g. `EADDRINUSE` */
export async function serveHealth(
	deps: Deps & { port: number; host: string },
): Promise<{ port: number; close(): Promise<void> }> {
	const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, (request, response) => {
		if (!answerHealth(request, response, deps)) {
			send(response, { status: 404, contentType: plain, body: 'not found\n' });
		}
	});
	const port = await listen(server, deps.port, deps.host);
	return {
		port,
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}
