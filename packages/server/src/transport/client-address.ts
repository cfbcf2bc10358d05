import type { IncomingMessage } from 'node:http';

/**
 * The address a request came from, for limits and records.
 *
 * @param forwardedCount Number of trusted reverse proxies (`HTTP_FORWARDED_COUNT`). 0: the socket's address and no header
 *   counts, because anybody can send one. n: the n-th entry of `x-forwarded-for` from the right, else `x-real-ip`.
 * @see REST contract, 2
 */
export function clientAddress(request: IncomingMessage, forwardedCount: number): string {
	const socketAddress = plainAddress(request.socket.remoteAddress ?? '');
	if (forwardedCount <= 0) return socketAddress;
	const entries = String(request.headers['x-forwarded-for'] ?? '')
		.split(',')
		.map((entry) => entry.trim())
		.filter((entry) => entry !== '');
	const forwarded = entries.at(-forwardedCount);
	if (forwarded !== undefined) return plainAddress(forwarded);
	const real = request.headers['x-real-ip'];
	return typeof real === 'string' && real !== '' ? plainAddress(real) : socketAddress;
}

/** IPv4 inside IPv6 is written as IPv4. */
function plainAddress(address: string): string {
	return address.startsWith('::ffff:') ? address.slice(7) : address;
}
