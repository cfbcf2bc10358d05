import { randomInt } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pathWithin, socketPath } from './sockjs-path.ts';

/**
 * Answers the plain HTTP requests of the sockets' paths.
 *
 * @param prefix Path prefix of the deployment: '' or `/chat`.
 * @returns A handler that says whether the request was one of these.
 * @see realtime contract 1.1, 1.3, 1.5
 */
export function socketRequests(prefix: string): (request: IncomingMessage, response: ServerResponse) => boolean {
	return (request, response) => {
		const path = pathWithin(request.url, prefix);
		if (path === null) return false;
		if (path === '/sockjs/info') {
			answerInfo(request, response);
		} else if (path === '/sockjs' || path === '/sockjs/') {
			answerText(response, 200, 'Welcome to SockJS!\n');
		} else if (socketPath(path) !== null) {
			answerText(response, 400, 'Can "Upgrade" only to "WebSocket".\n');
		} else if (path.startsWith('/sockjs/')) {
			answerText(response, 404, 'Not Found\n');
		} else {
			return false;
		}
		return true;
	};
}

function answerInfo(request: IncomingMessage, response: ServerResponse): void {
	addCors(request, response);
	if (request.method === 'OPTIONS') {
		const yearMs = 365 * 24 * 3600 * 1000;
		response.setHeader('Access-Control-Allow-Methods', 'OPTIONS, GET');
		response.setHeader('Access-Control-Max-Age', '31536000');
		response.setHeader('Cache-Control', 'public, max-age=31536000');
		response.setHeader('Expires', new Date(Date.now() + yearMs).toUTCString());
		response.writeHead(204).end();
		return;
	}
	if (request.method !== 'GET' && request.method !== 'HEAD') {
		response.setHeader('Allow', 'OPTIONS, GET');
		answerText(response, 405, 'Method Not Allowed\n');
		return;
	}
	response.setHeader('Content-Type', 'application/json; charset=UTF-8');
	response.setHeader('Cache-Control', 'no-store, no-cache, no-transform, must-revalidate, max-age=0');
	const info = { websocket: true, origins: ['*:*'], cookie_needed: false, entropy: randomInt(2 ** 32) };
	response.writeHead(200).end(JSON.stringify(info));
}

/** The origin is echoed with credentials because SockJS clients demand it; no cookie means anything here. */
function addCors(request: IncomingMessage, response: ServerResponse): void {
	const { origin } = request.headers;
	if (origin === undefined) {
		response.setHeader('Access-Control-Allow-Origin', '*');
	} else {
		response.setHeader('Access-Control-Allow-Origin', origin);
		response.setHeader('Access-Control-Allow-Credentials', 'true');
		response.setHeader('Vary', 'Origin');
	}
	const asked = request.headers['access-control-request-headers'];
	if (asked !== undefined && asked !== '') response.setHeader('Access-Control-Allow-Headers', asked);
}

function answerText(response: ServerResponse, status: number, text: string): void {
	response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
	response.setHeader('X-Content-Type-Options', 'nosniff');
	response.writeHead(status).end(text);
}
