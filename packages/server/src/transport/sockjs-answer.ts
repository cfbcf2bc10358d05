import type { IncomingMessage, ServerResponse } from 'node:http';

export const yearSeconds = 31_536_000;

/** Nobody on the way may keep it. */
export const uncached = 'no-store, no-cache, no-transform, must-revalidate, max-age=0';

/** The origin is echoed with credentials because SockJS clients demand it; no cookie means anything here. */
export function addCors(request: IncomingMessage, response: ServerResponse): void {
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

/**
 * Answers the request a browser sends before the real one. CORS headers are there already.
 *
 * @param methods As they stand in the header: `OPTIONS, POST`.
 */
export function answerOptions(response: ServerResponse, methods: string): void {
	response.setHeader('Access-Control-Allow-Methods', methods);
	response.setHeader('Access-Control-Max-Age', String(yearSeconds));
	addYear(response);
	response.writeHead(204).end();
}

/** To be kept for a year. */
export function addYear(response: ServerResponse): void {
	response.setHeader('Cache-Control', `public, max-age=${yearSeconds}`);
	response.setHeader('Expires', new Date(Date.now() + yearSeconds * 1000).toUTCString());
}

export function answerText(response: ServerResponse, status: number, text: string): void {
	response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
	response.setHeader('X-Content-Type-Options', 'nosniff');
	response.writeHead(status).end(text);
}

/** @param methods Those that are allowed, as they stand in the header. */
export function refuseMethod(response: ServerResponse, methods: string): void {
	response.setHeader('Allow', methods);
	answerText(response, 405, 'Method Not Allowed\n');
}
