import { benchRoom } from './bench-frame.ts';
import type { PeerName } from './peer.ts';

/** How a client of a peer gets ready to count: where it connects to, and what it says and waits for until then. */
export type ClientScript = {
	path: string;
	/** Whether it offers compression in its handshake. */
	deflate: boolean;
	/** Sends the text, then reads until the answer holds all of `until`. */
	steps: { send: string | null; until: string[] }[];
};

/** What a client of our own streamer logs in with. */
export function tokenOf(index: number): string {
	return `bench-token-of-user-${index}`;
}

/** The script of one client. @param index Of the client */
export function scriptOf(peer: PeerName, index: number, deflate: boolean): ClientScript {
	if (peer === 'ours') return oursScript(index, deflate);
	if (peer !== 'socket.io') return { path: '/', deflate, steps: [] };
	const steps = [
		{ send: null, until: ['0{', '}'] },
		{ send: '40', until: ['40{', '}'] },
	];
	return { path: '/socket.io/?EIO=4&transport=websocket', deflate, steps };
}

/** Logs in, subscribes, and asks for a pong: behind it nothing but events comes. */
function oursScript(index: number, deflate: boolean): ClientScript {
	const text = JSON.stringify;
	return {
		path: '/websocket',
		deflate,
		steps: [
			{ send: text({ msg: 'connect', version: '1', support: ['1'] }), until: ['"msg":"connected"'] },
			{
				send: text({ msg: 'method', id: 'login', method: 'login', params: [{ resume: tokenOf(index) }] }),
				until: ['"result":', '"msg":"updated"'],
			},
			{
				send: text({ msg: 'sub', id: 'room', name: 'stream-room-messages', params: [benchRoom, false] }),
				until: ['"msg":"ready","subs":["room"]'],
			},
			{ send: text({ msg: 'ping', id: 'settled' }), until: ['"msg":"pong","id":"settled"'] },
		],
	};
}
