import type { AuthorizationApi, RoomQuestion } from '../services/contracts.ts';

/** Questions of one call at most. */
const maxQuestions = 1_000;

type Asked = {
	question: RoomQuestion;
	answer: Promise<boolean>;
	settle(answer: boolean): void;
	fail(error: unknown): void;
};

/**
 * The same questions of one turn of the event loop are asked once, and those about rooms are asked in one call: a client
 * opens 25 subscriptions at once, thousands of clients come back together, and a change of a room is judged for all who
 * read it.
 */
export function batchedAuthorization(api: AuthorizationApi): AuthorizationApi {
	let asked = new Map<string, Promise<boolean>>();
	let rooms = new Map<string, Asked>();
	let isOpen = false;

	/** Everything asked from now to the end of this turn belongs together. */
	function turn(): void {
		if (isOpen) return;
		isOpen = true;
		setImmediate(() => {
			const questions = [...rooms.values()];
			isOpen = false;
			asked = new Map();
			rooms = new Map();
			for (let start = 0; start < questions.length; start += maxQuestions) {
				void askRooms(api, questions.slice(start, start + maxQuestions));
			}
		});
	}

	function once(key: string, ask: () => Promise<boolean>): Promise<boolean> {
		turn();
		let answer = asked.get(key);
		if (answer === undefined) asked.set(key, (answer = endOfTurn().then(ask)));
		return answer;
	}

	function room(question: RoomQuestion): Promise<boolean> {
		turn();
		const { rid, uid, right } = question;
		// Ids of rooms come from clients and may hold anything: they stand last.
		const key = `${right}\n${uid ?? ''}\n${rid}`;
		let present = rooms.get(key);
		if (present === undefined) {
			const { promise, resolve, reject } = Promise.withResolvers<boolean>();
			rooms.set(key, (present = { question, answer: promise, settle: resolve, fail: reject }));
		}
		return present.answer;
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
		canAccessRoom: (rid, uid) => room({ rid, uid, right: 'access' }),
		canReadRoom: (rid, uid) => room({ rid, uid, right: 'read' }),
		canWriteRoom: (rid, uid) => room({ rid, uid, right: 'write' }),
		readableRooms: (rids, uid) => api.readableRooms(rids, uid),
		usersWithAccess: (rid, uids) => api.usersWithAccess(rid, uids),
		roomRights: (questions) => api.roomRights(questions),
		membersAmong: (rid, uids) => api.membersAmong(rid, uids),
		peersInRoom: (rid, uid, isKeyWanted) => api.peersInRoom(rid, uid, isKeyWanted),
		visitorOfRoom: (rid, token) => api.visitorOfRoom(rid, token),
	};
}

async function askRooms(api: AuthorizationApi, asked: Asked[]): Promise<void> {
	try {
		const answers = await api.roomRights(asked.map(({ question }) => question));
		for (const [index, { settle }] of asked.entries()) settle(answers[index] === true);
	} catch (error) {
		for (const { fail } of asked) fail(error);
	}
}

/** Resolves when everybody in this turn has asked. */
function endOfTurn(): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(resolve);
	});
}
