import { createConnection, type Socket } from 'node:net';
import { handshake, textFrame } from '../client-frames.ts';
import type { ClientScript } from './client-script.ts';

/** A client that, once it is ready, does nothing with what it receives but hand it on. */
export type RawClient = {
	readonly socket: Socket;
	/** Takes the bytes that come. They are overwritten by the next ones. */
	onBytes: (bytes: Buffer) => void;
};

/** So many clients come from one address. */
const clientsPerAddress = 900;
const readyLimitMs = 60_000;

/** All clients of a process read into the same bytes: each looks at them before the next reads. */
const shared = Buffer.allocUnsafe(256 * 1024);

/**
 * Opens a client and follows its script to the end.
 *
 * @param index Of the client: decides the address it comes from, `127.0.0.2` and up.
 * @throws Error when the handshake is refused, the script gets no answer, or the connection ends
 */
export function openRawClient(port: number, index: number, script: ClientScript): Promise<RawClient> {
	return new Promise((resolve, reject) => {
		let heard = Buffer.alloc(0);
		let step = -1;
		const client: RawClient = { socket: connect(), onBytes: follow };
		const timer = setTimeout(() => fail(new Error(`client ${index} waits for ${wanted().join()}`)), readyLimitMs);

		function connect(): Socket {
			const localAddress = `127.0.0.${2 + Math.floor(index / clientsPerAddress)}`;
			const onread = {
				buffer: shared,
				callback(count: number, bytes: Uint8Array) {
					client.onBytes(Buffer.from(bytes.buffer, bytes.byteOffset, count));
					return true;
				},
			};
			const socket = createConnection({ host: '127.0.0.1', port, localAddress, noDelay: true, onread });
			socket.once('connect', () => socket.write(withExtensions(handshake(script.path, `127.0.0.1:${port}`), script)));
			return socket.on('error', fail).on('close', () => fail(new Error(`client ${index} was cut off`)));
		}

		function wanted(): string[] {
			return step < 0 ? ['HTTP/1.1 101', '\r\n\r\n'] : (script.steps[step]?.until ?? []);
		}

		function follow(bytes: Buffer): void {
			heard = Buffer.concat([heard, bytes]);
			if (!wanted().every((part) => heard.includes(part))) {
				if (heard.includes('"msg":"nosub"') || heard.includes('"error":')) fail(new Error(heard.toString('latin1')));
				return;
			}
			heard = heard.subarray(step < 0 ? heard.indexOf('\r\n\r\n') + 4 : heard.length);
			step += 1;
			const next = script.steps[step];
			if (next === undefined) return succeed();
			if (next.send !== null) client.socket.write(textFrame(next.send));
			if (heard.length > 0 && next.send === null) follow(Buffer.alloc(0));
		}

		function succeed(): void {
			clearTimeout(timer);
			client.onBytes = () => undefined;
			client.socket.off('error', fail).on('error', () => undefined);
			resolve(client);
		}

		function fail(error: Error): void {
			clearTimeout(timer);
			client.socket.destroy();
			reject(error);
		}
	});
}

function withExtensions(request: Buffer, { deflate }: ClientScript): Buffer {
	if (!deflate) return request;
	const text = request.toString('latin1');
	return Buffer.from(text.replace(/\r\n\r\n$/, '\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n'), 'latin1');
}
