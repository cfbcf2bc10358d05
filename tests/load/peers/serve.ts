import { createServer, type Socket } from 'node:net';
import { type BenchFrame, benchFrame, frameRing } from './bench-frame.ts';
import { listenLocally } from './listen.ts';
import type { Peer, PeerName, PeerOptions } from './peer.ts';

/**
 * One server of a bench in a process of its own: `serve.ts <peer> <options as JSON>`. Clients order frames over a connection
 * of their own: each byte received is the number of frames to send in one turn.
 */

export type ServeOptions = PeerOptions & {
	frameBytes: number;
	/** Each frame has a number of its own and the time at which it was sent. Default: few frames in turn, made in advance. */
	isNumbered?: boolean;
};

/** Said once, when both ports are open. */
export type Serving = { port: number; orders: number };

/** Said when the server itself has closed sockets: all codes so far. */
export type Closed = { closed: readonly number[] };

/** A process loads only the one that it is. */
const peers: Record<PeerName, (options: PeerOptions) => Promise<Peer>> = {
	ours: async (options) => (await import('./ours.ts')).oursPeer(options),
	ws: async (options) => (await import('./ws.ts')).wsPeer(options),
	floor: async () => (await import('./floor.ts')).floorPeer(),
	shape: async () => (await import('./shape.ts')).shapePeer(),
	'socket.io': async () => (await import('./socket-io.ts')).socketIoPeer(),
};

const [name, json] = process.argv.slice(2);
await serve(name as PeerName, JSON.parse(json ?? '') as ServeOptions);

async function serve(name: PeerName, options: ServeOptions): Promise<void> {
	const peer = await peers[name](options);
	const next = options.isNumbered === true ? numberedFrames(options.frameBytes) : frameRing(options.frameBytes);
	let told = 0;
	const orders = createServer((socket: Socket) => {
		socket.setNoDelay(true);
		socket.on('error', () => socket.destroy());
		socket.on('data', (bytes) => {
			for (const count of bytes) peer.send(next(count));
			if (peer.closed === undefined || peer.closed.length === told) return;
			told = peer.closed.length;
			process.send?.({ closed: peer.closed } satisfies Closed);
		});
	});
	const serving: Serving = { port: peer.port, orders: await listenLocally(orders) };
	process.send?.(serving);
	process.on('disconnect', () => process.exit(0));
}

function numberedFrames(frameBytes: number): (count: number) => BenchFrame[] {
	let number = 0;
	return (count) => {
		const nowUs = Number(process.hrtime.bigint() / 1000n);
		return Array.from({ length: count }, () => benchFrame(number++, frameBytes, nowUs));
	};
}
