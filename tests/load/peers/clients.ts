import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { type BenchFrame, frameRing, ringSize } from './bench-frame.ts';
import { scriptOf } from './client-script.ts';
import type { PeerName } from './peer.ts';
import { gate } from './gate.ts';
import { learnBytes } from './learn-bytes.ts';
import { openRawClient, type RawClient } from './raw-client.ts';
import { socketIoBytes } from './socket-io-bytes.ts';

/**
 * The clients of one server, in a process of their own. They count bytes, and order the next frames when everybody has all
 * of the last ones: queues stay short, and nobody waits for a clock.
 */

export type ClientsOrder =
	| { do: 'open'; peer: PeerName; port: number; orders: number; count: number; frameBytes: number; deflate: boolean }
	/** Compares what each client receives with what it should, byte by byte. */
	| { do: 'check'; frames: number }
	/** @param turns Rounds of `frames` frames, each in one turn of the server. */
	| { do: 'run'; turns: number; frames: number };

export type ClientsReport = { done: true } | { failed: string };

const openingAtOnce = 50;

type Crowd = {
	clients: RawClient[];
	orders: Socket;
	/** The bytes of the next frames to order, as this peer writes them. */
	nextBytes: (frames: number) => Buffer;
};

let crowd: Crowd | null = null;

process.on('message', (order: ClientsOrder) => {
	const answer = (report: ClientsReport): void => void process.send?.(report);
	obey(order).then(
		() => answer({ done: true }),
		(error: unknown) => answer({ failed: error instanceof Error ? error.message : String(error) }),
	);
});
process.on('disconnect', () => process.exit(0));

async function obey(order: ClientsOrder): Promise<void> {
	if (order.do === 'open') crowd = await open(order);
	else if (crowd === null) throw new Error('no client is open');
	else if (order.do === 'check') await check(crowd, order.frames);
	else await run(crowd, order.turns, order.frames);
}

async function open({ peer, port, orders: ordersPort, count, frameBytes, deflate }: ClientsOrder & { do: 'open' }) {
	const clients: RawClient[] = [];
	let next = 0;
	const work = async (): Promise<void> => {
		for (let index = next++; index < count; index = next++) {
			clients[index] = await openRawClient(port, index, scriptOf(peer, index, deflate));
		}
	};
	await Promise.all(Array.from({ length: Math.min(openingAtOnce, count) }, work));
	const orders = createConnection({ host: '127.0.0.1', port: ordersPort, noDelay: true });
	await once(orders, 'connect');
	const framesOf = frameRing(frameBytes);
	if (deflate) return { clients, orders, nextBytes: await learnBytes(clients, orders, framesOf(ringSize)) };
	const bytesOf = (frame: BenchFrame) => (peer === 'socket.io' ? socketIoBytes(frame) : frame.framed);
	return { clients, orders, nextBytes: (frames: number) => Buffer.concat(framesOf(frames).map(bytesOf)) };
}

async function check({ clients, orders, nextBytes }: Crowd, frames: number): Promise<void> {
	const expected = nextBytes(frames);
	let missing = clients.length;
	await gate((done, fail) => {
		for (const [index, client] of clients.entries()) {
			let at = 0;
			client.onBytes = (bytes) => {
				if (bytes.compare(expected, at, at + bytes.length) !== 0) {
					return fail(`client ${index} received other bytes than it should: ${bytes.toString('latin1', 0, 200)}`);
				}
				at += bytes.length;
				if (at < expected.length) return undefined;
				missing -= 1;
				return missing === 0 ? done() : undefined;
			};
		}
		orders.write(Buffer.of(frames));
	});
}

async function run({ clients, orders, nextBytes }: Crowd, turns: number, frames: number): Promise<void> {
	const counts = new Float64Array(clients.length);
	let received = 0;
	let target = 0;
	let onTarget: () => void = () => undefined;
	for (const [index, client] of clients.entries()) {
		client.onBytes = ({ length }) => {
			counts[index] = (counts[index] ?? 0) + length;
			received += length;
			if (received >= target) onTarget();
		};
	}
	let each = 0;
	for (let turn = 0; turn < turns; turn++) {
		each += nextBytes(frames).length;
		await gate((done) => {
			onTarget = done;
			target = each * clients.length;
			orders.write(Buffer.of(frames));
		});
	}
	const wrong = counts.findIndex((count) => count !== each);
	if (wrong >= 0) throw new Error(`client ${wrong} received ${counts[wrong]} bytes instead of ${each}`);
}
