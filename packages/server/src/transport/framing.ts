import { constants, deflateRawSync } from 'node:zlib';
import { sockjsFrame } from '@rookery/protocol/server-frames.ts';
import type { OutFrame } from '../ddp/out-frame.ts';

/** The forms a frame takes on WebSockets. `...Deflated`: for sockets that negotiated permessage-deflate. */
export type Encoding = keyof OutFrame['encoded'];

/** The bytes of a frame on the wire: one unfragmented, unmasked WebSocket text frame. Made once per encoding. */
export function encodeFrame(frame: OutFrame, encoding: Encoding): Buffer {
	const present = frame.encoded[encoding];
	if (present !== undefined) return present;
	const made = makeFrame(frame, encoding);
	frame.encoded[encoding] = made;
	return made;
}

function makeFrame(frame: OutFrame, encoding: Encoding): Buffer {
	if (encoding === 'raw') return textFrame(frame.pieces);
	if (encoding === 'sockjs') return textFrame([sockjsFrame(textOf(frame))]);
	return deflated(encodeFrame(frame, encoding === 'rawDeflated' ? 'raw' : 'sockjs'));
}

function textOf(frame: OutFrame): string {
	return frame.pieces
		.map((piece) => (typeof piece === 'string' ? piece : Buffer.from(piece).toString('utf8')))
		.join('');
}

const text = 0x81;
/** A text whose payload is compressed: the bit RSV1 is set. */
const deflatedText = 0xc1;

/** A WebSocket text frame (RFC 6455, 5.2) whose payload is these pieces in order. */
export function textFrame(pieces: readonly (string | Uint8Array)[]): Buffer {
	let length = 0;
	for (const piece of pieces) length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
	const headLength = headLengthOf(length);
	const bytes = Buffer.allocUnsafe(headLength + length);
	writeHead(bytes, text, length);
	let offset = headLength;
	for (const piece of pieces) {
		if (typeof piece === 'string') {
			offset += bytes.write(piece, offset, 'utf8');
		} else {
			bytes.set(piece, offset);
			offset += piece.length;
		}
	}
	return bytes;
}

/** What a frame of `textFrame` carries. Shares its memory. */
export function payloadOf(frame: Buffer): Buffer {
	const short = frame[1] ?? 0;
	return frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
}

/** Below this a payload is not compressed: the head of a new stream eats most of the gain. */
const minDeflateBytes = 1024;

/** Above this a payload is not compressed: everybody else would wait for more than a millisecond. */
const maxDeflateBytes = 128 * 1024;

/**
 * A frame as it goes to sockets that negotiated compression. Every message is a stream of its own (no context takeover),
 * so one compressed frame serves all of them: 30 to 40 us of CPU once per frame of a few KiB, and not per socket.
 *
 * @see RFC 7692, 7.2.1
 */
function deflated(plain: Buffer): Buffer {
	const payload = payloadOf(plain);
	if (payload.length < minDeflateBytes || payload.length > maxDeflateBytes) return plain;
	const stream = deflateRawSync(payload, { level: 1, finishFlush: constants.Z_SYNC_FLUSH });
	// What a sync flush ends with, 00 00 FF FF, is not sent.
	const length = stream.length - 4;
	if (length >= payload.length) return plain;
	const headLength = headLengthOf(length);
	const bytes = Buffer.allocUnsafe(headLength + length);
	writeHead(bytes, deflatedText, length);
	stream.copy(bytes, headLength, 0, length);
	return bytes;
}

function headLengthOf(length: number): 2 | 4 | 10 {
	return length < 126 ? 2 : length < 65536 ? 4 : 10;
}

function writeHead(bytes: Buffer, first: number, length: number): void {
	bytes[0] = first;
	if (length < 126) {
		bytes[1] = length;
	} else if (length < 65536) {
		bytes[1] = 126;
		bytes.writeUInt16BE(length, 2);
	} else {
		bytes[1] = 127;
		bytes.writeBigUInt64BE(BigInt(length), 2);
	}
}
