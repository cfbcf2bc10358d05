import type { RoomId, UserId } from '@rookery/protocol/records.ts';
import {
	pairKey,
	type AccessFactRepository,
	type FactQuestions,
	type Facts,
	type MembershipFact,
	type Pair,
	type RoomFact,
	type UserFact,
} from '../repositories/access-facts.ts';
import type { AccessCache } from './access-cache.ts';

/**
 * One attempt at a decision. `isFresh`: nothing remembered may be used. `usedMemory` says whether something was: then a
 * refusal is not final. `seen`: what it has asked already; a fact stays the same during an attempt.
 */
export type Attempt = { readonly isFresh: boolean; usedMemory: boolean; readonly seen: Map<string, Promise<unknown>> };

/** A new attempt. */
export function newAttempt(isFresh: boolean): Attempt {
	return { isFresh, usedMemory: false, seen: new Map() };
}

/** Asks once in an attempt, however often the rules want to know. */
export function once<T>(attempt: Attempt, key: string, ask: () => Promise<T>): Promise<T> {
	const present = attempt.seen.get(key) as Promise<T> | undefined;
	if (present !== undefined) return present;
	const answer = ask();
	attempt.seen.set(key, answer);
	return answer;
}

type Deps = { repository: AccessFactRepository; cache: AccessCache };

/** Questions of one command at most, and commands on their way at the same time. */
const maxQuestions = 1_000;
const maxReads = 4;

type Batch = { questions: FactSets; size: number; facts: Promise<Facts> };
type FactSets = {
	users: Set<UserId>;
	rooms: Set<RoomId>;
	memberships: Map<string, Pair>;
	teams: Set<string>;
	teamMembers: Map<string, Pair>;
	permissions: boolean;
};

/**
 * The facts that decisions about rights rest on: remembered ones, else read; the questions of one turn of the event loop,
 * and those that come while the database is busy, are read by one command.
 */
export function accessFacts({ repository, cache }: Deps) {
	const queue: (() => void)[] = [];
	let reads = 0;
	let open: Batch | null = null;

	/** The batch that has not begun yet: what is asked in it is read after now. */
	function batch(): Batch {
		if (open !== null && open.size < maxQuestions) return open;
		const questions: FactSets = {
			users: new Set(),
			rooms: new Set(),
			memberships: new Map(),
			teams: new Set(),
			teamMembers: new Map(),
			permissions: false,
		};
		const mine: Batch = { questions, size: 0, facts: turn().then(() => read(mine)) };
		open = mine;
		return mine;
	}

	/** Resolves at the end of this turn of the event loop, or when a read on its way has ended. */
	function turn(): Promise<void> {
		return new Promise((resolve) => {
			setImmediate(() => {
				if (reads < maxReads) resolve();
				else queue.push(resolve);
			});
		});
	}

	async function read(mine: Batch): Promise<Facts> {
		if (open === mine) open = null;
		reads += 1;
		try {
			const remember = slotsFor(cache, mine.questions);
			const facts = await repository.read(listsOf(mine.questions));
			remember(facts);
			return facts;
		} finally {
			reads -= 1;
			queue.shift()?.();
		}
	}

	function ask(add: (questions: FactSets) => void): Promise<Facts> {
		const mine = batch();
		add(mine.questions);
		mine.size += 1;
		return mine.facts;
	}

	/** What is remembered, unless this attempt wants none of it; else what is read. */
	async function fact<T>(attempt: Attempt, known: { value: T | null } | null, reader: () => Promise<T | null>) {
		if (attempt.isFresh || known === null) return reader();
		attempt.usedMemory = true;
		return known.value;
	}

	return {
		/** null: there is no such user. */
		user(uid: UserId, attempt: Attempt): Promise<UserFact | null> {
			const reader = async () => (await ask(({ users }) => users.add(uid))).users.get(uid) ?? null;
			return once(attempt, `user\n${uid}`, () => fact(attempt, cache.user(uid), reader));
		},

		room(rid: RoomId, attempt: Attempt): Promise<RoomFact | null> {
			const reader = async () => (await ask(({ rooms }) => rooms.add(rid))).rooms.get(rid) ?? null;
			return once(attempt, `room\n${rid}`, () => fact(attempt, cache.room(rid), reader));
		},

		/** null: he is no member. */
		membership(rid: RoomId, uid: UserId, attempt: Attempt): Promise<MembershipFact | null> {
			const pair = { of: rid, uid };
			const key = pairKey(pair);
			const reader = async () => {
				return (await ask(({ memberships }) => memberships.set(key, pair))).memberships.get(key) ?? null;
			};
			return once(attempt, `membership\n${key}`, () => fact(attempt, cache.membership(rid, uid), reader));
		},

		/** Whether a team is private; null when there is no such team. Always read: nobody announces changes of teams. */
		isPrivateTeam(teamId: string, attempt: Attempt): Promise<boolean | null> {
			return once(attempt, `team\n${teamId}`, async () => {
				return (await ask(({ teams }) => teams.add(teamId))).teams.get(teamId) ?? null;
			});
		},

		isTeamMember(teamId: string, uid: UserId, attempt: Attempt): Promise<boolean> {
			const pair = { of: teamId, uid };
			const key = pairKey(pair);
			return once(attempt, `teamMember\n${key}`, async () => {
				return (await ask(({ teamMembers }) => teamMembers.set(key, pair))).teamMembers.has(key);
			});
		},

		/** A text that differs when any permission has changed. */
		async permissionState(): Promise<string> {
			return (await ask((questions) => (questions.permissions = true))).permissions ?? '';
		},
	};
}

export type AccessFacts = ReturnType<typeof accessFacts>;

function listsOf(sets: FactSets): FactQuestions {
	return {
		users: [...sets.users],
		rooms: [...sets.rooms],
		memberships: [...sets.memberships.values()],
		teams: [...sets.teams],
		teamMembers: [...sets.teamMembers.values()],
		permissions: sets.permissions,
	};
}

/** Taken before the read begins, so that a change during it is not overwritten by what it saw. */
function slotsFor(cache: AccessCache, { users, rooms, memberships }: FactSets): (facts: Facts) => void {
	const userSlots = [...users].map((uid) => ({ uid, slot: cache.userSlot(uid) }));
	const roomSlots = [...rooms].map((rid) => ({ rid, slot: cache.roomSlot(rid) }));
	const pairSlots = [...memberships].map(([key, { of, uid }]) => ({ key, slot: cache.membershipSlot(of, uid) }));
	return (facts) => {
		for (const { uid, slot } of userSlots) slot.keep(facts.users.get(uid) ?? null);
		for (const { rid, slot } of roomSlots) slot.keep(facts.rooms.get(rid) ?? null);
		for (const { key, slot } of pairSlots) slot.keep(facts.memberships.get(key) ?? null);
	};
}
