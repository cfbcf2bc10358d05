import type { RoomId, UserId } from '@rookery/protocol/records.ts';
import type { AuthorizationApi } from '../services/contracts.ts';

/**
 * The same questions of one turn of the event loop are asked once, and the rooms that a user wants to read in it are asked
 * for in one call: a client opens 25 subscriptions at once, and thousands of clients come back together.
 */
export function batchedAuthorization(api: AuthorizationApi): AuthorizationApi {
	let asked = new Map<string, Promise<boolean>>();
	let rooms = new Map<UserId | null, { rids: Set<RoomId>; answer: Promise<Set<RoomId>> }>();
	let isOpen = false;

	/** Everything asked from now to the end of this turn belongs together. */
	function turn(): void {
		if (isOpen) return;
		isOpen = true;
		setImmediate(() => {
			isOpen = false;
			asked = new Map();
			rooms = new Map();
		});
	}

	function once(key: string, ask: () => Promise<boolean>): Promise<boolean> {
		turn();
		let answer = asked.get(key);
		if (answer === undefined) asked.set(key, (answer = endOfTurn().then(ask)));
		return answer;
	}

	function readable(uid: UserId | null): { rids: Set<RoomId>; answer: Promise<Set<RoomId>> } {
		turn();
		const present = rooms.get(uid);
		if (present !== undefined) return present;
		const rids = new Set<RoomId>();
		const answer = endOfTurn().then(async () => new Set(await api.readableRooms([...rids], uid)));
		const batch = { rids, answer };
		rooms.set(uid, batch);
		return batch;
	}

	return {
		has: (uid, permission, rid) =>
			once(`has\n${uid}\n${permission}\n${rid}`, () =>
				rid === undefined ? api.has(uid, permission) : api.has(uid, permission, rid),
			),
		hasAny: (uid, permissions, rid) =>
			once(`any\n${uid}\n${permissions.join()}\n${rid}`, () =>
				rid === undefined ? api.hasAny(uid, permissions) : api.hasAny(uid, permissions, rid),
			),
		hasAll: (uid, permissions, rid) =>
			once(`all\n${uid}\n${permissions.join()}\n${rid}`, () =>
				rid === undefined ? api.hasAll(uid, permissions) : api.hasAll(uid, permissions, rid),
			),
		canAccessRoom: (rid, uid) => once(`access\n${uid}\n${rid}`, () => api.canAccessRoom(rid, uid)),
		async canReadRoom(rid, uid) {
			const { rids, answer } = readable(uid);
			rids.add(rid);
			return (await answer).has(rid);
		},
		readableRooms: (rids, uid) => api.readableRooms(rids, uid),
		usersWithAccess: (rid, uids) => api.usersWithAccess(rid, uids),
		canWriteRoom: (rid, uid) => once(`write\n${uid}\n${rid}`, () => api.canWriteRoom(rid, uid)),
		membersAmong: (rid, uids) => api.membersAmong(rid, uids),
		peersInRoom: (rid, uid, isKeyWanted) => api.peersInRoom(rid, uid, isKeyWanted),
		visitorOfRoom: (rid, token) => api.visitorOfRoom(rid, token),
	};
}

/** Resolves when everybody in this turn has asked. */
function endOfTurn(): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(resolve);
	});
}
