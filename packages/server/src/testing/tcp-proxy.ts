import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

/** Stands between a client and a server so that a test can break the connection. */
export type TcpProxy = {
	port: number;
	/** Ends all connections and refuses new ones. */
	cut(): void;
	/** Accepts connections again. */
	restore(): void;
	/** Holds all bytes back, in both directions, without ending anything. */
	freeze(): void;
	/** Lets the bytes go on. */
	thaw(): void;
	close(): Promise<void>;
};

/** Starts a proxy on a free port of the loopback that leads to `host:port`. */
export async function tcpProxy(host: string, port: number): Promise<TcpProxy> {
	const pairs = new Set<[Socket, Socket]>();
	let isCut = false;
	let isFrozen = false;

	const server = createServer((client) => {
		if (isCut) {
			client.destroy();
			return;
		}
		const upstream = createConnection(port, host);
		const pair: [Socket, Socket] = [client, upstream];
		pairs.add(pair);
		const end = (): void => {
			pairs.delete(pair);
			for (const socket of pair) socket.destroy();
		};
		for (const socket of pair) socket.setNoDelay(true).on('error', end).on('close', end);
		client.pipe(upstream);
		upstream.pipe(client);
		if (isFrozen) for (const socket of pair) socket.pause();
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');

	function each(act: (socket: Socket) => void): void {
		for (const pair of pairs) for (const socket of pair) act(socket);
	}

	return {
		port: (server.address() as AddressInfo).port,
		cut() {
			isCut = true;
			each((socket) => socket.destroy());
		},
		restore() {
			isCut = false;
		},
		freeze() {
			isFrozen = true;
			each((socket) => socket.pause());
		},
		thaw() {
			isFrozen = false;
			each((socket) => socket.resume());
		},
		async close() {
			each((socket) => socket.destroy());
			server.close();
			await once(server, 'close');
		},
	};
}
