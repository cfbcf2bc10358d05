import { createHash, randomBytes } from 'node:crypto';

/** What a light client of the benches knows of the WebSocket protocol: whole text frames, and control frames to answer. */

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** The request that opens a WebSocket, as bytes. */
export function handshake(path: string, host: string): Buffer {
	return Buffer.from(
		`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
			`User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n` +
			`Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
	);
}

/** One masked text frame. The mask is random, as the protocol asks for. */
export function textFrame(text: string): Buffer {
	return maskedFrame(opcodes.text, Buffer.from(text));
}

/** The answer to a WebSocket ping. */
export function pongFrame(payload: Buffer): Buffer {
	return maskedFrame(opcodes.pong, payload);
}

function maskedFrame(opcode: number, payload: Buffer): Buffer {
	const { length } = payload;
	const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
	const frame = Buffer.allocUnsafe(2 + extra + 4 + length);
	frame[0] = 0x80 | opcode;
	frame[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
	if (extra === 2) frame.writeUInt16BE(length, 2);
	if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
	const mask = randomBytes(4);
	mask.copy(frame, 2 + extra);
	for (let index = 0; index < length; index++) {
		frame[6 + extra + index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0);
	}
	return frame;
}

/** What was heard on a socket: texts as bytes, so that nobody parses what need not be parsed. */
export type FrameReader = {
	/**
	 * Takes bytes as they come.
	 *
	 * @throws Error when the handshake is refused
	 */
	take(chunk: Buffer): void;
};

export type FrameListener = {
	onOpen(): void;
	onText(text: Buffer): void;
	onPing(payload: Buffer): void;
	onClose(code: number, reason: string): void;
};

/** Reads the answer to the handshake, then frames. Keeps only what is not whole yet. */
export function frameReader({ onOpen, onText, onPing, onClose }: FrameListener): FrameReader {
	let rest: Buffer | null = null;
	let isOpen = false;

	/** @returns How many bytes were used; 0: it is not whole yet. */
	function open(data: Buffer): number {
		const end = data.indexOf('\r\n\r\n');
		if (end < 0) return 0;
		const head = data.toString('latin1', 0, end);
		if (!head.startsWith('HTTP/1.1 101')) throw new Error(`handshake refused: ${head.split('\r\n')[0]}`);
		isOpen = true;
		onOpen();
		return end + 4;
	}

	function frame(data: Buffer): number {
		if (data.length < 2) return 0;
		const short = (data[1] ?? 0) & 0x7f;
		const head = short < 126 ? 2 : short === 126 ? 4 : 10;
		if (data.length < head) return 0;
		const length = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
		if (data.length < head + length) return 0;
		const payload = data.subarray(head, head + length);
		const opcode = (data[0] ?? 0) & 0x0f;
		if (opcode === opcodes.text) onText(payload);
		else if (opcode === opcodes.ping) onPing(payload);
		else if (opcode === opcodes.close)
			onClose(length < 2 ? 1005 : payload.readUInt16BE(0), payload.toString('utf8', 2));
		return head + length;
	}

	return {
		take(chunk) {
			let data = rest === null ? chunk : Buffer.concat([rest, chunk]);
			rest = null;
			while (data.length > 0) {
				const used = isOpen ? frame(data) : open(data);
				if (used === 0) break;
				data = data.subarray(used);
			}
			// A copy: a slice would keep the whole chunk alive.
			if (data.length > 0) rest = Buffer.from(data);
		},
	};
}

/** Ids as Meteor's client makes them: 17 characters. The same number always gives the same id. */
export function clientId(number: number): string {
	return createHash('sha1').update(String(number)).digest('base64url').replaceAll(/[-_]/g, 'x').slice(0, 17);
}
