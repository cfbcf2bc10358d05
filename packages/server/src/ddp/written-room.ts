/** Methods whose first parameter is the room. */
const byFirst = [
	'readMessages',
	'joinRoom',
	'leaveRoom',
	'hideRoom',
	'openRoom',
	'eraseRoom',
	'archiveRoom',
	'unarchiveRoom',
	'toggleFavorite',
	'saveRoomSettings',
	'saveNotificationSettings',
	'sendFileMessage',
	'addRoomModerator',
	'removeRoomModerator',
	'addRoomOwner',
	'removeRoomOwner',
	'addRoomLeader',
	'removeRoomLeader',
];

/** Methods whose first parameter is an object that names the room as `rid`. */
const byField = [
	'sendMessage',
	'updateMessage',
	'deleteMessage',
	'pinMessage',
	'unpinMessage',
	'starMessage',
	'addUsersToRoom',
	'removeUserFromRoom',
	'muteUserInRoom',
	'unmuteUserInRoom',
	'ignoreUser',
	'blockUser',
	'unblockUser',
];

/** What is said in a room, or to a user: stays behind what the same client said before. */
const emits = ['stream-notify-room', 'stream-notify-room-users', 'stream-notify-user'];

/** Methods that write to a room which their parameters do not name. */
const unnamed = ['setReaction', 'followMessage', 'unfollowMessage', 'readThreads', 'unreadMessages'];

const readers = new Map<string, (first: unknown) => unknown>([
	...byFirst.map((name) => [name, (first: unknown) => first] as const),
	...byField.map((name) => [name, (first: unknown) => field(first, 'rid')] as const),
	...emits.map((name) => [name, beforeSlash] as const),
	...unnamed.map((name) => [name, () => undefined] as const),
	['cleanRoomHistory', (first) => field(first, 'roomId')],
	['slashCommand', (first) => field(field(first, 'msg'), 'rid')],
]);

/**
 * The room a method writes to, as the client names it: writes of one connection to one room take effect in the order they
 * came.
 *
 * @returns null for a method that is not known to write; '*' when its room cannot be told from the parameters.
 * @see realtime contract 2.4
 */
export function writtenRoom(method: string, params: unknown[]): string | null {
	const read = readers.get(method);
	if (read === undefined) return null;
	const rid = read(params[0]);
	return typeof rid === 'string' && rid !== '' ? rid : '*';
}

function beforeSlash(event: unknown): unknown {
	return typeof event === 'string' ? event.split('/', 1)[0] : undefined;
}

function field(value: unknown, name: string): unknown {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
