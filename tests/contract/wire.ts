import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { refuseSecrets } from './secrets.ts';
import type { Session } from './server.ts';

export type Frame = Record<string, any>;

/** One socket byte for byte: what arrives is kept as it came, nothing is sent that the test does not send. */
export type Wire = {
	/** WebSocket messages, oldest first: SockJS frames on a SockJS path. */
	messages: string[];
	/** DDP messages, oldest first, as text and parsed. */
	texts: string[];
	frames: Frame[];
	/** Sends DDP messages, on a SockJS path each in a frame of its own. */
	send(...frames: (Frame | string)[]): void;
	/** Sends one WebSocket message as it is: a text frame, unless `binary`. */
	sendRaw(data: string | Buffer, binary?: boolean): void;
	/** The first DDP message from `from` on, past or future, that fits. */
	next(fits: (frame: Frame) => boolean, from?: number): Promise<Frame>;
	/** Negotiates. @returns The session id. */
	negotiate(version?: string, support?: string[]): Promise<string>;
	/** Resolves when what the server answers at once to what was sent before has arrived. */
	settled(): Promise<void>;
	/** Sends a method and waits for `result` and `updated`. @returns The `result` frame. */
	ask(method: string, ...params: unknown[]): Promise<Frame>;
	/** The result of a method; its error is thrown. */
	call(method: string, ...params: unknown[]): Promise<any>;
	/** Sends a `sub` under this id. @returns Its answer: `ready` or `nosub`. */
	sub(id: string, name: string, ...params: unknown[]): Promise<Frame>;
	login(session: Pick<Session, 'authToken'>): Promise<void>;
	/** `args` of the events of a stream so far. */
	events(stream: string, eventName: string): any[][];
	/** `args` of the first event, past or future, that fits. */
	event(stream: string, eventName: string, fits?: (args: any[]) => boolean): Promise<any[]>;
	closed: Promise<{ code: number; reason: string }>;
	close(): void;
	/** Cuts the connection without a word. */
	terminate(): void;
};

export type WireOptions = {
	headers?: Record<string, string>;
	/** Whether pings of the server are answered. Default: yes. */
	answersPings?: boolean;
};

const patienceMs = 20_000;

/**
 * Opens a socket and waits for nothing else.
 *
 * @param url The framing follows from its path: `/sockjs/<server>/<session>/websocket` is SockJS.
 * @throws `{status, headers}` when the handshake is refused.
 */
export async function openWire(t: TestContext | null, url: string, options: WireOptions = {}): Promise<Wire> {
	const isSockjs = /\/sockjs\/[^/]+\/[^/]+\/websocket/.test(url);
	const socket = new WebSocket(url, { headers: options.headers ?? {} });
	const messages: string[] = [];
	const texts: string[] = [];
	const frames: Frame[] = [];
	const waiting = new Set<() => void>();
	let ending = '';
	const closed = new Promise<{ code: number; reason: string }>((resolve) => {
		socket.once('close', (code, reason) => {
			ending = `closed ${code} ${reason.toString()}`;
			resolve({ code, reason: reason.toString() });
			for (const look of waiting) look();
		});
	});
	const sendRaw = (data: string | Buffer, binary = false) => socket.send(data, { binary });
	const send = (...list: (Frame | string)[]) => {
		for (const frame of list) {
			const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
			sendRaw(isSockjs ? JSON.stringify([text]) : text);
		}
	};
	socket.on('message', (data: Buffer) => {
		const message = data.toString('utf8');
		refuseSecrets(message);
		messages.push(message);
		const found = isSockjs ? (message.startsWith('a') ? (JSON.parse(message.slice(1)) as string[]) : []) : [message];
		for (const text of found) {
			const frame = JSON.parse(text) as Frame;
			texts.push(text);
			frames.push(frame);
			if (frame['msg'] !== 'ping' || options.answersPings === false) continue;
			send({ msg: 'pong', ...(frame['id'] === undefined ? {} : { id: frame['id'] }) });
		}
		for (const look of waiting) look();
	});
	await opened(socket);
	socket.on('error', () => undefined);
	t?.after(() => socket.terminate());

	const next: Wire['next'] = (fits, from = 0) =>
		new Promise((resolve, reject) => {
			let at = from;
			const end = (act: () => void) => {
				waiting.delete(look);
				clearTimeout(timer);
				act();
			};
			const fail = () => {
				const tail = messages.slice(-6).map((text) => text.slice(0, 300));
				end(() => reject(new Error(`no such frame (${ending}): ${fits.toString()}\n${tail.join('\n')}`)));
			};
			const look = () => {
				for (; at < frames.length; at += 1) {
					const frame = frames[at];
					if (frame !== undefined && fits(frame)) return end(() => resolve(frame));
				}
				if (ending !== '') fail();
			};
			const timer = setTimeout(fail, patienceMs);
			waiting.add(look);
			look();
		});
	return {
		messages,
		texts,
		frames,
		send,
		sendRaw,
		next,
		closed,
		close: () => socket.close(1000),
		terminate: () => socket.terminate(),
		...conversation(frames, send, next),
	};
}

/** @throws `{status, headers}` */
function opened(socket: WebSocket): Promise<void> {
	return new Promise((resolve, reject) => {
		socket.once('open', resolve);
		socket.once('error', reject);
		socket.once('unexpected-response', (_request, { statusCode, headers }) =>
			reject(Object.assign(new Error(`refused ${statusCode}`), { status: statusCode, headers })),
		);
	});
}

/** What is said in whole questions and answers. */
function conversation(frames: Frame[], send: Wire['send'], next: Wire['next']) {
	let count = 0;
	const ask: Wire['ask'] = async (method, ...params) => {
		const id = `call-${(count += 1)}`;
		const from = frames.length;
		send({ msg: 'method', id, method, params });
		const result = await next((frame) => frame['msg'] === 'result' && frame['id'] === id, from);
		await next((frame) => frame['msg'] === 'updated' && frame['methods'].includes(id), from);
		return result;
	};
	const call: Wire['call'] = async (method, ...params) => {
		const { error, result } = await ask(method, ...params);
		if (error !== undefined) throw Object.assign(new Error(error.message), error);
		return result;
	};
	const isEvent = (frame: Frame, stream: string, eventName: string) =>
		frame['msg'] === 'changed' && frame['collection'] === stream && frame['fields'].eventName === eventName;
	return {
		ask,
		call,
		async negotiate(version = '1', support = ['1', 'pre2', 'pre1']) {
			send({ msg: 'connect', version, support });
			return (await next((frame) => frame['msg'] === 'connected'))['session'] as string;
		},
		async settled() {
			const id = `settled-${(count += 1)}`;
			send({ msg: 'ping', id });
			await next((frame) => frame['msg'] === 'pong' && frame['id'] === id);
		},
		async sub(id: string, name: string, ...params: unknown[]) {
			const from = frames.length;
			send({ msg: 'sub', id, name, params });
			return next((frame) => isAnswerTo(frame, id), from);
		},
		async login({ authToken }: Pick<Session, 'authToken'>) {
			await call('login', { resume: authToken });
		},
		events: (stream: string, eventName: string) =>
			frames.filter((frame) => isEvent(frame, stream, eventName)).map((frame) => frame['fields'].args as any[]),
		async event(stream: string, eventName: string, fits: (args: any[]) => boolean = () => true) {
			const frame = await next((entry) => isEvent(entry, stream, eventName) && fits(entry['fields'].args));
			return frame['fields'].args as any[];
		},
	};
}

/** Whether a frame answers the `sub` or `unsub` of this id. */
export function isAnswerTo(frame: Frame, id: string): boolean {
	return (frame['msg'] === 'ready' && frame['subs'].includes(id)) || (frame['msg'] === 'nosub' && frame['id'] === id);
}

/** Opens a raw socket of a server and negotiates. */
export async function openConnected(t: TestContext, server: { socketUrl: string }): Promise<Wire> {
	const wire = await openWire(t, server.socketUrl);
	await wire.negotiate();
	return wire;
}

/** Opens a raw socket of a server and logs in. */
export async function openLoggedIn(t: TestContext, server: { socketUrl: string }, session: Session): Promise<Wire> {
	const wire = await openConnected(t, server);
	await wire.login(session);
	return wire;
}
