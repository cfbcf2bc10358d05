import type { Socket } from 'node:net';
import { constants, inflateRawSync } from 'node:zlib';
import { type BenchFrame, ringSize } from './bench-frame.ts';
import { gate } from './gate.ts';
import type { RawClient } from './raw-client.ts';
import { wireFrames, wireReader } from './wire-reader.ts';

/**
 * The bytes of compressed frames. How many there are is the server's business: one turn of the ring tells.
 *
 * @param ring The frames it sends next, one turn of the ring.
 * @returns The bytes of the next frames, again and again.
 * @throws Error when clients receive different ones, or they say something else than they should
 */
export async function learnBytes(
	clients: RawClient[],
	orders: Socket,
	ring: BenchFrame[],
): Promise<(frames: number) => Buffer> {
	const heard = clients.map((): Buffer[] => []);
	let missing = clients.length;
	await gate((done) => {
		for (const [index, client] of clients.entries()) {
			const frames = heard[index] ?? [];
			client.onBytes = wireReader((_first, bytes, start, end) => {
				frames.push(wholeFrame(bytes, start, end));
				if (frames.length < ring.length) return;
				missing -= 1;
				if (missing === 0) done();
			});
		}
		orders.write(Buffer.of(ring.length));
	});
	const [learnt = []] = heard;
	const expected = Buffer.concat(learnt);
	const other = heard.findIndex((frames) => !Buffer.concat(frames).equals(expected));
	if (other >= 0) throw new Error(`client ${other} received other bytes than client 0`);
	for (const [at, frame] of learnt.entries()) {
		if (textOf(frame) !== ring[at]?.text) throw new Error(`frame ${at} says something else`);
	}
	let next = 0;
	const take = (): Buffer => learnt[next++ % ringSize] ?? Buffer.alloc(0);
	return (frames) => Buffer.concat(Array.from({ length: frames }, take));
}

function wholeFrame(bytes: Buffer, start: number, end: number): Buffer {
	return Buffer.from(bytes.subarray(start - headLength(end - start), end));
}

function headLength(payloadBytes: number): number {
	return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

/** The text of a frame, whether it is compressed (RFC 7692, 7.2.2) or not. */
function textOf(frame: Buffer): string {
	const short = (frame[1] ?? 0) & 0x7f;
	const payload = frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
	if (frame[0] !== wireFrames.compressed) return payload.toString('utf8');
	const stream = Buffer.concat([payload, Buffer.of(0, 0, 0xff, 0xff)]);
	return inflateRawSync(stream, { finishFlush: constants.Z_SYNC_FLUSH }).toString('utf8');
}
