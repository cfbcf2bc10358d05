import { join } from 'node:path';
import type { Contender } from '../paired-run.ts';
import { cores, startChild } from './child.ts';
import type { ClientsOrder, ClientsReport } from './clients.ts';
import type { PeerName } from './peer.ts';
import type { ServeOptions, Serving } from './serve.ts';

/** A server and its clients, each in a process and on a core of its own. */
export type Pair = {
	/** Compares the bytes that everybody receives with those that all servers have to send. @throws Error when they differ */
	check(frames: number): Promise<void>;
	/**
	 * So many deliveries at least, `frames` of each turn to everybody, as something to be measured: the CPU is the server's.
	 * Its unit is one frame delivered to one client.
	 */
	contender(name: string, frames: number, deliveries: number): Contender;
	stop(): Promise<void>;
};

const preparingTurns = 3;

const programOf = (file: string): string => join(import.meta.dirname, file);

/** Starts a server and connects its clients. */
export async function startPair(peer: PeerName, options: ServeOptions): Promise<Pair> {
	const server = startChild(programOf('serve.ts'), cores.server, [peer, JSON.stringify(options)]);
	const clients = startChild(programOf('clients.ts'), cores.clients);
	const stop = async (): Promise<void> => {
		await Promise.all([server.stop(), clients.stop()]);
	};
	const order = async (message: ClientsOrder): Promise<void> => {
		const heard = clients.heard<ClientsReport>();
		clients.send(message);
		const report = await heard;
		if ('failed' in report) throw new Error(`${peer}: ${report.failed}`);
	};
	try {
		const { port, orders } = await server.heard<Serving>();
		const { clients: count, frameBytes, deflate = false } = options;
		await order({ do: 'open', peer, port, orders, count, frameBytes, deflate });
	} catch (error) {
		await stop();
		throw error;
	}
	return {
		check: (frames) => order({ do: 'check', frames }),
		contender: (name, frames, deliveries) => ({
			name,
			pids: () => [server.pid],
			prepare: () => order({ do: 'run', turns: preparingTurns, frames }),
			async run() {
				const turns = Math.ceil(deliveries / (frames * options.clients));
				await order({ do: 'run', turns, frames });
				return turns * frames * options.clients;
			},
		}),
		stop,
	};
}
