import { holderOf } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-integrationHistory`, event = integration id: log of an outgoing webhook. @see realtime contract 4.13 */
export const integrationHistory = stream('integrationHistory', {
	read: holderOf(['manage-outgoing-integrations']),
	write: 'nobody',
});
