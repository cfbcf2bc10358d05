import { roomVisitor } from './read-rules.ts';
import { stream } from './stream.ts';

/**
 * `stream-livechat-room`, event = room id: what a visitor learns of his conversation. For whoever proves the room's token,
 * now or before on the same connection.
 *
 * @see realtime contract 4.11
 */
export const livechatRoom = stream('livechat-room', {
	key: /^(?<rid>[^/]{1,128})$/,
	read: roomVisitor,
	write: 'nobody',
	busKey: ({ key }) => (key['rid'] === undefined ? null : `room:${key['rid']}`),
	waitsForLogin: false,
});
