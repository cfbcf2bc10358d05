import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';

/** A process of a bench, on a core of its own where the machine has two. */
export type Child = {
	readonly pid: number;
	/** The next message from it. @throws Error when it ends first */
	heard<T>(): Promise<T>;
	send(message: object): void;
	stop(): Promise<void>;
};

/** Core of the servers, of which one works at a time, and core of the clients. */
export const cores = { server: 0, clients: 1 } as const;

/**
 * Starts a program.
 *
 * @param file Where it stands.
 * @param core Where it runs: by `taskset`, so that it is there from its first thread on.
 */
export function startChild(file: string, core: number, args: string[] = []): Child {
	const isPinned = availableParallelism() > 1;
	const child = fork(file, args, {
		stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
		execArgv: isPinned ? ['-c', String(core), process.execPath] : [],
		...(isPinned ? { execPath: 'taskset' } : {}),
	});
	const ended = new Promise<void>((resolve) => {
		child.once('exit', () => resolve());
		child.once('error', () => resolve());
	});
	return {
		pid: child.pid ?? 0,
		heard: () => nextMessage(child, file),
		send: (message) => void child.send(message),
		async stop() {
			if (child.connected) child.disconnect();
			await ended;
		},
	};
}

function nextMessage<T>(child: ChildProcess, file: string): Promise<T> {
	return new Promise((resolve, reject) => {
		const settle = (act: () => void): void => {
			child.off('message', listen).off('exit', gone).off('error', failed);
			act();
		};
		const listen = (message: unknown): void => settle(() => resolve(message as T));
		const gone = (code: number | null): void => settle(() => reject(new Error(`${basename(file)} ended with ${code}`)));
		const failed = (error: Error): void => settle(() => reject(error));
		child.on('message', listen).on('exit', gone).on('error', failed);
	});
}
