import type { Socket } from 'node:net';
import { acceptByHand, upgradeServer } from './listen.ts';
import type { Peer } from './peer.ts';

/** As little as Node can do: bytes that are framed already, one `write` per socket and turn, nothing else. */
export async function floorPeer(): Promise<Peer> {
	const sockets = new Set<Socket>();
	const { port, close } = await upgradeServer((request, socket) => {
		acceptByHand(request, socket);
		sockets.add(socket);
		socket.on('close', () => sockets.delete(socket));
	});
	return {
		port,
		send(frames) {
			const [first] = frames;
			const bytes = frames.length === 1 && first ? first.framed : Buffer.concat(frames.map(({ framed }) => framed));
			for (const socket of sockets) socket.write(bytes);
		},
		close,
	};
}
