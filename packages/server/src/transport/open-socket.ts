import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { sockjsCloseFrame } from '@rookery/protocol/server-frames.ts';
import type { OutFrame } from '../ddp/out-frame.ts';
import type { ClientSocket, SendKind, SocketAcceptor, SocketHandlers, SocketInfo } from '../ddp/socket.ts';
import { encodeFrame, textFrame, type Encoding } from './framing.ts';
import { Outbox, type OutboxRules } from './outbox.ts';
import { readSockjsMessage } from './sockjs-message.ts';

/** A WebSocket that knows whose it is: its listeners are shared by all sockets. */
export class Wire extends WebSocket {
	owner: OpenSocket | null = null;
}

/** What all sockets of a server have in common. */
type Shared = {
	rules: OutboxRules;
	/** Those that are open. */
	open: Set<OpenSocket>;
};

type Opening = { wire: Wire; socket: Socket; encoding: Encoding; info: SocketInfo; shared: Shared };

/**
 * One client's WebSocket. Frames are written to the TCP socket as they are, so `ws` itself writes only whole control
 * frames, between ours.
 */
export class OpenSocket extends Outbox implements ClientSocket {
	private readonly encoding: Encoding;
	private isShut = false;
	private handlers: SocketHandlers | null = null;
	private readonly wire: Wire;
	private readonly shared: Shared;
	readonly info: SocketInfo;

	constructor({ wire, socket, encoding, info, shared }: Opening) {
		super(socket, shared.rules);
		this.info = info;
		this.shared = shared;
		this.wire = wire;
		this.encoding = encoding;
		wire.owner = this;
		wire.on('message', onMessage);
		wire.on('error', onError);
		wire.on('close', onClose);
	}

	/** Introduces the socket to the DDP side. */
	open(acceptor: SocketAcceptor): void {
		this.shared.open.add(this);
		if (this.isSockjs) this.push(opening, 'own');
		this.handlers = acceptor.accept(this);
	}

	get bufferedBytes(): number {
		return this.pendingBytes;
	}

	send(frame: OutFrame, kind: SendKind): void {
		if (!this.isShut) this.push(encodeFrame(frame, this.encoding), kind);
	}

	close(code: number, reason: string): void {
		if (this.isShut) return;
		this.isShut = true;
		if (this.isSockjs) this.push(textFrame([sockjsCloseFrame(code, reason)]), 'own');
		this.drain();
		this.wire.close(code, reason);
		this.end(code);
	}

	setMaxMessageBytes(bytes: number): void {
		setMaxPayload(this.wire, bytes);
	}

	/** The reader does not keep up: there is no room for a word of farewell. */
	protected override onOverflow(): void {
		if (this.isShut) return;
		this.isShut = true;
		this.wire.close(4429, 'SLOW_CONSUMER');
		this.end(4429);
	}

	/** Cuts the connection. */
	terminate(): void {
		this.wire.terminate();
	}

	/** A message of the client. */
	hear(data: Buffer | ArrayBuffer | Buffer[], isBinary: boolean): void {
		if (isBinary) return this.close(1003, 'UNSUPPORTED_DATA');
		const text = textOf(data);
		if (!this.isSockjs) return this.handlers?.onText(text);
		const texts = readSockjsMessage(text);
		if (typeof texts === 'string') return this.close(1007, 'UNSUPPORTED_DATA');
		for (const one of texts) this.handlers?.onText(one);
	}

	/** A broken frame: `ws` closes with the right code by itself (1002, 1007, 1009). */
	stopWriting(): void {
		this.stop();
	}

	/** The connection is closed. */
	closed(code: number): void {
		this.isShut = true;
		this.shared.open.delete(this);
		this.end(code);
	}

	private get isSockjs(): boolean {
		return this.encoding === 'sockjs' || this.encoding === 'sockjsDeflated';
	}

	/** Tells the DDP side at once: a peer that is gone may take seconds to be closed. */
	private end(code: number): void {
		this.stop();
		const told = this.handlers;
		this.handlers = null;
		told?.onClose(code);
	}
}

const opening = textFrame(['o']);

function onMessage(this: WebSocket, data: Buffer | ArrayBuffer | Buffer[], isBinary: boolean): void {
	if (this instanceof Wire) this.owner?.hear(data, isBinary);
}

function onError(this: WebSocket): void {
	if (this instanceof Wire) this.owner?.stopWriting();
}

function onClose(this: WebSocket, code: number): void {
	if (this instanceof Wire) this.owner?.closed(code);
}

function textOf(data: Buffer | ArrayBuffer | Buffer[]): string {
	if (Buffer.isBuffer(data)) return data.toString('utf8');
	return Array.isArray(data) ? Buffer.concat(data).toString('utf8') : Buffer.from(data).toString('utf8');
}

/** What `ws` keeps its limits in. */
type Limited = { _maxPayload?: unknown };

/**
 * Changes the largest message of an open socket. `ws` fixes it at the handshake for all sockets of a server, but ours
 * depends on whether the client has logged in; the receiver reads its field for each message, and so does decompression.
 */
function setMaxPayload(wire: WebSocket, bytes: number): void {
	const { _receiver: receiver, _extensions: extensions } = wire as unknown as {
		_receiver?: Limited | null;
		_extensions: Record<string, Limited>;
	};
	if (receiver === null || receiver === undefined) return;
	for (const limited of [receiver, ...Object.values(extensions)]) {
		if (typeof limited._maxPayload !== 'number')
			throw new Error('this version of ws keeps its message limit elsewhere');
		limited._maxPayload = bytes;
	}
}
