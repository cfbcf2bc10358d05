import { holderOf } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-importers`, event `progress`: a running import. @see realtime contract 4.13 */
export const importers = stream('importers', { read: holderOf(['run-import']), write: 'nobody' });
