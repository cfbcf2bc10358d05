/** What a socket's URL asks for; null when it is none of ours. */
export type SocketPath = 'raw' | 'sockjs' | null;

/** The path of a request without query and deployment prefix; null when it stands outside of the prefix. */
export function pathWithin(url: string | undefined, prefix: string): string | null {
	const path = (url ?? '').split('?', 1)[0] ?? '';
	if (prefix === '') return path;
	return path === prefix || path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : null;
}

/**
 * Which framing a path speaks. Decided by the path alone: a query or a trailing slash changes nothing.
 *
 * @see realtime contract 1.1
 */
export function socketPath(path: string): SocketPath {
	if (path === '/websocket' || path === '/websocket/' || path === '/sockjs/websocket') return 'raw';
	return /^\/sockjs\/[^./]+\/[^./]+\/websocket\/?$/.test(path) ? 'sockjs' : null;
}

/** A request to a fallback transport of a session. */
export type TransportPath = { session: string; transport: string };

/** Session names longer than this are nobody's: they are kept in memory. */
const maxSessionName = 256;

/**
 * Session and transport in a path `/sockjs/<server>/<session>/<transport>`; null when it is none. `<server>` means nothing:
 * it is there for proxies.
 *
 * @see realtime contract 1.1
 */
export function transportPath(path: string): TransportPath | null {
	const [, session, transport] = /^\/sockjs\/[^./]+\/([^./]+)\/([a-z_]+)\/?$/.exec(path) ?? [];
	if (session === undefined || transport === undefined || session.length > maxSessionName) return null;
	return { session, transport };
}
