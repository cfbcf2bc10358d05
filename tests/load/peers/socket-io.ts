import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { benchRoom } from './bench-frame.ts';
import { listenLocally } from './listen.ts';
import type { Peer } from './peer.ts';
import { socketIoEvent } from './socket-io-bytes.ts';

/** socket.io over WebSocket alone, its clients in one room. It has a protocol of its own: other bytes, the same message. */
export async function socketIoPeer(): Promise<Peer> {
	const http = createServer();
	// No heartbeat falls into a measurement.
	const io = new Server(http, { transports: ['websocket'], pingInterval: 3_600_000, serveClient: false });
	io.on('connection', (socket) => void socket.join(benchRoom));
	return {
		port: await listenLocally(http),
		send(frames) {
			for (const { args } of frames) io.to(benchRoom).emit(socketIoEvent, ...args);
		},
		close: () => io.close(),
	};
}
