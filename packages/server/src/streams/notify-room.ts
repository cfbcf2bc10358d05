import type { Publication } from '@rookery/protocol/events.ts';
import { typing, userActivity } from './activity.ts';
import { isVisitor, roomAccess } from './read-rules.ts';
import { isWebrtcOn, readRoomCall } from './signals.ts';
import { stream, type Emit, type EmitRequest } from './stream.ts';

/** State of a call, from whoever may read it, while calls of that kind are on. */
const webrtc: Emit = { isThrottled: false, publish: (request) => tellCall(request, readRoomCall(request.args)) };

/** What the widget of a visitor says when it declines. Told as the `webrtc` event that clients know. */
const call: Emit = {
	isThrottled: false,
	publish: async (request) =>
		request.args[0] === 'decline' ? tellCall(request, ['callStatus', { callStatus: 'declined' }]) : [],
};

async function tellCall(request: EmitRequest, args: unknown[] | null): Promise<Publication[]> {
	const { rid } = request.key;
	const { authorization, settings } = request.services;
	if (rid === undefined || args === null) return [];
	const room = await authorization.membersAmong(rid, []);
	if (room === null || !isWebrtcOn(settings, room.t) || !(await mayTell(request, rid))) return [];
	return [{ key: `room:${rid}`, parts: [{ kind: 'direct', stream: 'notify-room', event: `${rid}/webrtc`, args }] }];
}

/** The condition of reading; a visitor has proved himself before. */
async function mayTell(request: EmitRequest, rid: string): Promise<boolean> {
	if (await isVisitor({ ...request, event: '', extra: {} })) return true;
	return request.actor !== null && request.services.authorization.canAccessRoom(rid, request.actor.uid);
}

/**
 * `stream-notify-room`: what happens in a room besides messages (typing, deletions). Event = `<rid>/<event>`; whoever has
 * access to the room may read all of them.
 *
 * @see realtime contract 4.5
 */
export const notifyRoom = stream('notify-room', {
	key: /^(?<rid>[^/]{1,128})\/(?<event>.{1,128})$/s,
	read: roomAccess,
	write: 'visitor',
	emits: { 'user-activity': userActivity, typing, webrtc, call },
	busKey: ({ key }) => (key['rid'] === undefined ? null : `room:${key['rid']}`),
});
