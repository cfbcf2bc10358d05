import { WebSocket } from 'ws';
import { choices, fuzzMessages, type Choices, type FuzzMessage } from './fuzz-frames.ts';

export type FuzzTarget = {
	port: number;
	/** A token that logs in. */
	newToken(): string;
	/** Called after the server answered a batch. */
	afterBatch(): void;
};

export type FuzzResult = {
	sent: number;
	received: number;
	sockets: number;
	/** How often the server closed a socket, by code. */
	closes: Record<number, number>;
};

type Lane = { isSockjs: boolean; isLoggedIn: boolean };

const lanes: readonly Lane[] = [
	{ isSockjs: false, isLoggedIn: false },
	{ isSockjs: false, isLoggedIn: true },
	{ isSockjs: true, isLoggedIn: false },
	{ isSockjs: true, isLoggedIn: true },
];

const batchSize = 25;
const batchesPerSocket = 40;
/** Within this time a batch has to be answered, in ms. */
const patienceMs = 30_000;

/** Codes with which the server may end a socket that sends anything. @see realtime contract 1.8 */
const fairCodes = new Set([1000, 1002, 1003, 1007, 1009, 1013, 4001]);

/**
 * Sends generated messages on fresh and logged-in sockets, raw and SockJS, four at a time, each batch answered before the
 * next.
 *
 * @param seed The same seed sends the same messages on each socket.
 * @throws Error naming the seed and the last messages when the server stops answering, sends what is no frame, or closes
 * with a code that says something else.
 */
export async function fuzz(
	target: FuzzTarget,
	{ seed, messages, onBatch }: { seed: number; messages: number; onBatch?: (sent: number) => void },
): Promise<FuzzResult> {
	const result: FuzzResult = { sent: 0, received: 0, sockets: 0, closes: {} };
	await Promise.all(
		lanes.map(async (lane, index) => {
			const pick = choices(seed * lanes.length + index);
			const next = fuzzMessages(pick);
			const share = Math.ceil(messages / lanes.length);
			for (let sent = 0; sent < share;) {
				const batches = Math.min(batchesPerSocket, Math.ceil((share - sent) / batchSize));
				sent += await fuzzSocket({ target, lane, pick, next, batches, result, seed, onBatch });
			}
		}),
	);
	return result;
}

type SocketRun = {
	target: FuzzTarget;
	lane: Lane;
	pick: Choices;
	next: () => FuzzMessage;
	batches: number;
	result: FuzzResult;
	seed: number;
	onBatch: ((sent: number) => void) | undefined;
};

/** One socket from its opening to its end. @returns How many messages it was sent. */
async function fuzzSocket({ target, lane, pick, next, batches, result, seed, onBatch }: SocketRun): Promise<number> {
	const socket = await openFuzzSocket(target.port, lane.isSockjs, seed);
	result.sockets += 1;
	if (lane.isLoggedIn || pick.chance(0.8)) socket.send('{"msg":"connect","version":"1","support":["1"]}');
	if (lane.isLoggedIn) {
		const params = [{ resume: target.newToken() }];
		socket.send(JSON.stringify({ msg: 'method', id: 'login', method: 'login', params }));
	}
	let sent = 0;
	for (let batch = 0; batch < batches && socket.isOpen(); batch += 1) {
		for (let count = 0; count < batchSize; count += 1) socket.sendMessage(next());
		sent += batchSize;
		result.sent += batchSize;
		await socket.answered();
		target.afterBatch();
		onBatch?.(result.sent);
	}
	const code = await socket.end(pick.chance(0.5));
	result.received += socket.received();
	if (code !== null) result.closes[code] = (result.closes[code] ?? 0) + 1;
	return sent;
}

async function openFuzzSocket(port: number, isSockjs: boolean, seed: number) {
	const path = isSockjs ? '/sockjs/000/fuzzfuzz/websocket' : '/websocket';
	const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
	const last: string[] = [];
	let received = 0;
	let marks = 0;
	let waitedFor: string | null = null;
	let hasFailed = false;
	let isEnding = false;
	let problem: string | null = null;
	let wake = (): void => undefined;
	socket.on('message', (data: Buffer) => {
		const text = data.toString();
		received += 1;
		problem ??= problemOf(text, isSockjs);
		hasFailed ||= text.includes('failed');
		if (waitedFor !== null && text.includes(waitedFor)) wake();
	});
	// What the server sends is no WebSocket frame.
	socket.on('error', (error) => (problem ??= error.message));
	const closed = new Promise<number>((resolve) => {
		socket.once('close', (code) => {
			resolve(code);
			wake();
		});
	});
	await new Promise<void>((resolve, reject) => {
		socket.once('open', resolve);
		socket.once('error', reject);
	});
	const isOpen = (): boolean => socket.readyState === WebSocket.OPEN;

	function write(data: string | Buffer): void {
		if (!isOpen()) return;
		last.push(data.toString());
		if (last.length > batchSize) last.shift();
		socket.send(data, { binary: false });
	}

	function check(): void {
		if (problem !== null) throw new Error(`seed ${seed}: ${problem}; before:\n${last.join('\n')}`);
	}

	const send = (text: string): void => write(isSockjs ? JSON.stringify([text]) : text);
	return {
		isOpen,
		send,
		received: () => received,
		sendMessage({ text, isFramed }: FuzzMessage): void {
			if (Buffer.isBuffer(text)) return write(text);
			if (!isFramed) return send(text);
			if (isSockjs) write(text);
		},
		/** Resolves when everything before was answered, or the server has closed the socket. */
		async answered(): Promise<void> {
			waitedFor = `answered-${(marks += 1)}`;
			const done = new Promise<void>((resolve) => (wake = resolve));
			const timer = setTimeout(() => {
				problem ??= 'no answer';
				wake();
			}, patienceMs);
			send(JSON.stringify({ msg: 'ping', id: waitedFor }));
			if (isOpen()) await done;
			clearTimeout(timer);
			check();
		},
		/** Ends the socket. @returns The code with which the server had closed it, or null. */
		async end(isRude: boolean): Promise<number | null> {
			isEnding = isOpen();
			if (isRude) socket.terminate();
			else socket.close(1000);
			const code = await closed;
			check();
			if (isEnding) return null;
			if (!fairCodes.has(code) || (code === 1000 && !hasFailed)) {
				throw new Error(`seed ${seed}: closed with ${code} after:\n${last.join('\n')}`);
			}
			return code;
		},
	};
}

/** What is wrong with a message of the server; null: nothing. */
function problemOf(message: string, isSockjs: boolean): string | null {
	try {
		if (!isSockjs) {
			JSON.parse(message);
			return null;
		}
		if (message === 'o' || message === 'h') return null;
		const content = JSON.parse(message.slice(1)) as unknown[];
		if (message.startsWith('a')) for (const text of content) JSON.parse(String(text));
		else if (!message.startsWith('c')) return `an unknown SockJS frame: ${message.slice(0, 100)}`;
		return null;
	} catch {
		return `no JSON: ${message.slice(0, 300)}`;
	}
}
