import { nobody } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-local`: internal to servers of the original; nobody reads it. @see realtime contract 4.13 */
export const local = stream('local', { read: nobody, write: 'nobody', waitsForLogin: false });
