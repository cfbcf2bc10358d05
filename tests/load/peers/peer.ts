import type { BenchFrame } from './bench-frame.ts';

/** Ways to send one frame to many sockets. `ours` is the streamer itself. */
export type PeerName = 'ours' | 'ws' | 'floor' | 'shape' | 'socket.io';

export type PeerOptions = {
	/** How many clients may come. */
	clients: number;
	/** Whether frames are compressed. Default: they are not. */
	deflate?: boolean;
	/** How much of what was sent our streamer keeps for clients that come back, in bytes. Default: as in production. */
	maxRecentBytes?: number;
};

/** A server of a bench, in this process. */
export type Peer = {
	port: number;
	/** Sends these frames to every client, all handed over in this turn of the event loop. */
	send(frames: readonly BenchFrame[]): void;
	/** Codes with which the server itself has closed sockets so far. */
	closed?: readonly number[];
	close(): Promise<void>;
};
