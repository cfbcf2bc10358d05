import type { Room } from './records.ts';

/** Fields of a room that every member's client may be sent. @see realtime contract 4.6.2 */
export const publishedRoomFields = [
	'_id',
	'name',
	'fname',
	't',
	'cl',
	'u',
	'lm',
	'teamId',
	'teamMain',
	'topic',
	'announcement',
	'announcementDetails',
	'muted',
	'unmuted',
	'_updatedAt',
	'archived',
	'jitsiTimeout',
	'description',
	'default',
	'customFields',
	'lastMessage',
	'retention',
	'prid',
	'avatarETag',
	'usersCount',
	'msgs',
	'tags',
	'sms',
	'facebook',
	'code',
	'joinCodeRequired',
	'open',
	'label',
	'ro',
	'reactWhenReadOnly',
	'sysMes',
	'sentiment',
	'streamingOptions',
	'broadcast',
	'encrypted',
	'e2eKeyId',
	'livechatData',
	'priorityId',
	'v',
	'departmentId',
	'servedBy',
	'source',
	'transcriptRequest',
	'onHold',
	'metrics',
	'ts',
	'waitingResponse',
	'queuedAt',
	'federated',
	'usernames',
	'uids',
	'queue',
	'callDuration',
	'callTotalHoldTime',
	'callWaitingTime',
] as const;

/** What REST answers beside the published fields. @see REST endpoints 0.2 */
const restOnlyFields = [
	'featured',
	'favorite',
	'teamDefault',
	'closedAt',
	'closedBy',
	'closer',
	'usersWaitingForE2EKeys',
] as const;

/** Of a visitor: never his token, which is his key to the conversation. */
const visitorFields = ['_id', 'username', 'status', 'name', 'phone', 'lastMessageTs'] as const;

/** A room as clients see it: without `joinCode`, `rk`, a visitor's token and whatever else is not named above. */
export type PublishedRoom = Omit<Room, 'joinCode' | 'rk'>;

/**
 * The room as events and methods carry it: realtime contract 4.6.2. Unknown fields do not pass.
 * `usernames` and `uids` are those of direct rooms; other types' leftovers are not kept up to date and stay away.
 */
export function publishedRoom(room: Room): PublishedRoom {
	return view(room, publishedRoomFields);
}

/** The room as REST answers it: the published fields and those few that only REST has. */
export function restRoom(room: Room): PublishedRoom {
	return view(room, [...publishedRoomFields, ...restOnlyFields]);
}

function view(room: Room, fields: readonly string[]): PublishedRoom {
	const seen = pick(room, fields);
	if (room.v !== undefined) seen['v'] = pick(room.v, visitorFields);
	if (room.t !== 'd') {
		delete seen['usernames'];
		delete seen['uids'];
	}
	return seen as PublishedRoom;
}

function pick(source: object, fields: readonly string[]): Record<string, unknown> {
	const values = source as Record<string, unknown>;
	const picked: Record<string, unknown> = {};
	for (const field of fields) {
		if (values[field] !== undefined) picked[field] = values[field];
	}
	return picked;
}
