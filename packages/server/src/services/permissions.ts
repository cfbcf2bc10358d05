import type { Permission, Role } from '@rookery/protocol/records.ts';
import type { PermissionRepository } from '../repositories/permissions.ts';
import type { RoleRepository } from '../repositories/roles.ts';

/** Stored permissions and roles, as clients list them. Decisions are `authorization`'s. */
export type PermissionsService = {
	/** All permissions in a stable order. */
	list(): Promise<Permission[]>;
	/** Changed after a date (10 s overlap) and removed since. */
	since(since: Date): Promise<{ update: Permission[]; remove: { _id: string; _deletedAt: Date }[] }>;
	roles(): Promise<Role[]>;
};

type Deps = {
	permissions: Pick<PermissionRepository, 'all' | 'changedSince' | 'removedSince'>;
	roles: Pick<RoleRepository, 'all'>;
};

/** Answers of a sync repeat what changed shortly before the date asked for: commits may be late, clocks differ. */
const syncOverlapMs = 10_000;

/**
 * Permissions and roles as clients list and sync them. Runs in: core.
 *
 * @see realtime contract 3.5; REST endpoints 10 and 11
 */
export function permissionsService({ permissions, roles }: Deps): PermissionsService {
	return {
		list: () => permissions.all(),
		roles: () => roles.all(),

		async since(since) {
			const from = new Date(since.getTime() - syncOverlapMs);
			const [update, removed] = await Promise.all([permissions.changedSince(from), permissions.removedSince(from)]);
			return { update, remove: removed.map(({ _id, _deletedAt }) => ({ _id, _deletedAt })) };
		},
	};
}
