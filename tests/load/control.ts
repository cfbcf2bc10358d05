import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { Contender } from './paired-run.ts';

/** Receivers and rounds of the control: some 10,000 deliveries. */
const receivers = 200;
const rounds = 50;
/** As long as a message frame. */
const text = JSON.stringify({ msg: 'changed', fields: { args: ['x'.repeat(560)] } });

/** The bare loop over `ws.send`, in a process of its own. Its unit is one delivery. */
export async function startControl(): Promise<Contender & { stop(): Promise<void> }> {
	const child = fork(join(import.meta.dirname, 'control-server.ts'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
	const [{ port }] = (await once(child, 'message')) as [{ port: number }];
	let received = 0;
	let onAll: (() => void) | null = null;
	const sockets = await Promise.all(
		Array.from({ length: receivers }, async () => {
			const socket = new WebSocket(`ws://127.0.0.1:${port}`);
			await once(socket, 'open');
			socket.on('message', () => {
				received += 1;
				if (received % receivers === 0) onAll?.();
			});
			return socket;
		}),
	);
	return {
		name: 'control',
		pids: () => (child.pid === undefined ? [] : [child.pid]),
		async run() {
			for (let round = 0; round < rounds; round++) {
				const all = new Promise<void>((resolve) => {
					onAll = resolve;
				});
				child.send({ text });
				await all;
			}
			return rounds * receivers;
		},
		async stop() {
			for (const socket of sockets) socket.terminate();
			const ended = once(child, 'exit');
			child.disconnect();
			await ended;
		},
	};
}
