import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, type Server, Socket } from 'node:net';

/** Listens on a free port of the loopback. */
export async function listenLocally(server: Server): Promise<number> {
	await new Promise<void>((resolve, reject) => {
		server.once('error', reject);
		server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
	});
	return (server.address() as AddressInfo).port;
}

/** An HTTP server that takes upgrades only. Hand each to `onUpgrade`. */
export async function upgradeServer(onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void) {
	const open = new Set<Socket>();
	const server = createServer((_request, response) => response.writeHead(426).end());
	server.on('upgrade', (request, socket, head) => {
		if (!(socket instanceof Socket)) throw new Error('an upgrade without a TCP socket');
		open.add(socket);
		socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
		onUpgrade(request, socket, head);
	});
	return {
		port: await listenLocally(server),
		close(): Promise<void> {
			for (const socket of open) socket.destroy();
			return new Promise((resolve) => {
				server.close(() => resolve());
			});
		},
	};
}

/** Answers a WebSocket handshake by hand (RFC 6455, 4.2.2). What the client sends later is read and dropped. */
export function acceptByHand(request: IncomingMessage, socket: Socket): void {
	const key = String(request.headers['sec-websocket-key']);
	const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
	socket.setNoDelay(true);
	socket.write(
		`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
	);
	socket.resume();
}
