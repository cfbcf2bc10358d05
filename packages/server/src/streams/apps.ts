import { loggedIn } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-apps`: life of installed apps. @see realtime contract 4.13 */
export const apps = stream('apps', { read: loggedIn, write: 'nobody' });
