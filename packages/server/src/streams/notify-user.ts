import type { Publication } from '@rookery/protocol/events.ts';
import type { RoomType } from '@rookery/protocol/records.ts';
import { isWebrtcOn, readOtr, readVideoConference, readWebrtc, sharedRoom, toUser, type Signal } from './signals.ts';
import { stream, type Emit, type ReadRule } from './stream.ts';
import type { SettingsReader } from '../services/settings.ts';

/**
 * A signal to one user: in the sender's own name, to somebody he shares the room with.
 *
 * @param isOn Whether such signals are allowed in rooms of a type.
 */
function signal(
	event: string,
	read: (args: unknown[]) => Signal | null,
	isOn: (settings: SettingsReader, t: RoomType) => boolean,
): Emit {
	return {
		isThrottled: false,
		async publish({ actor, key: { uid }, args, services }): Promise<Publication[]> {
			const found = read(args);
			if (actor === null || uid === undefined || found === null || found.from !== actor.uid) return [];
			const t = await sharedRoom(services.authorization, actor, uid, found.rid);
			if (t === null || !isOn(services.settings, t)) return [];
			return [toUser(uid, event, found.args)];
		},
	};
}

/** The user himself. */
const himself: ReadRule = {
	access: 'user',
	permissions: [],
	settings: [],
	isOfRoom: false,
	mayRead: async ({ actor, key }) => actor !== null && key['uid'] === actor.uid,
};

/**
 * `stream-notify-user`: what concerns one user. Event = `<uid>/<event>`; only the user's own. `otr` may be read also while
 * it is off, and is silent then.
 *
 * @see realtime contract 4.6
 */
export const notifyUser = stream('notify-user', {
	key: /^(?<uid>[^/]{1,128})\/(?<event>.{1,128})$/s,
	read: himself,
	write: 'user',
	emits: {
		otr: signal('otr', readOtr, (settings, t) => t === 'd' && settings.flag('OTR_Enable')),
		webrtc: signal('webrtc', readWebrtc, isWebrtcOn),
		'video-conference': signal('video-conference', readVideoConference, () => true),
	},
	busKey: ({ key, actor }) => (actor === null || key['uid'] !== actor.uid ? null : `user:${actor.uid}`),
});
