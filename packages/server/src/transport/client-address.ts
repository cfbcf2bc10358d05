import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * The address a request came from, for limits and records.
 *
 * @param forwardedCount Number of trusted reverse proxies (`HTTP_FORWARDED_COUNT`). 0: the socket's address and no header
 *   counts, because anybody can send one. n: the n-th entry of `x-forwarded-for` from the right, else `x-real-ip`; what is
 *   no address does not count.
 * @see REST contract, 2
 */
export function clientAddress(request: IncomingMessage, forwardedCount: number): string {
	const socketAddress = plainAddress(request.socket.remoteAddress ?? '');
	if (forwardedCount <= 0) return socketAddress;
	const entries = String(request.headers['x-forwarded-for'] ?? '')
		.split(',')
		.map((entry) => entry.trim())
		.filter((entry) => entry !== '');
	const forwarded = [entries.at(-forwardedCount), request.headers['x-real-ip']].map(addressOf);
	return forwarded.find((address) => address !== null) ?? socketAddress;
}

/** The address in an entry of a header, which may name a port as well; null when there is none. */
function addressOf(entry: unknown): string | null {
	if (typeof entry !== 'string' || entry.length > 64) return null;
	const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(entry) ?? [];
	const [, beforePort] = /^([\d.]+):\d+$/.exec(entry) ?? [];
	const address = plainAddress(bracketed ?? beforePort ?? entry);
	return isIP(address) === 0 ? null : address;
}

/** IPv4 inside IPv6 is written as IPv4. */
function plainAddress(address: string): string {
	return address.startsWith('::ffff:') ? address.slice(7) : address;
}
