import type { Permission, Role } from '@rookery/protocol/records.ts';

/** Stored permissions and roles, as clients list them. Decisions are `authorization`'s. */
export type PermissionsService = {
	/** All permissions in a stable order. */
	list(): Promise<Permission[]>;
	/** Changed after a date (10 s overlap) and removed since. */
	since(since: Date): Promise<{ update: Permission[]; remove: { _id: string; _deletedAt: Date }[] }>;
	roles(): Promise<Role[]>;
};
