import { stream } from './stream.ts';

/**
 * `stream-notify-all`: public settings, custom sounds. Anybody may read, also without a login.
 *
 * @see realtime contract 4.3
 */
export const notifyAll = stream('notify-all', {
	access: 'public',
	busKey: () => 'all:public',
	mayRead: async () => true,
});
