import type { Publication } from '@rookery/protocol/events.ts';
import type { Permission } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf, changedFields } from './fields.ts';

/**
 * The roles of a permission changed: for authorization, streamers and clients.
 *
 * @see realtime contract 4.4
 */
export function permissionEvents(change: Change<Permission>): Publication[] {
	const action = actionOf(change);
	if (action === null) return [];
	const stored = change.after ?? change.before;
	if (stored === null && action !== 'removed') return [];
	const fields = action === 'updated' ? changedFields(change) : null;
	if (fields !== null && fields.every((field) => field === '_updatedAt')) return [];
	const permission: Permission = stored ?? { _id: change.id, roles: [], _updatedAt: new Date(0) };
	const args = [action, permission];
	return [
		{
			key: 'all:permissions',
			parts: [
				{ kind: 'record', record: 'permission', action, body: { permission } },
				{ kind: 'direct', stream: 'notify-logged', event: 'permissions-changed', args },
			],
		},
	];
}
