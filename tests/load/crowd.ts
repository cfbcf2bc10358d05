import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** One client of a crowd. */
export type CrowdClient = { number: number; uid: string; token: string; rid: string };

/** What the process of a crowd is told. */
export type CrowdOrder =
	| {
			do: 'open';
			port: number;
			path: string;
			/** `web client`: logs in and opens the 16 subscriptions of one. `bare`: the WebSocket alone. */
			kind: 'web client' | 'bare';
			clients: CrowdClient[];
			/** Clients that may be opening at a time. */
			atOnce: number;
	  }
	| { do: 'cut' }
	| { do: 'count' };

/** What it answers. `pings` and `closed`: since its start. */
export type CrowdReport =
	| { done: 'open'; open: number }
	| { done: 'cut' }
	| { done: 'counts'; open: number; pings: number; closed: number }
	| { done: 'failed'; reason: string };

/** Many light clients in a process of their own: their memory and most of their CPU are not the server's. */
export type Crowd = {
	readonly pid: number;
	/** Resolves when all are served. */
	open(order: Omit<CrowdOrder & { do: 'open' }, 'do'>): Promise<void>;
	/** Ends all connections without a word, as a network does. */
	cut(): Promise<void>;
	counts(): Promise<{ open: number; pings: number; closed: number }>;
	stop(): Promise<void>;
};

/** Starts the process; no client is open yet. */
export function startCrowd(): Crowd {
	const child = fork(join(import.meta.dirname, 'crowd-process.ts'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
	const ask = async (order: CrowdOrder): Promise<CrowdReport> => {
		const ended = new AbortController();
		const gone = once(child, 'exit', { signal: ended.signal }).then(() => {
			throw new Error('the process of the clients ended');
		});
		gone.catch(() => undefined);
		child.send(order);
		try {
			const [report] = (await Promise.race([once(child, 'message', { signal: ended.signal }), gone])) as [CrowdReport];
			if (report.done === 'failed') throw new Error(report.reason);
			return report;
		} finally {
			ended.abort();
		}
	};
	return {
		pid: child.pid ?? 0,
		open: async (order) => void (await ask({ do: 'open', ...order })),
		cut: async () => void (await ask({ do: 'cut' })),
		async counts() {
			const report = await ask({ do: 'count' });
			if (report.done !== 'counts') throw new Error(`clients answered ${report.done}`);
			const { open, pings, closed } = report;
			return { open, pings, closed };
		},
		async stop() {
			if (child.exitCode !== null) return;
			const ended = once(child, 'exit');
			child.disconnect();
			await ended;
		},
	};
}
