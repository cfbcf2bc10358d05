import { randomInt } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isForeign } from './origins.ts';
import { addCors, answerOptions, answerText, refuseMethod, uncached } from './sockjs-answer.ts';
import type { FallbackTransports } from './sockjs-fallback.ts';
import { isIframePath, sockjsPages } from './sockjs-iframe.ts';
import { pathWithin, socketPath, transportPath } from './sockjs-path.ts';

/**
 * Answers the plain HTTP requests of the sockets' paths.
 *
 * @param prefix Path prefix of the deployment: '' or `/chat`.
 * @param fallbacks The transports for who cannot open a WebSocket; null: there are none, their paths answer 404.
 * @returns A handler that says whether the request was one of these.
 * @see realtime contract 1.1, 1.3, 1.5
 */
export function socketRequests(
	prefix: string,
	fallbacks: FallbackTransports | null = null,
): (request: IncomingMessage, response: ServerResponse) => boolean {
	const allowedOrigins = fallbacks?.allowedOrigins ?? [];
	const pages = sockjsPages(allowedOrigins);
	return (request, response) => {
		const path = pathWithin(request.url, prefix);
		if (path === null || !/^\/(websocket\/?$|sockjs(\/|$))/.test(path)) return false;
		if (isForeign(request, allowedOrigins)) {
			answerText(response, 403, 'Forbidden\n');
			return true;
		}
		const transport = fallbacks === null ? null : transportPath(path);
		if (path === '/sockjs/info') answerInfo(request, response);
		else if (path === '/sockjs' || path === '/sockjs/') answerGet(request, response, 200, 'Welcome to SockJS!\n');
		else if (socketPath(path) !== null) answerGet(request, response, 400, 'Can "Upgrade" only to "WebSocket".\n');
		else if (isIframePath(path)) pages.iframe(request, response);
		else if (path === '/sockjs/sockjs.min.js') void pages.script(request, response);
		else if (transport !== null) fallbacks?.answer(request, response, transport);
		else answerText(response, 404, 'Not Found\n');
		return true;
	};
}

function answerGet(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
	if (request.method === 'GET' || request.method === 'HEAD') answerText(response, status, text);
	else refuseMethod(response, 'GET');
}

function answerInfo(request: IncomingMessage, response: ServerResponse): void {
	addCors(request, response);
	if (request.method === 'OPTIONS') return answerOptions(response, 'OPTIONS, GET');
	if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(response, 'OPTIONS, GET');
	response.setHeader('Content-Type', 'application/json; charset=UTF-8');
	response.setHeader('Cache-Control', uncached);
	const info = { websocket: true, origins: ['*:*'], cookie_needed: false, entropy: randomInt(2 ** 32) };
	response.writeHead(200).end(JSON.stringify(info));
}
