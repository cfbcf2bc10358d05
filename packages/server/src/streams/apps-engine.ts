import { nobody } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-apps-engine`: internal to servers of the original; nobody reads it. @see realtime contract 4.13 */
export const appsEngine = stream('apps-engine', { read: nobody, write: 'nobody', waitsForLogin: false });
