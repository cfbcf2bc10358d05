import type { Publication } from '@rookery/protocol/events.ts';
import type { RoomType, UserId } from '@rookery/protocol/records.ts';
import type { SettingsReader } from '../services/settings.ts';
import { nobody } from './read-rules.ts';
import {
	isBlocked,
	isWebrtcOn,
	readKeyRequest,
	readVideoConference,
	readWebrtc,
	toUser,
	type Signal,
} from './signals.ts';
import { stream, type Emit } from './stream.ts';

type Spec = {
	read(args: unknown[], from: UserId): Signal | null;
	isOn?(settings: SettingsReader, t: RoomType): boolean;
};

/** A signal of a member to all other members of a room, each of whom hears it as an event of his own. */
function toMembers(event: string, { read, isOn = () => true }: Spec): Emit {
	return {
		isThrottled: event !== 'webrtc',
		async publish({ actor, key: { rid }, args, services }): Promise<Publication[]> {
			if (actor === null || rid === undefined) return [];
			const found = read(args, actor.uid);
			if (found === null || found.from !== actor.uid || found.rid !== rid) return [];
			const { authorization, settings } = services;
			const peers = await authorization.peersInRoom(rid, actor.uid, event === 'e2ekeyRequest');
			if (peers === null || !isOn(settings, peers.t)) return [];
			if (await isBlocked(authorization, actor, rid, peers.t)) return [];
			return peers.uids.map((uid) => toUser(uid, event, found.args));
		},
	};
}

/**
 * `stream-notify-room-users`: nobody reads it; what a member says on it goes to the other members, as events of
 * `notify-user`.
 *
 * @see realtime contract 4.7
 */
export const notifyRoomUsers = stream('notify-room-users', {
	key: /^(?<rid>[^/]{1,128})\/(?<event>.{1,128})$/s,
	read: nobody,
	write: 'user',
	emits: {
		webrtc: toMembers('webrtc', { read: readWebrtc, isOn: isWebrtcOn }),
		e2ekeyRequest: toMembers('e2ekeyRequest', { read: readKeyRequest }),
		'video-conference': toMembers('video-conference', { read: readVideoConference }),
	},
	waitsForLogin: false,
});
