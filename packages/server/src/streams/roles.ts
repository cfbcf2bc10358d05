import { loggedIn } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-roles`, event `roles`: role records as they change. @see realtime contract 4.9 */
export const roles = stream('roles', { read: loggedIn, write: 'nobody', busKey: () => 'all:roles' });
