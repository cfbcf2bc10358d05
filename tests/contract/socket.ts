import { WebSocket } from 'ws';
import { refuseSecrets } from './secrets.ts';
import type { Session } from './server.ts';

export type Frame = Record<string, any>;

/** A plain DDP client for tests: keeps every frame and waits for the ones asked for. */
export type Ddp = {
	frames: Frame[];
	send(frame: Frame): void;
	/** Any text as one message. */
	sendText(text: string): void;
	/** The first frame, past or future, that fits. */
	next(fits: (frame: Frame) => boolean, timeoutMs?: number): Promise<Frame>;
	/** Calls a method: its result, or the error as a rejection carrying it. */
	call(method: string, ...params: unknown[]): Promise<any>;
	/** Subscribes and waits for `ready`. */
	sub(name: string, ...params: unknown[]): Promise<string>;
	login(session: Session): Promise<void>;
	/** `args` of the stream events of this name so far. */
	events(stream: string, eventName: string): any[][];
	/** The args of the first event, past or future, that fits. */
	event(stream: string, eventName: string, fits?: (args: any[]) => boolean): Promise<any[]>;
	closed: Promise<{ code: number; reason: string }>;
	close(): void;
};

/** Opens a socket and negotiates DDP version 1. */
export async function connect(socketUrl: string): Promise<Ddp> {
	const socket = new WebSocket(socketUrl);
	const frames: Frame[] = [];
	const waiting = new Set<(frame: Frame | null) => void>();
	let closeReason = '';
	const closed = new Promise<{ code: number; reason: string }>((resolve) =>
		socket.once('close', (code, reason) => {
			closeReason = `${code} ${reason.toString()}`;
			for (const tell of waiting) tell(null);
			resolve({ code, reason: reason.toString() });
		}),
	);
	socket.on('error', () => undefined);
	socket.on('message', (data: Buffer) => {
		const text = data.toString('utf8');
		refuseSecrets(text);
		const frame = JSON.parse(text) as Frame;
		if (frame['msg'] === 'ping')
			socket.send(JSON.stringify({ msg: 'pong', ...(frame['id'] ? { id: frame['id'] } : {}) }));
		frames.push(frame);
		for (const tell of waiting) tell(frame);
	});
	const next = (fits: (frame: Frame) => boolean, timeoutMs = 15_000): Promise<Frame> => {
		const present = frames.find(fits);
		if (present !== undefined) return Promise.resolve(present);
		return new Promise((resolve, reject) => {
			const end = () => {
				waiting.delete(tell);
				clearTimeout(timer);
			};
			const fail = () => {
				end();
				const tail = frames.slice(-8).map((frame) => JSON.stringify(frame).slice(0, 300));
				reject(
					new Error(`no such frame (${fits.toString()}; closed: ${closeReason}); last frames:\n${tail.join('\n')}`),
				);
			};
			const tell = (frame: Frame | null) => {
				if (frame === null) return fail();
				if (!fits(frame)) return;
				end();
				resolve(frame);
			};
			const timer = setTimeout(fail, timeoutMs);
			waiting.add(tell);
			if (closeReason !== '') fail();
		});
	};
	let counter = 0;
	const send = (frame: Frame) => socket.send(JSON.stringify(frame));
	const call = async (method: string, ...params: unknown[]): Promise<any> => {
		const id = `m${++counter}`;
		send({ msg: 'method', id, method, params });
		const result = await next((frame) => frame['msg'] === 'result' && frame['id'] === id);
		if (result['error'] !== undefined) throw Object.assign(new Error(result['error'].message), result['error']);
		return result['result'];
	};
	const sub = async (name: string, ...params: unknown[]): Promise<string> => {
		const id = `s${++counter}`;
		send({ msg: 'sub', id, name, params });
		const answer = await next(
			(frame) =>
				(frame['msg'] === 'ready' && frame['subs'][0] === id) || (frame['msg'] === 'nosub' && frame['id'] === id),
		);
		if (answer['msg'] === 'nosub') throw Object.assign(new Error('nosub'), answer['error']);
		return id;
	};
	const isEvent = (frame: Frame, stream: string, eventName: string) =>
		frame['msg'] === 'changed' && frame['collection'] === stream && frame['fields']?.eventName === eventName;
	await next((frame) => frame['server_id'] === '0');
	send({ msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] });
	await next((frame) => frame['msg'] === 'connected');
	return {
		frames,
		send,
		sendText: (text) => socket.send(text),
		next,
		call,
		sub,
		closed,
		login: async (session) => void (await call('login', { resume: session.authToken })),
		events: (stream, eventName) =>
			frames.filter((frame) => isEvent(frame, stream, eventName)).map((frame) => frame['fields'].args),
		event: async (stream, eventName, fits = () => true) => {
			const frame = await next((entry) => isEvent(entry, stream, eventName) && fits(entry['fields'].args));
			return frame['fields'].args;
		},
		close: () => socket.close(1000),
	};
}
