import { createRequire } from 'node:module';
import { WebSocket } from 'ws';
import { refuseSecrets } from './secrets.ts';

/** Client libraries that we did not write, each behind the same few words. */

export type Message = { _id: string; msg: string; ts: unknown; _updatedAt: unknown };

export type LiveClient = {
	/** Messages of the room as they came live, oldest first. */
	heard: Message[];
	/** Resolves when the client is logged in and its subscription is ready for the n-th time. */
	ready(n: number): Promise<void>;
	/** Resolves with the first message heard that fits, past or future. */
	hear(fits: (message: Message) => boolean): Promise<Message>;
	/** Calls a method through the client. */
	call(method: string, ...params: unknown[]): Promise<any>;
	stop(): void;
};

export type LiveTarget = { port: number; token: string; rid: string };

const require = createRequire(import.meta.url);
const stream = 'stream-room-messages';
const reconnectMs = 200;
const patienceMs = 25_000;

/** What all of them keep: what was heard, and how often they were ready. */
function memory() {
	const heard: Message[] = [];
	const waiting = new Set<() => void>();
	let readies = 0;
	const wake = () => {
		for (const look of waiting) look();
	};
	const until = <T>(what: string, look: () => T | undefined): Promise<T> =>
		new Promise((resolve, reject) => {
			const check = () => {
				const found = look();
				if (found === undefined) return;
				waiting.delete(check);
				clearTimeout(timer);
				resolve(found);
			};
			const timer = setTimeout(() => {
				waiting.delete(check);
				reject(new Error(`${what}; ready ${readies} times, heard ${heard.map(({ msg }) => msg).join(', ')}`));
			}, patienceMs);
			waiting.add(check);
			check();
		});
	return {
		heard,
		isReady() {
			readies += 1;
			wake();
		},
		take(message: Message) {
			refuseSecrets(JSON.stringify(message));
			heard.push(message);
			wake();
		},
		ready: (n: number): Promise<void> =>
			until(`not ready ${n} times`, () => (readies >= n ? true : undefined)).then(() => undefined),
		hear: (fits: (message: Message) => boolean) => until('not heard', () => heard.find(fits)),
	};
}

/** npm `ddp`: subscribes with a collection and watches it. */
export function ddpClient({ port, token, rid }: LiveTarget): LiveClient {
	const DDPClient = require('ddp');
	const client = new DDPClient({ url: `ws://127.0.0.1:${port}/websocket`, autoReconnectTimer: reconnectMs });
	const { isReady, take, ...rest } = memory();
	const call = (method: string, ...params: unknown[]) =>
		new Promise<any>((resolve, reject) => {
			client.call(method, params, (error: unknown, result: unknown) =>
				error ? reject(error as Error) : resolve(result),
			);
		});
	client.observe(stream).changed = (_id: string, _old: unknown, _cleared: unknown, fields: any) => take(fields.args[0]);
	client.on('socket-error', () => undefined);
	client.connect((error: unknown) => {
		if (error) return;
		void enter();
	});
	const enter = async () => {
		try {
			await call('login', { resume: token });
			client.subscribe(stream, [rid, true], (refused: unknown) => refused ?? isReady());
		} catch {
			// The connection went meanwhile: the client opens the next one.
		}
	};
	return { ...rest, call, stop: () => client.close() };
}

/** npm `ddp.js` 2. */
export function ddpJsClient({ port, token, rid }: LiveTarget): LiveClient {
	const DDP = require('ddp.js').default;
	const endpoint = `ws://127.0.0.1:${port}/websocket`;
	const client = new DDP({ endpoint, SocketConstructor: WebSocket, reconnectInterval: reconnectMs });
	const { isReady, take, ...rest } = memory();
	const calls = new Map<string, (frame: any) => void>();
	let sub = '';
	const call = (method: string, ...params: unknown[]) =>
		new Promise<any>((resolve, reject) => {
			const id = client.method(method, params) as string;
			calls.set(id, ({ error, result }) => (error === undefined ? resolve(result) : reject(error as Error)));
		});
	client.on('result', (frame: any) => {
		calls.get(frame.id)?.(frame);
		calls.delete(frame.id);
	});
	client.on('ready', ({ subs }: { subs: string[] }) => subs[0] === sub && isReady());
	client.on('changed', ({ collection, fields }: any) => collection === stream && take(fields.args[0]));
	client.on('connected', async () => {
		calls.clear();
		await call('login', { resume: token });
		sub = client.sub(stream, [rid, false]) as string;
	});
	return { ...rest, call, stop: () => client.disconnect() };
}

/** npm `simpleddp`: offers its session when it comes back, and opens its subscriptions again by itself. */
export function simpleDdpClient({ port, token, rid }: LiveTarget): LiveClient {
	const SimpleDDP = require('simpleddp');
	const endpoint = `ws://127.0.0.1:${port}/websocket`;
	const client = new SimpleDDP({ endpoint, SocketConstructor: WebSocket, reconnectInterval: reconnectMs });
	const { isReady, take, ...rest } = memory();
	const call = (method: string, ...params: unknown[]) => client.call(method, ...params) as Promise<any>;
	let sub: any = null;
	client.on('connected', async () => {
		await call('login', { resume: token });
		sub ??= client.sub(stream, [rid, false]);
	});
	client.on('ready', ({ subs }: { subs: string[] }) => subs.includes(sub?.subscriptionId) && isReady());
	client.on('changed', ({ collection, fields }: any) => collection === stream && take(fields.args[0]));
	return { ...rest, call, stop: () => void client.disconnect() };
}

export type SockjsTransport = 'websocket' | 'xhr-streaming' | 'xhr-polling' | 'eventsource';

/** Silence after which the client asks whether the server is there, and after which it gives a connection up, in ms. */
const pingAfterMs = 1_000;
const giveUpAfterMs = 3_000;

/**
 * npm `sockjs-client` on one transport, opened again when it closes, as Meteor's client does; a streaming transport does
 * not notice that its stream was cut, so there is a heartbeat, too.
 */
export function sockjsClient(transport: SockjsTransport): (target: LiveTarget) => LiveClient {
	return ({ port, token, rid }) => {
		const SockJS = require('sockjs-client');
		const { isReady, take, ...rest } = memory();
		const answers = new Map<string, (frame: any) => void>();
		let socket: any = null;
		let count = 0;
		let heardAt = performance.now();
		let isStopped = false;
		const send = (frame: object) => socket.send(JSON.stringify(frame));
		const call = (method: string, ...params: unknown[]) =>
			new Promise<any>((resolve, reject) => {
				const id = `${(count += 1)}`;
				answers.set(id, ({ error, result }) => (error === undefined ? resolve(result) : reject(error as Error)));
				send({ msg: 'method', id, method, params });
			});
		const onFrame = async (frame: any) => {
			heardAt = performance.now();
			if (frame.msg === 'ping') send({ msg: 'pong' });
			if (frame.msg === 'result') answers.get(frame.id)?.(frame);
			if (frame.msg === 'ready') isReady();
			if (frame.msg === 'changed' && frame.collection === stream) take(frame.fields.args[0]);
			if (frame.msg !== 'connected') return;
			await call('login', { resume: token });
			send({ msg: 'sub', id: `s${(count += 1)}`, name: stream, params: [rid, false] });
		};
		const open = () => {
			if (isStopped) return;
			const opened = new SockJS(`http://127.0.0.1:${port}/sockjs`, null, { transports: [transport] });
			socket = opened;
			heardAt = performance.now();
			opened.addEventListener('open', () => {
				if (opened.transport !== transport) throw new Error(`speaks ${opened.transport}, not ${transport}`);
				send({ msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] });
			});
			opened.addEventListener('message', ({ data }: { data: string }) => void onFrame(JSON.parse(data)));
			opened.addEventListener('close', () => {
				answers.clear();
				setTimeout(open, reconnectMs);
			});
		};
		open();
		const heartbeat = setInterval(() => {
			const silentMs = performance.now() - heardAt;
			if (socket.readyState !== SockJS.OPEN || silentMs < pingAfterMs) return;
			if (silentMs > giveUpAfterMs) socket.close();
			else send({ msg: 'ping' });
		}, pingAfterMs / 2);
		return {
			...rest,
			call,
			stop() {
				isStopped = true;
				clearInterval(heartbeat);
				socket.close();
			},
		};
	};
}
