import { holderOf } from './read-rules.ts';
import { stream } from './stream.ts';

/** `stream-canned-responses`: prepared answers of agents. @see realtime contract 4.13 */
export const cannedResponses = stream('canned-responses', {
	read: holderOf(['view-canned-responses'], 'Canned_Responses_Enable'),
	write: 'nobody',
});
