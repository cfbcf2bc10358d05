import { stream } from './stream.ts';

/**
 * `stream-notify-room`: what happens in a room besides messages (typing, deletions). Event = `<rid>/<event>`; whoever has
 * access to the room may read all of them.
 *
 * @see realtime contract 4.5
 */
export const notifyRoom = stream('notify-room', {
	access: 'public',
	key: /^(?<rid>[^/]{1,128})\/(?<event>.{1,128})$/s,
	busKey: ({ key }) => (key['rid'] === undefined ? null : `room:${key['rid']}`),
	mayRead: async ({ actor, key, services }) =>
		key['rid'] !== undefined && services.authorization.canAccessRoom(key['rid'], actor?.uid ?? null),
});
