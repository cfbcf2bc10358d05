import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { BenchRoom, BenchUser } from './workspace.ts';

/** Clients that read rooms live and parse as little as they can. */
export type Readers = {
	count: number;
	/** Hears of every message frame, with the number that stands behind `bench-` in it. */
	onMessage: (listener: (number: number, at: number) => void) => void;
	/** Frames and bytes received so far. */
	received(): { frames: number; bytes: number };
	close(): void;
};

/** Logins under way at a time. */
const atOnce = 50;
const stepTimeoutMs = 60_000;

/**
 * Opens a socket for each user, logs in, and subscribes to the room and to the user's own streams.
 *
 * @param addresses Of the streamers, taken in turn.
 */
export async function openReaders(addresses: string[], members: { user: BenchUser; rid: string }[]): Promise<Readers> {
	const listeners: ((number: number, at: number) => void)[] = [];
	const totals = { frames: 0, bytes: 0 };
	const sockets: WebSocket[] = [];
	const onData = (socket: WebSocket, data: Buffer): void => {
		const at = performance.now();
		totals.frames += 1;
		totals.bytes += data.length;
		if (data.includes('"msg":"ping"')) return socket.send('{"msg":"pong"}');
		if (!data.includes('"stream-room-messages"') || !data.includes('"changed"')) return undefined;
		const start = data.indexOf('bench-');
		if (start < 0) return undefined;
		const number = Number.parseInt(data.toString('latin1', start + 6, start + 16), 10);
		for (const listener of listeners) listener(number, at);
	};
	for (let at = 0; at < members.length; at += atOnce) {
		const batch = members.slice(at, at + atOnce).map(({ user, rid }, index) => {
			const address = addresses[(at + index) % addresses.length] ?? '';
			return openReader(`${address.replace('http', 'ws')}/websocket`, user, rid, onData);
		});
		sockets.push(...(await Promise.all(batch)));
	}
	return {
		count: sockets.length,
		onMessage: (listener) => listeners.push(listener),
		received: () => ({ ...totals }),
		close() {
			for (const socket of sockets) socket.terminate();
		},
	};
}

async function openReader(
	socketUrl: string,
	user: BenchUser,
	rid: string,
	onData: (socket: WebSocket, data: Buffer) => void,
): Promise<WebSocket> {
	const socket = new WebSocket(socketUrl);
	const signal = AbortSignal.timeout(stepTimeoutMs);
	await once(socket, 'open', { signal });
	const frames = [
		{ msg: 'connect', version: '1', support: ['1'] },
		{ msg: 'method', id: 'login', method: 'login', params: [{ resume: user.token }] },
	];
	const loggedIn = heard(socket, (text) => text.includes('"id":"login"') && text.includes('"result"'), signal);
	for (const frame of frames) socket.send(JSON.stringify(frame));
	const answer = await loggedIn;
	if (!answer.includes(user._id)) throw new Error(`login of ${user.username}: ${answer}`);
	const subscriptions = [
		['stream-room-messages', rid],
		['stream-notify-user', `${user._id}/rooms-changed`],
		['stream-notify-user', `${user._id}/subscriptions-changed`],
	];
	for (const [index, [name, event]] of subscriptions.entries()) {
		const ready = heard(socket, (text) => text.includes(`"ready"`) && text.includes(`"s${index}"`), signal);
		socket.send(JSON.stringify({ msg: 'sub', id: `s${index}`, name, params: [event, false] }));
		await ready;
	}
	socket.on('message', (data: Buffer) => onData(socket, data));
	return socket;
}

/** The first text that fits. */
function heard(socket: WebSocket, fits: (text: string) => boolean, signal: AbortSignal): Promise<string> {
	return new Promise((resolve, reject) => {
		const finish = (act: () => void): void => {
			socket.off('message', listen);
			socket.off('close', closed);
			signal.removeEventListener('abort', late);
			act();
		};
		const listen = (data: Buffer): void => {
			const text = data.toString('utf8');
			if (text.includes('"msg":"nosub"')) finish(() => reject(new Error(`subscription refused: ${text}`)));
			else if (fits(text)) finish(() => resolve(text));
		};
		const closed = (code: number): void => finish(() => reject(new Error(`socket closed with ${code}`)));
		const late = (): void => finish(() => reject(new Error('no answer on a socket')));
		socket.on('message', listen);
		socket.on('close', closed);
		signal.addEventListener('abort', late);
	});
}

/** Sockets for the members of rooms but the author, each with its room open. */
export function readersOf(addresses: string[], rooms: BenchRoom[], author: BenchUser): Promise<Readers> {
	const members = rooms.flatMap(({ _id: rid, members }) => members.map((user) => ({ user, rid })));
	return openReaders(
		addresses,
		members.filter(({ user }) => user._id !== author._id),
	);
}

/** Whole numbers from `first` on. */
export function indices(first: number, count: number): number[] {
	return Array.from({ length: count }, (_, index) => first + index);
}
