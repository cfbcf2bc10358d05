import { holderOf } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-stdout`: lines of the server's log. Accepted, never emitted. @see realtime contract 4.13 */
export const stdout = stream('stdout', { read: holderOf(['view-logs']), write: 'nobody' });
