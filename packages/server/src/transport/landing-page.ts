import type { IncomingMessage, ServerResponse } from 'node:http';
import { pathWithin } from './sockjs-path.ts';

/**
 * The page at the root of the public address: says that the server runs and how to reach it.
 *
 * @param name Of the workspace, as the setting `Site_Name` says at the time of the request.
 * @param address Public address, without a slash at its end.
 * @returns A handler that says whether the request was for this page.
 */
export function landingPage(
	prefix: string,
	address: string,
	name: () => string,
): (request: IncomingMessage, response: ServerResponse) => boolean {
	return (request, response) => {
		const path = pathWithin(request.url, prefix);
		if (path !== '/' && path !== '') return false;
		if (request.method !== 'GET' && request.method !== 'HEAD') return false;
		const body = Buffer.from(page(name(), address));
		response.writeHead(200, {
			'Content-Type': 'text/html; charset=utf-8',
			'Content-Length': body.length,
			'Content-Security-Policy':
				"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
			'X-Content-Type-Options': 'nosniff',
			'Referrer-Policy': 'same-origin',
			'Cache-Control': 'no-cache',
		});
		response.end(request.method === 'HEAD' ? undefined : body);
		return true;
	};
}

const style = `
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 38rem; margin: 12vh auto 0; padding: 0 1.25rem }
h1 { font-size: 1.6rem; margin: 0 0 .5rem }
code { font: .9em ui-monospace, monospace; padding: .1em .35em; border: 1px solid; border-radius: .3em; overflow-wrap: anywhere }
li { margin: .4rem 0 }`;

function page(name: string, address: string): string {
	const shown = escapeHtml(address);
	return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(name)}</title>
<style>${style}</style></head>
<body><main>
<h1>${escapeHtml(name)} is running</h1>
<p>Reach it with anything that speaks Rocket.Chat:</p>
<ul>
<li>apps and SDKs: the address <code>${shown}</code></li>
<li>REST: <code>${shown}/api/v1/login</code></li>
<li>WebSocket: <code>${shown.replace(/^http/, 'ws')}/websocket</code></li>
</ul>
<p>There is no web client on this server yet.</p>
</main></body></html>
`;
}

function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
