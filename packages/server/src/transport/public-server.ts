import type { Server } from 'node:http';
import type { SocketAcceptor } from '../ddp/socket.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Route } from '../rest/route.ts';
import type { RestRequest, RestResponse } from '../rest/run.ts';
import { httpServer, listen, type CorsRule, type RawHandler } from './http.ts';
import { fallbackTransports } from './sockjs-fallback.ts';
import { socketRequests } from './sockjs.ts';
import { attachSockets } from './websocket.ts';

type Deps = {
	/** null: this process answers no REST. */
	rest: { routes: Route[]; run(route: Route, request: RestRequest): Promise<RestResponse>; cors(): CorsRule } | null;
	/** null: this process takes no sockets. */
	acceptor: SocketAcceptor | null;
	/** Asked before everything else. */
	before: RawHandler[];
	/** Path prefix of the deployment: '' or `/chat`. */
	prefix: string;
	port: number;
	host: string;
	/** Number of trusted proxies in front. */
	forwardedCount: number;
	/** Origins whose pages may open sockets; absent or empty: all of them. */
	allowedOrigins?: readonly string[];
	/** Whether WebSockets are compressed for clients that offer it. Default: no. */
	deflate?: boolean;
	clock: Clock;
	log: Log;
	onAnswer?(route: string, status: number): void;
};

export type PublicServer = {
	/** The port in use. */
	port: number;
	/** Cuts the sockets that are still open. */
	detach(): void;
	/** Takes no more connections; resolves when the requests in progress were answered, at the latest after 20 s. */
	close(): Promise<void>;
};

/** Longest time requests in progress may take when the server closes. @see security contract REL-10 */
const closeLimitMs = 20_000;

/**
 * The public HTTP server of a process: REST routes, sockets or both on one port.
 *
 * @throws The system's error when the port cannot be had, e.g. `EADDRINUSE`
 */
export async function openPublicServer(deps: Deps): Promise<PublicServer> {
	const { rest, acceptor, prefix, forwardedCount, clock, log, onAnswer } = deps;
	const { allowedOrigins = [], deflate = false } = deps;
	const fallbacks = acceptor === null ? null : fallbackTransports({ forwardedCount, acceptor, clock, allowedOrigins });
	const server = await httpServer({
		routes: rest?.routes ?? [],
		run: (route, request) =>
			rest === null ? Promise.reject(new Error('this process has no routes')) : rest.run(route, request),
		prefix,
		forwardedCount,
		before: acceptor === null ? deps.before : [...deps.before, socketRequests(prefix, fallbacks)],
		cors: () => rest?.cors() ?? { enabled: false, origin: '*' },
		log,
		...(onAnswer === undefined ? {} : { onAnswer }),
	});
	const detachSockets =
		acceptor === null
			? () => undefined
			: attachSockets({ server, prefix, forwardedCount, acceptor, clock, allowedOrigins, deflate });
	const detach = () => {
		detachSockets();
		fallbacks?.stop();
	};
	try {
		return { port: await listen(server, deps.port, deps.host), detach, close: () => closeServer(server) };
	} catch (error) {
		detach();
		throw error;
	}
}

function closeServer(server: Server): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => server.closeAllConnections(), closeLimitMs);
		server.close(() => {
			clearTimeout(timer);
			resolve();
		});
		server.closeIdleConnections();
	});
}
