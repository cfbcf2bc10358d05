import type { StreamName } from '@rookery/protocol/events.ts';
import { appsEngine } from './apps-engine.ts';
import { apps } from './apps.ts';
import { cannedResponses } from './canned-responses.ts';
import { importers } from './importers.ts';
import { integrationHistory } from './integration-history.ts';
import { livechatInquiryQueue } from './livechat-inquiry-queue.ts';
import { livechatRoom } from './livechat-room.ts';
import { local } from './local.ts';
import { notifyAll } from './notify-all.ts';
import { notifyLogged } from './notify-logged.ts';
import { notifyRoomUsers } from './notify-room-users.ts';
import { notifyRoom } from './notify-room.ts';
import { notifyUser } from './notify-user.ts';
import { roles } from './roles.ts';
import { roomData } from './room-data.ts';
import { roomMessages } from './room-messages.ts';
import { stdout } from './stdout.ts';
import type { Stream } from './stream.ts';
import { userPresence } from './user-presence.ts';

const declared: Record<StreamName, Stream> = {
	'room-messages': roomMessages,
	'notify-user': notifyUser,
	'notify-all': notifyAll,
	'notify-logged': notifyLogged,
	'notify-room': notifyRoom,
	'notify-room-users': notifyRoomUsers,
	'user-presence': userPresence,
	roles,
	'room-data': roomData,
	'livechat-room': livechatRoom,
	'livechat-inquiry-queue-observer': livechatInquiryQueue,
	'canned-responses': cannedResponses,
	integrationHistory,
	importers,
	stdout,
	apps,
	'apps-engine': appsEngine,
	local,
};

/** Every stream a client may name, by its name without `stream-`. A stream that is not here does not exist. */
export const streams: ReadonlyMap<string, Stream> = new Map(Object.entries(declared));
