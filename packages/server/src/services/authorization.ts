import type { RoomId, UserId } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { AccessFactRepository, MembershipFact, RoomFact, UserFact } from '../repositories/access-facts.ts';
import type { PermissionRepository } from '../repositories/permissions.ts';
import { accessCache } from './access-cache.ts';
import { accessFacts, newAttempt, type AccessFacts, type Attempt } from './access-facts.ts';
import type { AuthorizationApi, RoomQuestion } from './contracts.ts';
import { permissionTable, type Grants, type PermissionTable } from './permission-table.ts';
import { roomQuestions } from './room-questions.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	facts: AccessFactRepository;
	permissions: PermissionRepository;
	settings: SettingsReader;
	bus: Bus;
	clock: Clock;
	/** Age in ms of the newest proof that all changes have been heard. Without it facts are used for 1 s after their read. */
	proofAgeMs?: () => number;
};

/** How long a lost right may still be granted. @see security contract, SEC-AZ-7 */
const leaseMs = 1_000;

/** A discussion is in a room, never in a discussion; longer chains only come from broken data. */
const maxParents = 3;

/** Rooms or users decided at the same time of one question about many. */
const decisionsAtOnce = 500;

/** Who asks: a user who exists and is active, or nobody in particular. */
type Caller = { uid: UserId; user: UserFact } | 'anonymous';

/**
 * Answers whether a user may do something somewhere. Runs in: authorization.
 *
 * A grant may rest on facts read up to a second ago, as long as no change of them was heard; a refusal never does: it is
 * always read. So who just got a right has it at once, and who lost it loses it within a second.
 *
 * @see bus contract 4.2; REST contract 0.3; security contract SEC-AZ-7
 */
export async function authorizationService(deps: Deps): Promise<{ api: AuthorizationApi; stop(): void }> {
	const { settings, bus, clock, proofAgeMs } = deps;
	const cache = await accessCache({ bus, clock, leaseMs, proofAgeMs });
	const facts = accessFacts({ repository: deps.facts, cache });
	const { permissions } = deps;
	const table = await permissionTable({ permissions, facts, bus, clock, leaseMs, proofAgeMs });
	const rules = accessRules({ facts, table, settings });

	/** A grant stands; a refusal that rests on memory is looked at again. */
	async function decide(rule: (attempt: Attempt) => Promise<boolean>): Promise<boolean> {
		const attempt = newAttempt(false);
		if (await rule(attempt)) return true;
		return attempt.usedMemory && rule(newAttempt(true));
	}

	const api: AuthorizationApi = {
		has: (uid, permission, rid) => decide((attempt) => rules.holds('every', uid, [permission], rid, attempt)),
		hasAny: (uid, permissionIds, rid) => decide((attempt) => rules.holds('some', uid, permissionIds, rid, attempt)),
		hasAll: (uid, permissionIds, rid) => decide((attempt) => rules.holds('every', uid, permissionIds, rid, attempt)),
		canAccessRoom: (rid, uid) => decide((attempt) => rules.mayAccess(rid, uid, attempt)),
		canReadRoom: (rid, uid) => decide((attempt) => rules.mayRead(rid, uid, attempt)),
		async readableRooms(rids, uid) {
			const readable: RoomId[] = [];
			for (let start = 0; start < rids.length; start += decisionsAtOnce) {
				const some = rids.slice(start, start + decisionsAtOnce);
				const answers = await Promise.all(some.map((rid) => api.canReadRoom(rid, uid)));
				readable.push(...some.filter((_, index) => answers[index]));
			}
			return readable;
		},
		async usersWithAccess(rid, uids) {
			const allowed: UserId[] = [];
			for (let start = 0; start < uids.length; start += decisionsAtOnce) {
				const some = uids.slice(start, start + decisionsAtOnce);
				const answers = await Promise.all(some.map((uid) => api.canAccessRoom(rid, uid)));
				allowed.push(...some.filter((_, index) => answers[index]));
			}
			return allowed;
		},
		async roomRights(questions) {
			const answers: boolean[] = [];
			for (let start = 0; start < questions.length; start += decisionsAtOnce) {
				const some = questions.slice(start, start + decisionsAtOnce);
				answers.push(...(await Promise.all(some.map((question) => roomRight(api, question)))));
			}
			return answers;
		},
		canWriteRoom: (rid, uid) => decide((attempt) => rules.mayWrite(rid, uid, attempt)),
		...roomQuestions({ facts, reads: deps.facts }),
	};

	return {
		api,
		stop(): void {
			cache.stop();
			table.stop();
		},
	};
}

function roomRight(api: AuthorizationApi, { rid, uid, right }: RoomQuestion): Promise<boolean> {
	if (right === 'access') return api.canAccessRoom(rid, uid);
	if (right === 'read') return api.canReadRoom(rid, uid);
	return uid === null ? Promise.resolve(false) : api.canWriteRoom(rid, uid);
}

type RuleDeps = { facts: AccessFacts; table: PermissionTable; settings: SettingsReader };

/** The rules themselves. Each answers one attempt at a decision. */
function accessRules({ facts, table, settings }: RuleDeps) {
	const isAnonymousReadAllowed = (): boolean => settings.flag('Accounts_AllowAnonymousRead');

	/** null: nobody who could have rights. */
	async function callerOf(uid: UserId | null, attempt: Attempt): Promise<Caller | null> {
		if (uid === null || uid === '') return isAnonymousReadAllowed() ? 'anonymous' : null;
		const user = await facts.user(uid, attempt);
		return user?.active === true ? { uid, user } : null;
	}

	function membershipOf(rid: RoomId | undefined, uid: UserId | null, attempt: Attempt): Promise<MembershipFact | null> {
		if (rid === undefined || uid === null || uid === '') return Promise.resolve(null);
		return facts.membership(rid, uid, attempt);
	}

	/** Everything that most decisions want, asked at once. */
	async function gather(rid: RoomId | undefined, uid: UserId | null, attempt: Attempt) {
		const [caller, membership, grants] = await Promise.all([
			callerOf(uid, attempt),
			membershipOf(rid, uid, attempt),
			table.grants(attempt),
		]);
		return { caller, membership, grants };
	}

	/** Channels that everybody with the right may enter; those of a private team only its members. */
	async function isOpenChannel(room: RoomFact, caller: Caller, grants: Grants, attempt: Attempt): Promise<boolean> {
		if (room.t !== 'c') return false;
		if (room.teamId !== undefined && (await facts.isPrivateTeam(room.teamId, attempt)) !== false) {
			return caller !== 'anonymous' && facts.isTeamMember(room.teamId, caller.uid, attempt);
		}
		return caller === 'anonymous' || grants.has('view-c-room', rolesOf(caller, null));
	}

	/** A room with attributes is left to a decision point, which is not there: nobody enters by membership alone. */
	function mayEnterAsMember(
		room: RoomFact,
		caller: Caller,
		membership: MembershipFact | null,
		grants: Grants,
	): boolean {
		if (membership === null || (room.isAttributed && settings.flag('ABAC_Enabled'))) return false;
		const roles = rolesOf(caller, membership);
		return grants.has('view-joined-room', roles) || grants.has(`view-${room.t}-room`, roles);
	}

	function mayServe(room: RoomFact, caller: Caller, grants: Grants): boolean {
		if (room.t !== 'l' || caller === 'anonymous') return false;
		const roles = rolesOf(caller, null);
		if (room.servedBy === caller.uid || grants.has('view-livechat-rooms', roles)) return true;
		return !room.isOpen && grants.has('view-livechat-room-closed-by-another-agent', roles);
	}

	async function mayAccess(rid: RoomId, uid: UserId | null, attempt: Attempt, parents = 0): Promise<boolean> {
		const [room, { caller, membership, grants }] = await Promise.all([
			facts.room(rid, attempt),
			gather(rid, uid, attempt),
		]);
		if (room === null || caller === null) return false;
		if (mayEnterAsMember(room, caller, membership, grants) || mayServe(room, caller, grants)) return true;
		if (await isOpenChannel(room, caller, grants, attempt)) return true;
		return room.prid !== undefined && parents < maxParents && mayAccess(room.prid, uid, attempt, parents + 1);
	}

	return {
		mayAccess: (rid: RoomId, uid: UserId | null, attempt: Attempt) => mayAccess(rid, uid, attempt),

		async holds(
			quantity: 'some' | 'every',
			uid: UserId | null,
			permissions: string[],
			rid: RoomId | undefined,
			attempt: Attempt,
		): Promise<boolean> {
			const { caller, membership, grants } = await gather(rid, uid, attempt);
			if (caller === null || permissions.length === 0) return false;
			const roles = rolesOf(caller, membership);
			return permissions[quantity]((permission) => grants.has(permission, roles));
		},

		/** Access and a voice: what a message has to pass, too. */
		async mayWrite(rid: RoomId, uid: UserId, attempt: Attempt): Promise<boolean> {
			const [room, { caller, membership, grants }] = await Promise.all([
				facts.room(rid, attempt),
				gather(rid, uid, attempt),
			]);
			if (room === null || caller === null || caller === 'anonymous') return false;
			if (room.isArchived || membership?.isBlocked === true) return false;
			const { username } = caller.user;
			if (room.muted.includes(username)) return false;
			const isSilent = room.isReadOnly && !room.unmuted.includes(username);
			if (isSilent && !grants.has('post-readonly', rolesOf(caller, membership))) return false;
			return mayAccess(rid, uid, attempt);
		},

		/** Access, or the preview of a channel by somebody logged in; never of a private team's channel. */
		async mayRead(rid: RoomId, uid: UserId | null, attempt: Attempt): Promise<boolean> {
			if (await mayAccess(rid, uid, attempt)) return true;
			const [room, { caller, grants }] = await Promise.all([facts.room(rid, attempt), gather(undefined, uid, attempt)]);
			if (room?.t !== 'c' || caller === null || caller === 'anonymous') return false;
			if (!grants.has('preview-c-room', rolesOf(caller, null))) return false;
			return room.teamId === undefined || (await facts.isPrivateTeam(room.teamId, attempt)) === false;
		},
	};
}

function rolesOf(caller: Caller, membership: MembershipFact | null): string[] {
	if (caller === 'anonymous') return ['anonymous'];
	return membership === null ? caller.user.roles : [...caller.user.roles, ...membership.roles];
}
