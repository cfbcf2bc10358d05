import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** Memory of a process: what the system counts, and its parts as the runtime counts them. In bytes. */
export type Memory = { rss: number; heapUsed: number; heapTotal: number; external: number; arrayBuffers: number };

/** A Node process that can be asked for its memory from outside, through its inspector. */
export type Inspected = {
	readonly pid: number;
	/** Resolves with the first line of its log, past or future, that fits. */
	logged(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
	/** Collects garbage until nothing more is given back, and tells what is left. */
	settledMemory(): Promise<Memory>;
	memory(): Promise<Memory>;
	/** The JSON of a heap snapshot, in pieces. */
	heapSnapshot(): Promise<string[]>;
	/** Resolves when it has ended after SIGTERM. */
	stop(): Promise<void>;
};

const startLimitMs = 60_000;
/** It is settled when two collections, so far apart, leave the same but for this share. */
const settleEveryMs = 1_000;
const settledShare = 0.002;
const settleTries = 20;

/**
 * Starts a Node program with an inspector on a free port of the loopback. The program is the one of production: garbage is
 * collected by order of the inspector, no flag changes how it runs.
 */
export async function startInspected(args: string[], env: NodeJS.ProcessEnv): Promise<Inspected> {
	const child = spawn(process.execPath, ['--inspect=127.0.0.1:0', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
	const { inspector, logged } = followOutput(child);
	try {
		return { ...(await inspect(child, await inspector)), pid: child.pid ?? 0, logged };
	} catch (error) {
		child.kill('SIGKILL');
		throw error;
	}
}

function followOutput(child: ChildProcess) {
	const lines: Record<string, unknown>[] = [];
	const tail: string[] = [];
	const waiting = new Set<(line: Record<string, unknown>) => void>();
	let found: (url: string) => void = () => undefined;
	const inspector = withLimit(
		child,
		tail,
		new Promise<string>((resolve) => {
			found = resolve;
		}),
	);
	const read = (text: string): void => {
		tail.push(text);
		if (tail.length > 20) tail.shift();
		const url = /Debugger listening on (ws:\S+)/.exec(text)?.[1];
		if (url !== undefined) return found(url);
		if (!text.startsWith('{')) return;
		const line = JSON.parse(text) as Record<string, unknown>;
		if (lines.length < 1000) lines.push(line);
		for (const tell of waiting) tell(line);
	};
	for (const input of [child.stdout, child.stderr]) {
		if (input !== null) createInterface({ input }).on('line', read);
	}
	const logged: Inspected['logged'] = (fits) => {
		const present = lines.find(fits);
		if (present !== undefined) return Promise.resolve(present);
		const coming = new Promise<Record<string, unknown>>((resolve) => {
			const tell = (line: Record<string, unknown>): void => {
				if (!fits(line)) return;
				waiting.delete(tell);
				resolve(line);
			};
			waiting.add(tell);
		});
		return withLimit(child, tail, coming);
	};
	return { inspector, logged };
}

function withLimit<T>(child: ChildProcess, tail: string[], value: Promise<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		const fail = (): void => reject(new Error(`a measured process did not start:\n${tail.join('\n')}`));
		const timer = setTimeout(fail, startLimitMs);
		child.once('exit', fail);
		void value.then((found) => {
			clearTimeout(timer);
			child.off('exit', fail);
			resolve(found);
		});
	});
}

async function inspect(child: ChildProcess, url: string) {
	const socket = new WebSocket(url, { maxPayload: 0, perMessageDeflate: false });
	await once(socket, 'open');
	let lastId = 0;
	const answers = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
	let onChunk: ((chunk: string) => void) | null = null;
	socket.on('message', (data: Buffer) => {
		const message = JSON.parse(data.toString('utf8')) as {
			id?: number;
			result?: unknown;
			error?: { message: string };
			method?: string;
			params?: { chunk?: string };
		};
		if (message.method === 'HeapProfiler.addHeapSnapshotChunk') onChunk?.(message.params?.chunk ?? '');
		const answer = answers.get(message.id ?? -1);
		if (answer === undefined) return;
		answers.delete(message.id ?? -1);
		if (message.error === undefined) answer.resolve(message.result);
		else answer.reject(new Error(message.error.message));
	});
	const ask = (method: string, params: object = {}): Promise<unknown> =>
		new Promise((resolve, reject) => {
			lastId += 1;
			answers.set(lastId, { resolve, reject });
			socket.send(JSON.stringify({ id: lastId, method, params }));
		});
	const memory = async (): Promise<Memory> => {
		const expression = 'JSON.stringify(process.memoryUsage())';
		const { result } = (await ask('Runtime.evaluate', { expression })) as { result: { value: string } };
		return { ...(JSON.parse(result.value) as Memory), rss: residentBytes(child.pid ?? 0) };
	};
	return {
		memory,
		async settledMemory(): Promise<Memory> {
			let before = Number.POSITIVE_INFINITY;
			for (let count = 0; count < settleTries; count++) {
				await ask('HeapProfiler.collectGarbage');
				await pause(settleEveryMs);
				const now = await memory();
				if (before - now.rss < now.rss * settledShare) return now;
				before = now.rss;
			}
			throw new Error('the memory of the process does not settle');
		},
		async heapSnapshot(): Promise<string[]> {
			const chunks: string[] = [];
			onChunk = (chunk) => void chunks.push(chunk);
			await ask('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
			onChunk = null;
			return chunks;
		},
		async stop(): Promise<void> {
			socket.terminate();
			if (child.exitCode !== null || child.signalCode !== null) return;
			const ended = once(child, 'exit');
			child.kill('SIGTERM');
			const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
			await ended;
			clearTimeout(timer);
		},
	};
}

/** Memory of a process that is in RAM, as the system counts it. */
function residentBytes(pid: number): number {
	const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
	return Number(kilobytes) * 1024;
}
