import { anybody } from './read-rules.ts';
import { stream } from './stream.ts';

/**
 * `stream-notify-all`: public settings, custom sounds. Anybody may read, also without a login.
 *
 * @see realtime contract 4.3
 */
export const notifyAll = stream('notify-all', {
	read: anybody,
	write: 'nobody',
	spread: ['public-settings-changed', 'public-info'],
	busKey: () => 'all:public',
});
