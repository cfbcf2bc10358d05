import assert from 'node:assert/strict';
import { actorOf, type StreamerRig } from './streamer.ts';
import { until, type Frame, type TestSocket } from './sockets.ts';

/** Token of Ana, whose sessions are lost and taken up again. */
export const anaToken = 'token-of-ana';

/** Token of somebody else, who may not read the room. */
export const eveToken = 'token-of-eve';

/** Ana may read the room `r`, and has logged in and subscribed to it. */
export async function anaIn(rig: StreamerRig): Promise<{ socket: TestSocket; session: string }> {
	rig.tokens.set(anaToken, actorOf('ana', anaToken));
	rig.tokens.set(eveToken, actorOf('eve', eveToken));
	rig.rights.rooms.set('r', new Set(['ana']));
	const socket = await rig.connect();
	const session = await socket.negotiate();
	await socket.call('login', { resume: anaToken });
	assert.equal(await socket.sub('room', 'stream-room-messages', 'r', false), 'ready');
	return { socket, session };
}

/**
 * What a client sends that comes back: it asks for its session, then logs in under the method id `again`.
 *
 * @param resume null: it does not log in.
 * @param between Frames it sends before that.
 */
export async function comeBack(
	rig: StreamerRig,
	session: string,
	resume: string | null = anaToken,
	between: object[] = [],
): Promise<{ socket: TestSocket; isResumed: boolean }> {
	const socket = await rig.connect();
	socket.send({ msg: 'connect', version: '1', support: ['1'], session });
	for (const frame of between) socket.send(frame);
	if (resume !== null) socket.send({ msg: 'method', id: 'again', method: 'login', params: [{ resume }] });
	const connected = await socket.next(({ msg }) => msg === 'connected');
	return { socket, isResumed: connected['session'] === session };
}

/** Cuts a client off and waits until its session, the only one, is without a socket. */
export async function lose(rig: StreamerRig, socket: TestSocket): Promise<void> {
	socket.terminate();
	await until(() => rig.ddp.stats().detached === 1);
}

let stored = 0;

/** Position of one more stored change. */
export function nextPosition(): { epoch: number; pos: string; prev: string } {
	stored += 1;
	return { epoch: 1, pos: String(stored).padStart(20, '0'), prev: '' };
}

/** A message is stored in a room. */
export function say(rig: StreamerRig, msg: string, rid = 'r'): void {
	const args = [{ _id: msg, msg }];
	rig.bus.publish(
		{ key: `room:${rid}`, parts: [{ kind: 'direct', stream: 'room-messages', event: rid, args }] },
		nextPosition(),
	);
}

/** Texts of the messages of room `r` that a client got, in order. */
export function messagesOf(socket: TestSocket): string[] {
	return socket.events('room-messages', 'r').map(([message]) => (message as { msg: string }).msg);
}

/** Whether a frame ends the call with this id. */
export function isUpdated(id: string): (frame: Frame) => boolean {
	return (frame) => frame.msg === 'updated' && (frame['methods'] as string[])[0] === id;
}
