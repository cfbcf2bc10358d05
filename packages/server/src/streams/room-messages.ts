import { stream } from './stream.ts';

/** Event name of the stream of all rooms of a user: filtered per event by the streamer. */
export const myMessages = '__my_messages__';

/**
 * `stream-room-messages`: a room's messages, complete records. Event = room id: any text without a slash (ids hold dots
 * too: `rocket.cat`), or `__my_messages__`, which anybody may ask for and which stays silent before a login.
 *
 * @see realtime contract 4.2
 */
export const roomMessages = stream('room-messages', {
	access: 'public',
	key: /^(?<rid>[^/]{1,128})$/,
	busKey: ({ event, key }) => (event === myMessages || key['rid'] === undefined ? null : `room:${key['rid']}`),
	mayRead: async ({ actor, event, key, services }) => {
		if (event === myMessages) return true;
		if (key['rid'] === undefined) return false;
		return services.authorization.canReadRoom(key['rid'], actor?.uid ?? null);
	},
});
