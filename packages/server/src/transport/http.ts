import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Log } from '../platform/log.ts';
import { parseQuery, type QueryRecord } from '../rest/body.ts';
import type { Route } from '../rest/route.ts';
import { failure, type RestRequest, type RestResponse } from '../rest/run.ts';
import { clientAddress } from './client-address.ts';
import { discardBody } from './request-body.ts';

/** Answers a request it knows and says so; leaves others alone. */
export type RawHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

export type CorsRule = { enabled: boolean; origin: string };

type Deps = {
	routes: Route[];
	run(route: Route, request: RestRequest): Promise<RestResponse>;
	/** Path prefix of the deployment: '' or `/chat`. */
	prefix: string;
	/** Number of trusted proxies in front. @see `clientAddress` */
	forwardedCount: number;
	/** Handlers asked before the API: sockets' plain requests, health, files, the web client. */
	before: RawHandler[];
	cors(): CorsRule;
	log: Log;
	onAnswer?(route: string, status: number): void;
};

const apiHeaders: Record<string, string> = {
	'content-type': 'application/json',
	'cache-control': 'no-store',
	pragma: 'no-cache',
	'x-content-type-options': 'nosniff',
	'referrer-policy': 'same-origin',
	'content-security-policy': "default-src 'none'; sandbox",
};

const corsHeaders =
	'Origin, X-Requested-With, Content-Type, Accept, X-User-Id, X-Auth-Token, x-visitor-token, Authorization, X-2fa-code, X-2fa-method';

/**
 * The HTTP side of core: REST routes on a plain `node:http` server, to which sockets may be attached as well.
 *
 * Every answer is JSON. Limits: header 10 s and 16 KiB, body 30 s and as the route says, URL 8 KiB, idle 60 s.
 *
 * @see REST contract, 1, 2, 4 and 10
 */
export async function httpServer(deps: Deps): Promise<Server> {
	const { before } = deps;
	let server: Server | undefined;
	const app = Fastify({
		logger: false,
		// A path that cannot be decoded, or with too long a part.
		frameworkErrors: (error, request, reply) => {
			const isTooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
			void send(request, reply, deps.cors(), refusal(isTooLong ? 414 : 400));
		},
		clientErrorHandler: refuseUnreadable,
		bodyLimit: 1024 * 1024,
		exposeHeadRoutes: false,
		routerOptions: { maxParamLength: 1024, querystringParser: parseQuery },
		serverFactory: (handler) => {
			server = createServer(
				{ maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 30_000 },
				(req, res) => {
					if (!before.some((handle) => handle(req, res))) handler(req, res);
				},
			);
			server.keepAliveTimeout = 60_000;
			server.maxHeadersCount = 100;
			return server;
		},
	});
	app.removeAllContentTypeParsers();
	app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
	app.setErrorHandler((error, request, reply) => sendError(error, request, reply, deps));
	app.setNotFoundHandler((request, reply) => {
		if (request.method === 'OPTIONS') return answerOptions(request, reply, deps.cors());
		return send(request, reply, deps.cors(), { status: 404, headers: {}, body: unknownPath });
	});
	registerRoutes(app, deps);
	await app.ready();
	if (server === undefined) throw new Error('fastify made no server');
	return server;
}

/** Listens and returns the port in use. @throws The system's error, e.g. `EADDRINUSE` */
export function listen(server: Server, port: number, host: string): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, host, () => {
			server.off('error', reject);
			resolve((server.address() as AddressInfo).port);
		});
	});
}

const unknownPath = {
	success: false,
	status: 'error',
	error: 'Resource not found',
	message: 'API endpoint does not exist',
};

function registerRoutes(app: ReturnType<typeof Fastify>, deps: Deps): void {
	const byPath = new Map<string, Route[]>();
	for (const route of deps.routes) {
		const path = route.path.startsWith('/') ? route.path : `/api/v1/${route.path}`;
		byPath.set(path, [...(byPath.get(path) ?? []), route]);
	}
	for (const [path, routes] of byPath) {
		const handler = (request: FastifyRequest, reply: FastifyReply) => serve(routes, request, reply, deps);
		app.route({
			method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'],
			url: `${deps.prefix}${path}`,
			bodyLimit: Math.max(...routes.map((route) => route.maxBodyBytes)),
			handler,
		});
	}
}

async function serve(routes: Route[], request: FastifyRequest, reply: FastifyReply, deps: Deps): Promise<FastifyReply> {
	const cors = deps.cors();
	if (request.method === 'OPTIONS') return answerOptions(request, reply, cors);
	// Before anything happens: a page of another site must not act only because it does not see the answer.
	if (originOf(request, cors).isRefused) return refuseOrigin(reply);
	const wanted = request.method === 'HEAD' ? 'GET' : request.method;
	const route = routes.find(({ http }) => http.some((method) => method === wanted));
	if (route === undefined) {
		const allow = [...new Set(routes.flatMap(({ http }) => http))].join(', ');
		return send(request, reply, cors, { status: 405, headers: { Allow: allow }, body: unknownPath });
	}
	if (request.raw.url !== undefined && request.raw.url.length > 8192) {
		return send(request, reply, cors, refusal(414));
	}
	const response = await deps.run(route, {
		method: wanted,
		headers: singleHeaders(request.headers),
		query: request.query as QueryRecord,
		path: request.params as Record<string, string>,
		bodyText: typeof request.body === 'string' ? request.body : '',
		clientAddress: clientAddress(request.raw, deps.forwardedCount),
	});
	deps.onAnswer?.(route.path, response.status);
	return send(request, reply, cors, response);
}

function singleHeaders(headers: IncomingMessage['headers']): Record<string, string | undefined> {
	return Object.fromEntries(
		Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
	);
}

function send(request: FastifyRequest, reply: FastifyReply, cors: CorsRule, response: RestResponse): FastifyReply {
	const { allowed, isRefused } = originOf(request, cors);
	if (isRefused) return refuseOrigin(reply);
	const extra: Record<string, string> = { ...apiHeaders, ...response.headers };
	if (allowed !== null) addCors(extra, allowed);
	const text = typeof response.body === 'string' ? response.body : JSON.stringify(response.body);
	// Bytes, so that the content type stays exactly as given: a text would get a charset.
	return reply.code(response.status).headers(extra).send(Buffer.from(text));
}

function answerOptions(request: FastifyRequest, reply: FastifyReply, cors: CorsRule): FastifyReply {
	const headers: Record<string, string> = { 'content-type': 'text/plain' };
	const { allowed, isRefused } = originOf(request, cors);
	if (isRefused) return refuseOrigin(reply);
	if (allowed !== null) addCors(headers, allowed);
	return reply.code(200).headers(headers).send(Buffer.from('OK'));
}

/**
 * What CORS says of a request. `allowed`: the value for `Access-Control-Allow-Origin`, null for no headers. `isRefused`:
 * it comes from a page of a site that is not listed; who names no origin is no page.
 */
function originOf(request: FastifyRequest, cors: CorsRule): { allowed: string | null; isRefused: boolean } {
	if (!cors.enabled) return { allowed: null, isRefused: false };
	const listed = cors.origin
		.split(',')
		.map((entry) => entry.trim())
		.filter((entry) => entry !== '');
	if (listed.includes('*')) return { allowed: '*', isRefused: false };
	const { origin } = request.headers;
	if (origin === undefined) return { allowed: listed[0] ?? null, isRefused: false };
	return listed.includes(origin) ? { allowed: origin, isRefused: false } : { allowed: null, isRefused: true };
}

function refuseOrigin(reply: FastifyReply): FastifyReply {
	return reply.code(403).headers(apiHeaders).send('');
}

function addCors(headers: Record<string, string>, origin: string): void {
	headers['Access-Control-Allow-Origin'] = origin;
	headers['Access-Control-Allow-Methods'] = 'GET, POST, PUT, DELETE, HEAD, PATCH';
	headers['Access-Control-Allow-Headers'] = corsHeaders;
	headers['Access-Control-Expose-Headers'] = 'X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset';
	if (origin !== '*') headers['Vary'] = 'Origin';
}

/** Failures of the server itself: a body over the limit, a broken request. */
async function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply, deps: Deps) {
	const status = (error as { statusCode?: number }).statusCode ?? 500;
	if (status === 413) await discardBody(request.raw);
	const answer = status >= 400 && status < 500 ? refusal(status) : { ...failure(error, deps.log), headers: {} };
	return send(request, reply, deps.cors(), answer);
}

const refusals: ReadonlyMap<number, string> = new Map([
	[408, 'Request Timeout'],
	[413, 'Payload Too Large'],
	[414, 'URI Too Long'],
	[415, 'Unsupported Media Type'],
	[431, 'Request Header Fields Too Large'],
]);

/** What is refused before a route sees it. */
function refusal(status: number): RestResponse {
	return { status, headers: {}, body: { success: false, error: refusals.get(status) ?? 'Bad Request' } };
}

/** Answers what is no HTTP request, or one whose head is too large or too slow. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
	if (error.code === 'ECONNRESET' || !socket.writable) {
		socket.destroy();
		return;
	}
	const statuses: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };
	const { status, body } = refusal(statuses[error.code ?? ''] ?? 400);
	const text = JSON.stringify(body);
	const head = Object.entries({ ...apiHeaders, 'content-length': text.length, connection: 'close' });
	socket.end(
		[`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...head.map((pair) => pair.join(': ')), '', text].join('\r\n'),
	);
}
