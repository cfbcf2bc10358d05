import type { Publication } from '@rookery/protocol/events.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf } from './fields.ts';

/**
 * A way to log in was added, changed or removed. Its record holds secrets and does not travel: streamers read what
 * everybody may see of it.
 *
 * @see realtime contract 4.15.1
 */
export function loginServiceEvents(change: Change): Publication[] {
	const action = actionOf(change);
	if (action === null) return [];
	return [
		{ key: 'all:settings', parts: [{ kind: 'record', record: 'loginService', action, body: { _id: change.id } }] },
	];
}
