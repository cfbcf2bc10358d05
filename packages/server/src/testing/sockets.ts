import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

export type Frame = Record<string, unknown> & { msg?: string; id?: string };

/** A DDP client for tests: keeps every message, in order, and waits for the ones a test asks for. */
export type TestSocket = {
	/** Texts as they arrived. */
	texts: string[];
	frames: Frame[];
	send(frame: object | string): void;
	sendBinary(bytes: Buffer): void;
	/** The first message from `from` on, past or future, that fits. */
	next(fits: (frame: Frame) => boolean, from?: number): Promise<Frame>;
	/** Negotiates DDP version 1. */
	negotiate(): Promise<string>;
	/** Result of a method; its error is thrown. */
	call(method: string, ...params: unknown[]): Promise<unknown>;
	/** Subscribes. @returns `ready`, or the error of `nosub` (null: none) */
	sub(id: string, name: string, ...params: unknown[]): Promise<unknown>;
	unsub(id: string): Promise<void>;
	/** `args` of the events of a stream so far. */
	events(stream: string, event: string): unknown[][];
	/** The args of the first event, past or future, that fits. */
	event(stream: string, event: string, fits?: (args: unknown[]) => boolean): Promise<unknown[]>;
	/** Resolves when everything the server had to say to what was sent before has arrived. */
	settled(): Promise<void>;
	closed: Promise<{ code: number; reason: string }>;
	close(): void;
	terminate(): void;
	pause(): void;
	resume(): void;
};

const patienceMs = 15_000;

/** Opens a raw socket and waits for its first message. */
export async function testSocket(url: string, headers: Record<string, string> = {}): Promise<TestSocket> {
	const socket = new WebSocket(url, { headers });
	const texts: string[] = [];
	const frames: Frame[] = [];
	const waiting = new Set<() => void>();
	let why = '';
	const closed = new Promise<{ code: number; reason: string }>((resolve) => {
		socket.once('close', (code, reason) => {
			why = `closed ${code} ${reason.toString()}`;
			resolve({ code, reason: reason.toString() });
			for (const check of waiting) check();
		});
	});
	socket.on('message', (data: Buffer) => {
		texts.push(data.toString());
		frames.push(parse(data.toString()));
		for (const check of waiting) check();
	});
	await new Promise<void>((resolve, reject) => {
		socket.once('open', resolve);
		socket.once('error', reject);
		socket.once('unexpected-response', (_request, response) => {
			reject(
				Object.assign(new Error(`refused ${response.statusCode}`), {
					status: response.statusCode,
					headers: response.headers,
				}),
			);
		});
	});
	socket.on('error', () => undefined);

	function next(fits: (frame: Frame) => boolean, from = 0): Promise<Frame> {
		return new Promise((resolve, reject) => {
			let at = from;
			const end = (error: Error) => {
				waiting.delete(check);
				clearTimeout(timer);
				reject(error);
			};
			const check = () => {
				for (; at < frames.length; at++) {
					const frame = frames[at];
					if (frame === undefined || !fits(frame)) continue;
					waiting.delete(check);
					clearTimeout(timer);
					return resolve(frame);
				}
				if (why !== '') end(new Error(`${why} before: ${fits.toString()}`));
			};
			const timer = setTimeout(
				() => end(new Error(`no such frame: ${fits.toString()}\n${texts.slice(-5).join('\n')}`)),
				patienceMs,
			);
			waiting.add(check);
			check();
		});
	}

	const send = (frame: object | string) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
	let counter = 0;
	const isEvent = (frame: Frame, stream: string, event: string) =>
		frame.msg === 'changed' &&
		frame['collection'] === `stream-${stream}` &&
		(frame['fields'] as { eventName?: string } | undefined)?.eventName === event;
	const argsOf = (frame: Frame) => (frame['fields'] as { args: unknown[] }).args;

	await next(() => true);
	return {
		texts,
		frames,
		send,
		sendBinary: (bytes) => socket.send(bytes, { binary: true }),
		next,
		async negotiate() {
			send({ msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] });
			return String((await next(({ msg }) => msg === 'connected'))['session']);
		},
		async call(method, ...params) {
			const id = `call${++counter}`;
			send({ msg: 'method', id, method, params });
			const answer = await next((frame) => frame.msg === 'result' && frame.id === id);
			await next((frame) => frame.msg === 'updated' && (frame['methods'] as string[])[0] === id);
			if ('error' in answer) throw Object.assign(new Error('refused'), { wire: answer['error'] });
			return answer['result'];
		},
		async sub(id, name, ...params) {
			const from = frames.length;
			send({ msg: 'sub', id, name, params });
			const answer = await next(
				(frame) =>
					(frame.msg === 'ready' && (frame['subs'] as string[])[0] === id) ||
					(frame.msg === 'nosub' && frame.id === id),
				from,
			);
			return answer.msg === 'ready' ? 'ready' : (answer['error'] ?? null);
		},
		async unsub(id) {
			const from = frames.length;
			send({ msg: 'unsub', id });
			await next((frame) => frame.msg === 'nosub' && frame.id === id, from);
		},
		events: (stream, event) => frames.filter((frame) => isEvent(frame, stream, event)).map(argsOf),
		async event(stream, event, fits = () => true) {
			return argsOf(await next((frame) => isEvent(frame, stream, event) && fits(argsOf(frame))));
		},
		async settled() {
			const id = `settled${++counter}`;
			send({ msg: 'ping', id });
			await next((frame) => frame.msg === 'pong' && frame.id === id);
		},
		closed,
		close: () => socket.close(1000),
		terminate: () => socket.terminate(),
		pause: () => socket.pause(),
		resume: () => socket.resume(),
	};
}

/** Waits until something has become true in this process, at most 15 s. */
export async function until(isSo: () => boolean): Promise<void> {
	const end = performance.now() + patienceMs;
	while (!isSo()) {
		if (performance.now() > end) throw new Error(`never came true: ${isSo.toString()}`);
		await pause(5);
	}
}

function parse(text: string): Frame {
	try {
		return JSON.parse(text) as Frame;
	} catch {
		return { text };
	}
}
