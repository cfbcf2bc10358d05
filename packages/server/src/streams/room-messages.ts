import { anybody, roomReading } from './read-rules.ts';
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
	key: /^(?!__my_messages__$)(?<rid>[^/]{1,128})$/,
	read: roomReading,
	events: { [myMessages]: anybody },
	write: 'nobody',
	busKey: ({ key }) => (key['rid'] === undefined ? null : `room:${key['rid']}`),
});
