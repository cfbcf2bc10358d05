import { stream } from './stream.ts';

/** `stream-room-data`, event = room id: the published room record on each change. @see realtime contract 4.10 */
export const roomData = stream('room-data', {
	access: 'user',
	key: /^(?<rid>[^/]{1,128})$/,
	busKey: ({ key }) => (key['rid'] === undefined ? null : `room:${key['rid']}`),
	mayRead: async ({ actor, key, services }) =>
		actor !== null && key['rid'] !== undefined && services.authorization.canAccessRoom(key['rid'], actor.uid),
});
