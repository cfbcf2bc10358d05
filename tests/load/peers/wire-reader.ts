/** Takes bytes as they come from a server behind the handshake. */
export type WireReader = (bytes: Buffer) => void;

/** Told of each whole frame: its first byte, and where its payload stands. The bytes are overwritten later. */
export type FrameSeen = (first: number, bytes: Buffer, start: number, end: number) => void;

/**
 * Finds the WebSocket frames in a stream of bytes. A server's frames are not masked; those of a bench are never
 * fragmented.
 */
export function wireReader(onFrame: FrameSeen): WireReader {
	let rest: Buffer | null = null;
	return (bytes) => {
		const data = rest === null ? bytes : Buffer.concat([rest, bytes]);
		let at = 0;
		for (;;) {
			const start = payloadStart(data, at);
			const end = start + payloadLength(data, at, start);
			// NaN while it cannot be told.
			if (!(end <= data.length)) break;
			onFrame(data[at] ?? 0, data, start, end);
			at = end;
		}
		rest = at < data.length ? Buffer.from(data.subarray(at)) : null;
	};
}

function payloadStart(data: Buffer, at: number): number {
	if (data.length < at + 2) return Number.NaN;
	const short = (data[at + 1] ?? 0) & 0x7f;
	const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
	return start <= data.length ? start : Number.NaN;
}

function payloadLength(data: Buffer, at: number, start: number): number {
	if (start === at + 10) return Number(data.readBigUInt64BE(at + 2));
	return start === at + 4 ? data.readUInt16BE(at + 2) : (data[at + 1] ?? 0) & 0x7f;
}

/** First bytes of whole frames. A compressed text has one bit more. */
export const wireFrames = { text: 0x81, compressed: 0xc1, close: 0x88 } as const;
