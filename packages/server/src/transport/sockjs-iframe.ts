import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { addYear, answerText, refuseMethod } from './sockjs-answer.ts';

/** Whether a path is that of the page that SockJS clients load into a frame: `/sockjs/iframe-<anything>.html`. */
export function isIframePath(path: string): boolean {
	return /^\/sockjs\/iframe(-[^/]*)?\.html$/.test(path);
}

const start = 'SockJS.bootstrap_iframe();';

const page = `<!DOCTYPE html>
<html>
<head>
<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
<title>SockJS</title>
<script src="sockjs.min.js"></script>
<script>${start}</script>
</head>
<body>
<p>A page of another site that talks to this server through this frame has loaded it.</p>
</body>
</html>
`;

type Asset = { body: Buffer; etag: string };

/**
 * The frame's page and the client script it loads, for pages of other sites whose browser knows no CORS.
 *
 * @param allowedOrigins Whose pages may hold the frame; empty: all.
 * @see realtime contract 1.6, "iframe page"
 */
export function sockjsPages(allowedOrigins: readonly string[]) {
	const iframe = assetOf(Buffer.from(page));
	let script: Promise<Asset | null> | null = null;
	const policy = [
		"default-src 'none'",
		`script-src 'self' 'sha256-${createHash('sha256').update(start).digest('base64')}'`,
		"connect-src 'self'",
		"frame-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		...(allowedOrigins.length === 0 ? [] : [`frame-ancestors ${allowedOrigins.join(' ')}`]),
	].join('; ');

	return {
		iframe(request: IncomingMessage, response: ServerResponse): void {
			response.setHeader('Content-Security-Policy', policy);
			response.setHeader('Referrer-Policy', 'same-origin');
			answerAsset(request, response, 'text/html; charset=UTF-8', iframe);
		},
		/** The script of the package `sockjs-client`, read when it is first asked for. */
		async script(request: IncomingMessage, response: ServerResponse): Promise<void> {
			script ??= readScript();
			const asset = await script;
			if (asset === null) answerText(response, 404, 'Not Found\n');
			else answerAsset(request, response, 'application/javascript; charset=UTF-8', asset);
		},
	};
}

async function readScript(): Promise<Asset | null> {
	try {
		return assetOf(await readFile(createRequire(import.meta.url).resolve('sockjs-client/dist/sockjs.min.js')));
	} catch {
		return null;
	}
}

function assetOf(body: Buffer): Asset {
	return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}

function answerAsset(request: IncomingMessage, response: ServerResponse, type: string, { body, etag }: Asset): void {
	if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(response, 'GET');
	response.setHeader('ETag', etag);
	addYear(response);
	const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
	if (known.includes(etag) || known.includes('*')) {
		response.writeHead(304).end();
		return;
	}
	response.setHeader('Content-Type', type);
	response.setHeader('Content-Length', body.length);
	response.setHeader('X-Content-Type-Options', 'nosniff');
	response.writeHead(200).end(request.method === 'HEAD' ? undefined : body);
}
