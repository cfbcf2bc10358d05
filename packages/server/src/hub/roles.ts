import type { Publication } from '@rookery/protocol/events.ts';
import type { Role } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf, changedFields } from './fields.ts';

/** A role was made, changed or removed. Clients know two words for it. @see realtime contract 4.9 */
export function roleEvents(change: Change<Role>): Publication[] {
	const action = actionOf(change);
	if (action === null) return [];
	const stored = change.after ?? change.before;
	if (stored === null && action !== 'removed') return [];
	const fields = action === 'updated' ? changedFields(change) : null;
	if (fields !== null && fields.every((field) => field === '_updatedAt')) return [];
	const role: Role = stored ?? { _id: change.id, name: change.id, scope: 'Users', description: '', protected: false };
	const shown =
		action === 'removed' ? { type: 'removed', _id: role._id, name: role.name } : { type: 'changed', ...role };
	return [
		{
			key: 'all:roles',
			parts: [
				{ kind: 'record', record: 'role', action, body: { role } },
				{ kind: 'direct', stream: 'roles', event: 'roles', args: [shown] },
			],
		},
	];
}
