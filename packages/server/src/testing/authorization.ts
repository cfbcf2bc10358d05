import type { AuthorizationApi } from '../services/contracts.ts';

/** An authorization that allows everything, but for what a test says otherwise; nobody signals anybody. */
export function allowingAuthorization(rules: Partial<AuthorizationApi> = {}): AuthorizationApi {
	const always = () => Promise.resolve(true);
	const api: AuthorizationApi = {
		has: always,
		hasAny: always,
		hasAll: always,
		canAccessRoom: always,
		canReadRoom: always,
		canWriteRoom: always,
		readableRooms: async (rids) => rids,
		usersWithAccess: async (_rid, uids) => uids,
		membersAmong: async () => null,
		peersInRoom: async () => null,
		visitorOfRoom: async () => null,
		roomRights: (questions) => Promise.all(questions.map((question) => roomRight(api, question))),
		...rules,
	};
	return api;
}

/** One answer of `roomRights` by the rule for one room. */
export function roomRight(
	api: Pick<AuthorizationApi, 'canAccessRoom' | 'canReadRoom' | 'canWriteRoom'>,
	{ rid, uid, right }: Parameters<AuthorizationApi['roomRights']>[0][number],
): Promise<boolean> {
	if (right === 'read') return api.canReadRoom(rid, uid);
	return right === 'access' ? api.canAccessRoom(rid, uid) : api.canWriteRoom(rid, uid ?? '');
}
