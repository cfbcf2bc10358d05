import { stream } from './stream.ts';

/**
 * `stream-notify-user`: what concerns one user. Event = `<uid>/<event>`; only the user's own.
 *
 * @see realtime contract 4.6
 */
export const notifyUser = stream('notify-user', {
	access: 'user',
	key: /^(?<uid>[^/]{1,128})\/(?<event>.{1,128})$/s,
	busKey: ({ key, actor }) => (actor === null || key['uid'] !== actor.uid ? null : `user:${actor.uid}`),
	mayRead: async ({ actor, key }) => actor !== null && key['uid'] === actor.uid,
});
