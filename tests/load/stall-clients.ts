import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { textFrame } from './client-frames.ts';
import { digitsAt, markOffsets } from './peers/bench-frame.ts';
import { scriptOf } from './peers/client-script.ts';
import type { PeerName } from './peers/peer.ts';
import { openRawClient, type RawClient } from './peers/raw-client.ts';
import { wireFrames, wireReader } from './peers/wire-reader.ts';

/**
 * The readers of the stall bench in a process of their own: each checks that the numbers in its frames follow each other
 * and how old a frame is, but one, which stops reading when it is told to.
 */

export type StallOrder =
	| { do: 'open'; peer: PeerName; port: number; orders: number; count: number; frameBytes: number }
	/** @param waitFor Whose frames have to be there before the next ones are ordered: all, or those before the one that stops. */
	| { do: 'run'; frames: number; burst: number; waitFor: 'all' | 'front'; stall: boolean }
	/** The server has closed the reader that has stopped: it reads on. Has no answer. */
	| { do: 'release' };

export type StallReport = { done: 'open' } | ({ done: 'run' } & StallRun) | { failed: string };

/** What became of one run. */
export type StallRun = {
	/** Frames of all readers but the one that has stopped. */
	expected: number;
	received: number;
	/** The same of the readers that came after it. */
	expectedBehind: number;
	receivedBehind: number;
	outOfOrder: number;
	p50Us: number;
	p99Us: number;
	/** null: nobody had stopped. */
	stalled: { received: number; closedWith: number | null; isBack: boolean } | null;
};

type Reader = {
	client: RawClient;
	next: number;
	received: number;
	isStalled: boolean;
	closedWith: number | null;
};

type Crowd = {
	readers: Reader[];
	orders: Socket;
	connect(index: number): Promise<RawClient>;
	/** Numbers of frames ordered so far. */
	ordered: number;
	marks: ReturnType<typeof markOffsets>;
};

/** How long a turn may take. */
const turnLimitMs = 30_000;
/** How long frames may take when nobody orders more: who has nothing new for so long gets nothing more. */
const settleMs = 2_000;
/** How long a reader that was closed may take to read the end of it. */
const endLimitMs = 20_000;

let crowd: Crowd | null = null;
let released: () => void = () => undefined;
let latencies = new Float32Array(0);
let timed = 0;
let outOfOrder = 0;
let onProgress: () => void = () => undefined;

process.on('message', (order: StallOrder) => {
	if (order.do === 'release') return released();
	const answer = (report: StallReport): void => void process.send?.(report);
	const failed = (error: unknown) => answer({ failed: error instanceof Error ? error.message : String(error) });
	if (order.do === 'open') return void open(order).then(() => answer({ done: 'open' }), failed);
	if (crowd === null) return failed('no reader is open');
	return void run(crowd, order).then((found) => answer({ done: 'run', ...found }), failed);
});
process.on('disconnect', () => process.exit(0));

/** One after the other: the order in which they subscribe is that of their numbers. */
async function open({ peer, port, orders, count, frameBytes }: StallOrder & { do: 'open' }): Promise<void> {
	const connect = (index: number) => openRawClient(port, index, scriptOf(peer, index, false));
	const link = createConnection({ host: '127.0.0.1', port: orders, noDelay: true });
	await once(link, 'connect');
	const opened: Crowd = { readers: [], orders: link, connect, ordered: 0, marks: markOffsets(frameBytes) };
	for (let index = 0; index < count; index++) {
		const reader = { next: 0, received: 0, isStalled: false, closedWith: null };
		opened.readers.push(listen(opened, { ...reader, client: await connect(index) }));
	}
	crowd = opened;
}

function listen({ marks }: Crowd, reader: Reader): Reader {
	let nowUs = 0;
	const read = wireReader((first, bytes, start, end) => {
		if (first === wireFrames.close) {
			reader.closedWith = end - start < 2 ? 1005 : bytes.readUInt16BE(start);
			return void reader.client.socket.destroy();
		}
		if (first !== wireFrames.text) return undefined;
		if (end - start < 200) return answerPing(reader, bytes.toString('utf8', start, end));
		const number = digitsAt(bytes, start + marks.number, 8);
		if (number !== reader.next && !reader.isStalled) outOfOrder += 1;
		reader.next = number + 1;
		reader.received += 1;
		if (!reader.isStalled && timed < latencies.length) {
			latencies[timed++] = nowUs - digitsAt(bytes, start + marks.time, 16);
		}
		return onProgress();
	});
	reader.client.onBytes = (bytes) => {
		nowUs = Number(process.hrtime.bigint() / 1000n);
		read(bytes);
	};
	return reader;
}

function answerPing({ client }: Reader, text: string): void {
	const { msg, id } = JSON.parse(text) as { msg?: string; id?: string };
	if (msg === 'ping') client.socket.write(textFrame(JSON.stringify({ msg: 'pong', id })));
}

async function run(crowd: Crowd, { frames, burst, waitFor, stall }: StallOrder & { do: 'run' }): Promise<StallRun> {
	const { readers } = crowd;
	const stalledAt = Math.floor(readers.length / 2);
	const stalled = stall ? readers[stalledAt] : undefined;
	const healthy = readers.filter((reader) => reader !== stalled);
	const behind = stall ? readers.slice(stalledAt + 1) : [];
	const waitedFor = waitFor === 'all' ? healthy : readers.slice(0, stalledAt);
	latencies = new Float32Array(healthy.length * frames);
	timed = outOfOrder = 0;
	for (const reader of readers) Object.assign(reader, { next: crowd.ordered, received: 0, closedWith: null });
	const end = stalled === undefined ? null : stopReading(stalled);
	for (let sent = 0; sent < frames; sent += burst) {
		order(crowd, burst);
		if ((await missing(waitedFor, crowd.ordered, turnLimitMs)) > 0) throw new Error('a turn took too long');
	}
	await settled(healthy, crowd.ordered);
	const sum = (of: Reader[]): number => of.reduce((total, reader) => total + reader.received, 0);
	const found = {
		expected: healthy.length * frames,
		received: sum(healthy),
		expectedBehind: behind.length * frames,
		receivedBehind: sum(behind),
		outOfOrder,
		...times(),
	};
	if (stalled === undefined || end === null) return { ...found, stalled: null };
	// Of the model nobody is closed.
	const isClosed = waitFor === 'all' && (await end());
	const { received, closedWith } = stalled;
	return {
		...found,
		stalled: { received, closedWith, isBack: isClosed && (await comeBack(crowd, stalled, stalledAt)) },
	};
}

function times(): { p50Us: number; p99Us: number } {
	const sorted = latencies.subarray(0, timed).toSorted();
	const at = (share: number): number => sorted[Math.floor((timed - 1) * share)] ?? Number.NaN;
	return { p50Us: at(0.5), p99Us: at(0.99) };
}

function order(crowd: Crowd, frames: number): void {
	crowd.ordered += frames;
	crowd.orders.write(Buffer.of(frames));
}

/** Waits until all have everything up to a number. @returns How many have not, when the time is over */
function missing(readers: Reader[], number: number, limitMs: number): Promise<number> {
	return new Promise((resolve) => {
		const count = () => readers.reduce((sum, { next }) => sum + (next < number ? 1 : 0), 0);
		let left = count();
		const finish = (): void => {
			clearTimeout(timer);
			onProgress = () => undefined;
			resolve(count());
		};
		const timer = setTimeout(finish, limitMs);
		// Counted anew only when everybody may have it.
		let heard = 0;
		onProgress = () => {
			heard += 1;
			if (heard < left) return;
			left = count();
			heard = 0;
			if (left === 0) finish();
		};
		if (left === 0) finish();
	});
}

/** Waits until all have everything, or nobody gets anything any more. */
async function settled(readers: Reader[], number: number): Promise<void> {
	const sum = (): number => readers.reduce((total, { received }) => total + received, 0);
	for (let before = -1; before !== sum();) {
		before = sum();
		if ((await missing(readers, number, settleMs)) === 0) return;
	}
}

/** Stops a reader. @returns Waits until it was released and has read to the end; false when it never was */
function stopReading(reader: Reader): () => Promise<boolean> {
	const { socket } = reader.client;
	reader.isStalled = true;
	socket.pause();
	const isReleased = new Promise<void>((resolve) => {
		released = resolve;
	});
	const ended = isReleased.then(async () => {
		const closed = once(socket, 'close');
		socket.resume();
		await closed;
		return true;
	});
	return async () => {
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<boolean>((resolve) => {
			timer = setTimeout(() => resolve(false), endLimitMs);
		});
		const isEnded = await Promise.race([ended, late]);
		clearTimeout(timer);
		return isEnded;
	};
}

/** Connects again. @returns Whether the reader gets frames like everybody else */
async function comeBack(crowd: Crowd, reader: Reader, index: number): Promise<boolean> {
	const client = await crowd.connect(index);
	listen(crowd, Object.assign(reader, { client, next: crowd.ordered, isStalled: false }));
	order(crowd, 1);
	return (await missing(crowd.readers, crowd.ordered, settleMs)) === 0;
}
