import { memberAccess } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-room-data`, event = room id: the published room record on each change. @see realtime contract 4.10 */
export const roomData = stream('room-data', {
	key: /^(?<rid>[^/]{1,128})$/,
	read: memberAccess,
	write: 'nobody',
	busKey: ({ key }) => (key['rid'] === undefined ? null : `room:${key['rid']}`),
});
