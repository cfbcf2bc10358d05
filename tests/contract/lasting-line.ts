import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';

export type Frame = Record<string, any>;

/** One connection of a client that comes back: DDP frames in and out, whatever is around them. */
export type Line = {
	/** Sends frames one after the other. */
	send(...frames: Frame[]): void;
	/** Ends the connection without a word, as a lost network does that both sides notice. */
	cut(): void;
	/** Stops reading and is gone for the client; the server notices nothing yet. It ends for good later. */
	abandon(): void;
	/** With the code of the close frame; 1006 when there was none. */
	closed: Promise<number>;
};

type Options = {
	port: number;
	transport: 'websocket' | 'sockjs';
	/** Source address on the loopback. */
	localAddress?: string | undefined;
	onFrame(frame: Frame): void;
};

const handshakeLimitMs = 10_000;
/** How long a server is left with a connection that its client has given up. */
const abandonedMs = 3_000;

/** Opens a connection. @throws Error when nobody listens or the handshake is refused */
export async function openLine({ port, transport, localAddress, onFrame }: Options): Promise<Line> {
	const path = transport === 'websocket' ? 'websocket' : `sockjs/123/${randomBytes(6).toString('hex')}/websocket`;
	const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, {
		handshakeTimeout: handshakeLimitMs,
		perMessageDeflate: false,
		...(localAddress === undefined ? {} : { localAddress }),
	});
	let tell: (code: number) => void = () => undefined;
	const closed = new Promise<number>((resolve) => {
		tell = resolve;
	});
	let isOver = false;
	let isAbandoned = false;
	socket.on('close', (code) => {
		isOver = true;
		tell(code);
	});
	socket.on('message', (data: Buffer) => {
		if (isOver) return;
		for (const text of textsOf(data.toString('utf8'), transport)) onFrame(JSON.parse(text) as Frame);
	});
	await new Promise<void>((resolve, reject) => {
		socket.once('open', () => resolve());
		socket.on('error', reject);
	});
	return {
		send(...frames) {
			if (isOver) return;
			for (const frame of frames) {
				const text = JSON.stringify(frame);
				socket.send(transport === 'websocket' ? text : JSON.stringify([text]));
			}
		},
		cut() {
			if (isAbandoned) return;
			isOver = true;
			socket.terminate();
		},
		abandon() {
			isOver = true;
			isAbandoned = true;
			socket.pause();
			setTimeout(() => socket.terminate(), abandonedMs).unref();
			tell(1006);
		},
		closed,
	};
}

/** DDP messages of one WebSocket message. */
function textsOf(message: string, transport: Options['transport']): string[] {
	if (transport === 'websocket') return [message];
	return message.startsWith('a') ? (JSON.parse(message.slice(1)) as string[]) : [];
}
