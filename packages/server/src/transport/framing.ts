import { sockjsFrame } from '@rookery/protocol/server-frames.ts';
import type { OutFrame } from '../ddp/out-frame.ts';

export type Encoding = 'raw' | 'sockjs';

/**
 * The bytes of a frame on the wire: one unfragmented, unmasked WebSocket text frame. Made once per encoding.
 */
export function encodeFrame(frame: OutFrame, encoding: Encoding): Buffer {
	const present = frame.encoded[encoding];
	if (present !== undefined) return present;
	const made = encoding === 'raw' ? textFrame(frame.pieces) : textFrame([sockjsFrame(textOf(frame))]);
	frame.encoded[encoding] = made;
	return made;
}

function textOf(frame: OutFrame): string {
	return frame.pieces
		.map((piece) => (typeof piece === 'string' ? piece : Buffer.from(piece).toString('utf8')))
		.join('');
}

/** A WebSocket text frame (RFC 6455, 5.2) whose payload is these pieces in order. */
export function textFrame(pieces: readonly (string | Uint8Array)[]): Buffer {
	let length = 0;
	for (const piece of pieces) length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
	const headLength = length < 126 ? 2 : length < 65536 ? 4 : 10;
	const bytes = Buffer.allocUnsafe(headLength + length);
	bytes[0] = 0x81;
	if (headLength === 2) {
		bytes[1] = length;
	} else if (headLength === 4) {
		bytes[1] = 126;
		bytes.writeUInt16BE(length, 2);
	} else {
		bytes[1] = 127;
		bytes.writeBigUInt64BE(BigInt(length), 2);
	}
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
