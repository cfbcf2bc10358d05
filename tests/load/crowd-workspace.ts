import type { Db } from 'mongodb';
import type { CrowdClient } from './crowd.ts';
import { fillWorkspace } from './workspace.ts';

/** Rooms each user of a crowd is in, and members each room has. */
export const roomsEach = 30;
export const membersEach = 100;

/** How users of a workspace are named: as `fillWorkspace` does. */
export const userIdOf = (index: number): string => `benchuser${index}`;
export const tokenOf = (index: number): string => `bench-token-of-user-${index}-${'x'.repeat(20)}`;

/** The user of a token, or null. */
export function memberIndexOf(token: string): number | null {
	const number = /^bench-token-of-user-(\d+)-x{20}$/.exec(token)?.[1];
	return number === undefined ? null : Number(number);
}

function roomCount(users: number): number {
	return Math.ceil((users * roomsEach) / membersEach);
}

/** 17 characters, as room ids are. */
function roomIdOf(index: number): string {
	return `crowdroom${String(index).padStart(8, '0')}`;
}

function roomIndicesOf(member: number, users: number): number[] {
	const count = roomCount(users);
	const step = Math.floor(count / roomsEach);
	return Array.from({ length: roomsEach }, (_, place) => (member + place * step) % count);
}

/** Ids of the rooms a user is in: out of one pool, so that each two rooms share some of their members. */
export function roomsOfMember(member: number, users: number): string[] {
	return roomIndicesOf(member, users).map(roomIdOf);
}

/** The clients of a crowd: each another user, with one of his rooms open. */
export function crowdClients(users: number): CrowdClient[] {
	return Array.from({ length: users }, (_, number) => {
		const rid = roomsOfMember(number, users)[0] ?? '';
		return { number, uid: userIdOf(number), token: tokenOf(number), rid };
	});
}

/** Stores the users of a crowd, their tokens, rooms and memberships. */
export async function fillCrowd(db: Db, users: number): Promise<void> {
	const rooms = Array.from({ length: roomCount(users) }, (_, index) => ({
		_id: roomIdOf(index),
		members: [] as number[],
	}));
	for (let member = 0; member < users; member++) {
		for (const index of roomIndicesOf(member, users)) rooms[index]?.members.push(member);
	}
	await fillWorkspace(db, users, rooms);
}
