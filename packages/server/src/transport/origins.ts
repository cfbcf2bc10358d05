import type { IncomingMessage } from 'node:http';

/**
 * Whether a browser sent this from a page of a site that is not allowed. Who names no origin is no page.
 *
 * @param allowed Origins as browsers write them; empty: all.
 * @see realtime contract 1.3
 */
export function isForeign(request: IncomingMessage, allowed: readonly string[]): boolean {
	const { origin } = request.headers;
	return origin !== undefined && allowed.length > 0 && !allowed.includes(origin);
}
