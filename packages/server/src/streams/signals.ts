import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { Publication } from '@rookery/protocol/events.ts';
import type { RoomType, UserId } from '@rookery/protocol/records.ts';
import { z } from 'zod';
import type { Actor, AuthorizationApi } from '../services/contracts.ts';
import type { SettingsReader } from '../services/settings.ts';

/** Descriptions of media run to some kilobytes; more is none. */
const maxSignalBytes = 64 * 1024;

const id = z.string().min(1).max(128);

const otr = z.tuple([
	z.enum(['handshake', 'acknowledge', 'deny', 'end']),
	z.object({ roomId: id, userId: id, publicKey: z.string().optional(), refresh: z.boolean().optional() }),
]);

const webrtc = z.tuple([
	z.enum(['call', 'join', 'candidate', 'description']),
	z.object({
		from: id,
		to: id.optional(),
		room: id,
		media: z.unknown().optional(),
		monitor: z.boolean().optional(),
		candidate: z.unknown().optional(),
		description: z.unknown().optional(),
	}),
]);

const videoConference = z.tuple([
	z.object({ action: z.string().min(1).max(64), params: z.object({ callId: id, uid: id, rid: id }) }),
]);

const keyRequest = z.tuple([id, id]);

const roomCall = z.tuple([
	z.enum(['status', 'callStatus', 'getDeviceType', 'deviceType', 'cameraStatus']),
	z.record(z.string().max(64), z.unknown()).optional(),
]);

/** Whom a signal comes from, and in which room; `args` hold what the contract names and nothing else. */
export type Signal = { from: UserId; rid: string; args: unknown[] };

/** `otr(type, {roomId, userId, publicKey?, refresh?})`. null: it is none. @see realtime contract 4.6 */
export function readOtr(args: unknown[]): Signal | null {
	const found = read(otr, args, 2);
	return found === null ? null : { from: found[1].userId, rid: found[1].roomId, args: found };
}

/** `webrtc(type, {from, room, ...})`. null: it is none. @see realtime contract 4.6 */
export function readWebrtc(args: unknown[]): Signal | null {
	const found = read(webrtc, args, 2);
	return found === null ? null : { from: found[1].from, rid: found[1].room, args: found };
}

/** `video-conference({action, params: {callId, uid, rid}})`. null: it is none. @see realtime contract 4.6 */
export function readVideoConference(args: unknown[]): Signal | null {
	const found = read(videoConference, args, 1);
	return found === null ? null : { from: found[0].params.uid, rid: found[0].params.rid, args: found };
}

/** `e2ekeyRequest(rid, keyId)`. null: it is none. @see realtime contract 4.7 */
export function readKeyRequest(args: unknown[], from: UserId): Signal | null {
	const found = read(keyRequest, args, 2);
	return found === null ? null : { from, rid: found[0], args: found };
}

/** `<rid>/webrtc(type, data)`: state of a call in a room. null: it is none. @see realtime contract 4.5 */
export function readRoomCall(args: unknown[]): unknown[] | null {
	return read(roomCall, args, 2);
}

function read<S extends z.ZodType<unknown[]>>(shape: S, args: unknown[], length: number): z.infer<S> | null {
	const found = shape.safeParse(args.slice(0, length));
	if (!found.success) return null;
	return Buffer.byteLength(stringifyEjson(found.data)) <= maxSignalBytes ? found.data : null;
}

const webrtcSettings: Record<RoomType, string | null> = {
	c: 'WebRTC_Enable_Channel',
	p: 'WebRTC_Enable_Private',
	d: 'WebRTC_Enable_Direct',
	l: 'WebRTC_Enabled',
	v: null,
};

/** Whether calls by WebRTC are on in rooms of a type. */
export function isWebrtcOn(settings: SettingsReader, t: RoomType): boolean {
	const name = webrtcSettings[t];
	return name !== null && settings.flag(name);
}

/**
 * The type of a room that both are members of; null when they are not, or when one has blocked the other.
 *
 * @param uid Whom the signal is for.
 */
export async function sharedRoom(
	authorization: AuthorizationApi,
	actor: Actor,
	uid: UserId,
	rid: string,
): Promise<RoomType | null> {
	if (uid === actor.uid) return null;
	const found = await authorization.membersAmong(rid, [actor.uid, uid]);
	if (found?.uids.length !== 2) return null;
	return (await isBlocked(authorization, actor, rid, found.t)) ? null : found.t;
}

/** Blocking is between two people: nothing of the one reaches the other. */
export async function isBlocked(
	authorization: AuthorizationApi,
	{ uid }: Actor,
	rid: string,
	t: RoomType,
): Promise<boolean> {
	return t === 'd' && !(await authorization.canWriteRoom(rid, uid));
}

/** An event of `notify-user` for one user. */
export function toUser(uid: UserId, event: string, args: unknown[]): Publication {
	const part = { kind: 'direct', stream: 'notify-user', event: `${uid}/${event}`, args } as const;
	return { key: `user:${uid}`, parts: [part] };
}
