import { WebSocketServer } from 'ws';
import { listenLocally } from './listen.ts';
import { createServer } from 'node:http';
import type { Peer, PeerOptions } from './peer.ts';

/** As our own compression works: every message by itself, at the fastest level. */
const compression = { threshold: 0, serverNoContextTakeover: true, zlibDeflateOptions: { level: 1 } };

/** The plainest way: a loop over `send` of the `ws` package. With `deflate` it compresses once for each client. */
export async function wsPeer({ deflate = false }: PeerOptions): Promise<Peer> {
	const http = createServer();
	const server = new WebSocketServer({
		server: http,
		perMessageDeflate: deflate ? compression : false,
	});
	return {
		port: await listenLocally(http),
		send(frames) {
			for (const { text } of frames) for (const socket of server.clients) socket.send(text);
		},
		async close() {
			for (const socket of server.clients) socket.terminate();
			server.close();
			await new Promise((resolve) => {
				http.close(resolve);
			});
		},
	};
}
