import type { Publication } from '@rookery/protocol/events.ts';
import type { Change, StoredDocument } from '../repositories/watch-change.ts';
import { actionOf, changedFields, touches } from './fields.ts';

/** What a team decides about the rooms in it. */
export type Team = StoredDocument & { type?: number; roomId?: string };

const decidingFields: ReadonlySet<string> = new Set(['type']);

/**
 * A team became private or public, or is gone: who may read the rooms in it may have changed.
 *
 * @see realtime contract 4.1.4
 */
export function teamEvents(change: Change<Team>): Publication[] {
	const action = actionOf(change);
	if (action !== 'updated' && action !== 'removed') return [];
	if (action === 'updated' && !touches(changedFields(change), decidingFields)) return [];
	const rid = (change.after ?? change.before)?.roomId ?? '';
	return [{ key: 'all:permissions', parts: [{ kind: 'record', record: 'roomAccess', action, body: { rid } }] }];
}
