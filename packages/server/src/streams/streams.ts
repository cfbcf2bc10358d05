import { apps, appsEngine, importers, integrationHistory, local, stdout } from './administration.ts';
import { cannedResponses, livechatInquiryQueue, livechatRoom } from './livechat.ts';
import { notifyAll } from './notify-all.ts';
import { notifyLogged } from './notify-logged.ts';
import { notifyRoomUsers } from './notify-room-users.ts';
import { notifyRoom } from './notify-room.ts';
import { notifyUser } from './notify-user.ts';
import { roles } from './roles.ts';
import { roomData } from './room-data.ts';
import { roomMessages } from './room-messages.ts';
import type { Stream } from './stream.ts';
import { userPresence } from './user-presence.ts';

/** Every stream a client may name, by its name without `stream-`. A stream that is not here does not exist. */
export const streams: ReadonlyMap<string, Stream> = new Map(
	[
		roomMessages,
		notifyUser,
		notifyAll,
		notifyLogged,
		notifyRoom,
		notifyRoomUsers,
		userPresence,
		roles,
		roomData,
		livechatRoom,
		livechatInquiryQueue,
		cannedResponses,
		integrationHistory,
		importers,
		stdout,
		apps,
		appsEngine,
		local,
	].map((entry) => [entry.name, entry]),
);
