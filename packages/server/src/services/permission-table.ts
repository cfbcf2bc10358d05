import type { Permission } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { PermissionRepository } from '../repositories/permissions.ts';
import { once, type AccessFacts, type Attempt } from './access-facts.ts';
import { recordTable } from './record-table.ts';

/** Which roles hold which permission, for one attempt at a decision. */
export type Grants = { has(permission: string, roles: readonly string[]): boolean };

type Deps = {
	permissions: PermissionRepository;
	facts: AccessFacts;
	bus: Bus;
	clock: Clock;
	leaseMs: number;
	proofAgeMs?: (() => number) | undefined;
};

/** Whoever has this role holds these permissions alone, whatever else he is. @see bus contract, 4.2 */
const restrictions: ReadonlyMap<string, ReadonlySet<string>> = new Map([
	['guest', new Set(['view-d-room', 'view-joined-room', 'view-p-room', 'start-discussion'])],
]);

/**
 * All permissions in memory. Used as they are while a change would have been heard and they were compared with the
 * database within the lease; else their fingerprint is compared first, and they are read anew when it differs.
 */
export async function permissionTable({ permissions, facts, bus, clock, leaseMs, proofAgeMs }: Deps) {
	const table = await recordTable({
		bus,
		key: 'all:permissions',
		record: 'permission',
		recordOf: (body) => body.permission,
		load: () => permissions.all(),
	});
	let comparedAt = Number.NEGATIVE_INFINITY;

	const grants: Grants = {
		has(permission, roles) {
			const holders = table.get(permission)?.roles;
			if (holders === undefined || !roles.some((role) => holders.includes(role))) return false;
			return roles.every((role) => restrictions.get(role)?.has(permission) ?? true);
		},
	};

	function isTrusted(): boolean {
		if (!table.isComplete) return false;
		return clock.monotonic() - comparedAt <= leaseMs || (proofAgeMs?.() ?? Number.POSITIVE_INFINITY) <= leaseMs;
	}

	async function compared(attempt: Attempt): Promise<Grants> {
		if (!attempt.isFresh && isTrusted()) {
			attempt.usedMemory = true;
			return grants;
		}
		const startedAt = clock.monotonic();
		const state = await facts.permissionState();
		if (state !== fingerprint(table.all())) await table.refresh();
		comparedAt = Math.max(comparedAt, startedAt);
		return grants;
	}

	return {
		grants: (attempt: Attempt) => once(attempt, 'grants', () => compared(attempt)),
		stop: () => table.stop(),
	};
}

export type PermissionTable = Awaited<ReturnType<typeof permissionTable>>;

/** The same text that the database makes of them: their number and the newest date. */
function fingerprint(permissions: Permission[]): string {
	const newest = permissions.reduce((last, { _updatedAt }) => Math.max(last, _updatedAt?.getTime() ?? 0), 0);
	return `${permissions.length} ${newest}`;
}
