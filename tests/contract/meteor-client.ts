import { WebSocket } from 'ws';
import { refuseSecrets } from './secrets.ts';

export type Frame = Record<string, any>;
type Document = Record<string, unknown>;

/**
 * A client that behaves as Meteor's does, and is as easily upset: it throws on an `updated` of a method it does not wait
 * for, on a second `added` of a document it holds, on a `changed` or `removed` of one it does not hold.
 *
 * It reconnects by itself, asks for its session, logs in first, sends unanswered methods and all subscriptions again under
 * their ids, and empties its collections with the first data that comes.
 *
 * @see realtime contract 1.8, 2.2, 2.4, 2.5, 2.6
 */
export type MeteorClient = {
	/** Documents by collection and id, as the client holds them now. */
	collections: Map<string, Map<string, Document>>;
	/** Sessions it was given, oldest first: the same twice in a row means that it was resumed. */
	sessions: string[];
	/** Everything that came, oldest first. */
	frames: Frame[];
	/** What upset it. */
	problems: string[];
	/** Calls a method; answered once, on whatever connection. */
	call(method: string, ...params: unknown[]): Promise<any>;
	subscribe(name: string, ...params: unknown[]): Promise<void>;
	/** `args` of the events of a stream so far, over all connections. */
	events(stream: string, eventName: string): any[][];
	/** The first frame, past or future, from `from` on, that fits. */
	next(fits: (frame: Frame) => boolean, from?: number): Promise<Frame>;
	/** What the server sends on this connection from now on never arrives. */
	deafen(): void;
	/** Ends the connection without a word. It reconnects. */
	cut(): void;
	stop(): void;
};

type Method = {
	id: string;
	method: string;
	params: unknown[];
	isWait: boolean;
	hasResult: boolean;
	isUpdated: boolean;
};
type Call = Method & { settle(frame: Frame): void; answer: Frame | null };
type Sub = { id: string; name: string; params: unknown[]; isReady: boolean; settle(error: unknown): void };

const reconnectMs = 50;
const patienceMs = 20_000;

/**
 * Starts it. It is logged in as soon as `call` of anything else is answered.
 *
 * @param pipelines Whether unanswered methods and subscriptions follow the login at once; otherwise methods wait for it.
 */
export function meteorClient(
	socketUrl: () => string,
	token: string,
	{ pipelines }: { pipelines: boolean },
): MeteorClient {
	const collections = new Map<string, Map<string, Document>>();
	const sessions: string[] = [];
	const frames: Frame[] = [];
	const problems: string[] = [];
	const calls = new Map<string, Call>();
	const subs = new Map<string, Sub>();
	const waiting = new Set<() => void>();
	let socket: WebSocket | null = null;
	let deaf: WebSocket | null = null;
	let count = 0;
	let mustReset = false;
	let isStopped = false;

	const send = (frame: Frame) => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
	const sendCall = ({ id, method, params }: Method) => send({ msg: 'method', id, method, params });
	const isWaiting = () => [...calls.values()].some(({ isWait }) => isWait);

	function start(method: string, params: unknown[], isWait: boolean): Promise<any> {
		return new Promise((resolve, reject) => {
			const id = `${(count += 1)}`;
			const settle = ({ error, result }: Frame) =>
				error === undefined ? resolve(result) : reject(Object.assign(new Error(String(error.message)), error));
			const call: Call = { id, method, params, isWait, hasResult: false, isUpdated: false, answer: null, settle };
			const mayGo = isWait || pipelines || !isWaiting();
			calls.set(id, call);
			if (mayGo) sendCall(call);
		});
	}

	/** Everything that is still to be said, on a connection that has just been opened. */
	function begin(): void {
		const session = sessions.at(-1);
		send({
			msg: 'connect',
			version: '1',
			support: ['1', 'pre2', 'pre1'],
			...(session === undefined ? {} : { session }),
		});
		for (const [id, { isWait }] of calls) if (isWait) calls.delete(id);
		start('login', [{ resume: token }], true).catch((error: Error) => problems.push(`login: ${error.message}`));
		if (pipelines) sendUnanswered();
		for (const { id, name, params } of subs.values()) send({ msg: 'sub', id, name, params });
	}

	function sendUnanswered(): void {
		for (const call of calls.values()) if (!call.isWait && !call.hasResult) sendCall(call);
	}

	function finish(call: Call): void {
		if (call.answer === null || !call.isUpdated) return;
		calls.delete(call.id);
		call.settle(call.answer);
		if (call.isWait && !pipelines) sendUnanswered();
	}

	function open(): void {
		if (isStopped) return;
		const opened = new WebSocket(socketUrl());
		socket = opened;
		opened.on('error', () => undefined);
		opened.on('open', begin);
		opened.on('message', (data: Buffer) => {
			if (opened !== socket || opened === deaf) return;
			const text = data.toString('utf8');
			refuseSecrets(text);
			const frame = JSON.parse(text) as Frame;
			frames.push(frame);
			take(frame);
			for (const look of waiting) look();
		});
		opened.on('close', () => {
			if (opened === socket) setTimeout(open, reconnectMs);
		});
	}

	function take(frame: Frame): void {
		switch (frame['msg']) {
			case 'connected':
				// Whatever the session is: collections are filled anew after a reconnect.
				mustReset ||= sessions.length > 0;
				sessions.push(frame['session']);
				return;
			case 'ping':
				send({ msg: 'pong', ...(frame['id'] === undefined ? {} : { id: frame['id'] }) });
				return;
			case 'result':
				return takeResult(frame);
			case 'updated':
				for (const id of frame['methods'] as string[]) takeUpdated(id);
				return;
			case 'ready':
			case 'nosub':
				return takeSubAnswer(frame);
			case 'added':
			case 'changed':
			case 'removed':
				return takeData(frame);
			case 'error':
			case 'failed':
				problems.push(JSON.stringify(frame));
		}
	}

	function takeResult(frame: Frame): void {
		const call = calls.get(frame['id']);
		if (call === undefined || call.hasResult) return void problems.push(`a result nobody waits for: ${frame['id']}`);
		call.hasResult = true;
		call.answer = frame;
		finish(call);
	}

	function takeUpdated(id: string): void {
		const call = calls.get(id);
		if (call === undefined || call.isUpdated) return void problems.push(`updated of an unknown method: ${id}`);
		call.isUpdated = true;
		finish(call);
	}

	function takeSubAnswer(frame: Frame): void {
		reset();
		const sub = subs.get(frame['msg'] === 'ready' ? frame['subs'][0] : frame['id']);
		if (sub === undefined) return void problems.push(`an answer to no sub: ${JSON.stringify(frame)}`);
		if (frame['msg'] === 'nosub') subs.delete(sub.id);
		sub.isReady = true;
		sub.settle(frame['error'] ?? null);
	}

	function reset(): void {
		if (mustReset) for (const documents of collections.values()) documents.clear();
		mustReset = false;
	}

	function takeData(frame: Frame): void {
		const name = frame['collection'] as string;
		const id = frame['id'] as string;
		if (name.startsWith('stream-')) return;
		reset();
		let documents = collections.get(name);
		if (documents === undefined) collections.set(name, (documents = new Map()));
		const held = documents.get(id);
		if ((frame['msg'] === 'added') === (held !== undefined)) {
			problems.push(`${frame['msg']} of a document that is ${held === undefined ? 'not ' : ''}held: ${name} ${id}`);
		}
		if (frame['msg'] === 'removed') documents.delete(id);
		else documents.set(id, { ...held, ...frame['fields'] });
	}

	open();
	return {
		collections,
		sessions,
		frames,
		problems,
		call: (method, ...params) => start(method, params, false),
		subscribe: (name, ...params) =>
			new Promise((resolve, reject) => {
				const id = `sub${(count += 1)}`;
				const settle = (error: unknown) =>
					error === null ? resolve() : reject(Object.assign(new Error('nosub'), error as object));
				subs.set(id, { id, name, params, isReady: false, settle });
				send({ msg: 'sub', id, name, params });
			}),
		events: (stream, eventName) =>
			frames
				.filter(({ msg, collection, fields }) => {
					return msg === 'changed' && collection === stream && fields.eventName === eventName;
				})
				.map(({ fields }) => fields.args as any[]),
		next: (fits, from = 0) =>
			new Promise((resolve, reject) => {
				const look = () => {
					const found = frames.slice(from).find(fits);
					if (found === undefined) return;
					waiting.delete(look);
					clearTimeout(timer);
					resolve(found);
				};
				const timer = setTimeout(() => {
					waiting.delete(look);
					const tail = frames.slice(-6).map((frame) => JSON.stringify(frame).slice(0, 200));
					reject(new Error(`no such frame: ${fits.toString()}\n${problems.join('\n')}\n${tail.join('\n')}`));
				}, patienceMs);
				waiting.add(look);
				look();
			}),
		deafen: () => void (deaf = socket),
		cut: () => socket?.terminate(),
		stop() {
			isStopped = true;
			socket?.terminate();
		},
	};
}
