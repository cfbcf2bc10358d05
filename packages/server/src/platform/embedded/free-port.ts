import { createServer, type AddressInfo } from 'node:net';

/**
 * A port of the loopback address that nobody listens on now.
 *
 * @param preferred Taken when it is free; 0 = any.
 */
export async function freePort(preferred = 0): Promise<number> {
	return (await tryPort(preferred)) ?? (await tryPort(0)) ?? 0;
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
