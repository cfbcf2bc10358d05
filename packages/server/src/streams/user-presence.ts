import { stream } from './stream.ts';

/**
 * `stream-user-presence`: status of the users a connection watches. The watch set is kept by the session, because each
 * `sub` frame changes it instead of adding a subscription.
 *
 * @see realtime contract 4.8
 */
export const userPresence = stream('user-presence', {
	key: /^.*$/s,
	read: {
		access: 'public',
		permissions: [],
		settings: ['Accounts_AllowAnonymousRead'],
		isOfRoom: false,
		mayRead: async ({ actor, services }) => actor !== null || services.settings.flag('Accounts_AllowAnonymousRead'),
	},
	write: 'nobody',
	busKey: () => 'all:presence',
});
