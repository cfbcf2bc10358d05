import { randomInt } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';

/** Below where systems take the ports of outgoing connections from: none of those can take the port meanwhile. */
const firstPort = 15_000;
const lastPort = 32_000;
const maxTries = 50;

/**
 * A port of the loopback address that nobody listens on now.
 *
 * @param preferred Taken when it is free; 0 = any.
 */
export async function freePort(preferred = 0): Promise<number> {
	if (preferred !== 0 && (await tryPort(preferred)) !== null) return preferred;
	for (let tries = 0; tries < maxTries; tries++) {
		const port = await tryPort(randomInt(firstPort, lastPort));
		if (port !== null) return port;
	}
	return (await tryPort(0)) ?? 0;
}

/** null = it is in use. */
function tryPort(port: number): Promise<number | null> {
	return new Promise((resolve) => {
		const server = createServer();
		server.once('error', () => resolve(null));
		server.listen(port, '127.0.0.1', () => {
			const { port: found } = server.address() as AddressInfo;
			server.close(() => resolve(found));
		});
	});
}
