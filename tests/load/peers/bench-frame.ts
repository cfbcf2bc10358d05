import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { eventHead, eventTail } from '@rookery/protocol/server-frames.ts';
import { textFrame } from '../../../packages/server/src/transport/framing.ts';

/** The room all clients of a bench read. */
export const benchRoom = 'GENERALbenchroom1';

/**
 * One event as it leaves a server: its arguments, the text of its DDP frame, and that text as one WebSocket frame. The
 * latter two are made when somebody asks.
 */
export type BenchFrame = { readonly args: unknown[]; readonly text: string; readonly framed: Buffer };

const numberDigits = 8;
const timeDigits = 16;
const sentAt = new Date(1_700_000_000_000);

/**
 * A message whose DDP frame is exactly so long, with a number and a time at fixed places in it.
 *
 * @param frameBytes Length of the text of the frame, at least 420 for the fields that every message has.
 * @param sentUs Monotonic time in microseconds.
 * @throws Error for a frame that is too short
 */
export function benchFrame(number: number, frameBytes: number, sentUs = 0): BenchFrame {
	const args = [messageOf(number, frameBytes, sentUs)];
	let text: string | null = null;
	let framed: Buffer | null = null;
	return {
		args,
		get text() {
			return (text ??= textOf(args));
		},
		get framed() {
			return (framed ??= textFrame([this.text]));
		},
	};
}

/** Different frames, made in advance: what it costs to make one is not what is measured. */
export const ringSize = 16;

/** Hands out frames in turn, the same ones again and again in every process. @returns The next `count` of them */
export function frameRing(frameBytes: number): (count: number) => BenchFrame[] {
	const ring = Array.from({ length: ringSize }, (_, number) => benchFrame(number, frameBytes));
	let next = 0;
	return (count) => Array.from({ length: count }, () => ring[next++ % ringSize]).filter((frame) => frame !== undefined);
}

function messageOf(number: number, frameBytes: number, sentUs = 0): Record<string, unknown> {
	const marks = `${String(number).padStart(numberDigits, '0')} ${String(Math.round(sentUs)).padStart(timeDigits, '0')} `;
	return message(marks, paddingOf(frameBytes));
}

/** Where number and time stand in the text of a frame. */
export function markOffsets(frameBytes: number): { number: number; time: number } {
	const at = benchFrame(0, frameBytes).text.indexOf(`"msg":"${'0'.repeat(numberDigits)} `) + '"msg":"'.length;
	return { number: at, time: at + numberDigits + 1 };
}

/** Reads digits at a place of a frame, without making a text of them. @param digits 8 for the number, 16 for the time. */
export function digitsAt(bytes: Uint8Array, offset: number, digits: number): number {
	let value = 0;
	for (let index = offset; index < offset + digits; index++) value = value * 10 + ((bytes[index] ?? 48) - 48);
	return value;
}

function message(marks: string, padding: string): Record<string, unknown> {
	return {
		_id: 'QxYz7T1kWmPq3bench',
		rid: benchRoom,
		msg: marks + padding,
		ts: sentAt,
		u: { _id: 'rocketbenchuser01', username: 'bench.author', name: 'Author of the bench' },
		_updatedAt: sentAt,
		urls: [],
		mentions: [],
		channels: [],
	};
}

const paddings = new Map<number, string>();

function paddingOf(frameBytes: number): string {
	let padding = paddings.get(frameBytes);
	if (padding === undefined) {
		const marks = '0'.repeat(numberDigits + timeDigits + 2);
		const missing = frameBytes - textOf([message(marks, '')]).length;
		if (missing < 0) throw new Error(`a frame of ${frameBytes} bytes is too short for a message`);
		padding = words.repeat(Math.ceil(missing / words.length)).slice(0, missing);
		paddings.set(frameBytes, padding);
	}
	return padding;
}

const words = 'the quick brown fox jumps over the lazy dog, then has a look at what the others have written; ';

function textOf(args: unknown[]): string {
	return eventHead('room-messages', benchRoom) + stringifyEjson(args) + eventTail;
}
