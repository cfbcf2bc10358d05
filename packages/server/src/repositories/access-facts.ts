import type { Collection, Db, Document } from 'mongodb';
import type { Room, RoomId, RoomType, Subscription, User, UserId } from '@rookery/protocol/records.ts';

/** What decisions need to know of a user. */
export type UserFact = { active: boolean; roles: string[]; username: string };

/** What decisions need to know of a room. */
export type RoomFact = {
	t: RoomType;
	prid?: RoomId;
	teamId?: string;
	servedBy?: string;
	isOpen: boolean;
	/** Attributes decide as well (module `abac`). */
	isAttributed: boolean;
	isArchived: boolean;
	isReadOnly: boolean;
	/** Usernames without a voice, and those who have one in a read-only room. */
	muted: string[];
	unmuted: string[];
	/** Of an omnichannel room. */
	visitor?: { _id: string; username: string; name?: string; token: string };
};

/** A membership: the roles in the room, and whether one of the two blocked the other there. Pending invitations are none. */
export type MembershipFact = { roles: string[]; isBlocked: boolean };

/** Names a membership: the room's (or team's) id and the user's. */
export type Pair = { of: string; uid: UserId };

/** Everything that one batch of questions wants to know. */
export type FactQuestions = {
	users: UserId[];
	rooms: RoomId[];
	memberships: Pair[];
	teams: string[];
	teamMembers: Pair[];
	/** Whether to fingerprint the permissions. */
	permissions: boolean;
};

/** The answers; who or what does not exist is absent. Keys of pairs are made by `pairKey`. */
export type Facts = {
	users: Map<UserId, UserFact>;
	rooms: Map<RoomId, RoomFact>;
	memberships: Map<string, MembershipFact>;
	/** Whether the team is private. */
	teams: Map<string, boolean>;
	teamMembers: Set<string>;
	/** Changes with every change of a permission; null when it was not asked for. */
	permissions: string | null;
};

/** One text for a pair: ids hold no line break. */
export function pairKey({ of, uid }: Pair): string {
	return `${of}\n${uid}`;
}

type Row =
	| { k: 'user'; _id: string; active?: boolean; roles?: string[]; username?: string }
	| ({ k: 'room'; _id: string; servedBy?: { _id?: string }; abacAttributes?: unknown[] } & Pick<
			Room,
			't' | 'prid' | 'teamId' | 'open' | 'archived' | 'ro' | 'muted' | 'unmuted' | 'v'
	  >)
	| ({ k: 'membership'; status?: string } & Pick<Subscription, 'rid' | 'u' | 'roles' | 'blocked' | 'blocker'>)
	| { k: 'team'; _id: string; type?: number }
	| { k: 'teamMember'; teamId: string; userId: string }
	| { k: 'permissions'; n: number; last?: Date };

/**
 * What decisions about rights read: users, rooms, memberships, teams and a fingerprint of the permissions, in one command
 * for many questions. The collections belong to other repositories; nothing is written here.
 */
export function accessFactRepository(db: Db) {
	const rooms: Collection<Room> = db.collection('rocketchat_room');
	const subscriptions: Collection<Subscription> = db.collection('rocketchat_subscription');
	const users: Collection<User> = db.collection('users');

	return {
		/** Reads what a majority of the database's members has, in one command. */
		async read(questions: FactQuestions): Promise<Facts> {
			const facts: Facts = {
				users: new Map(),
				rooms: new Map(),
				memberships: new Map(),
				teams: new Map(),
				teamMembers: new Set(),
				permissions: null,
			};
			const [first, ...others] = partsOf(questions);
			if (first === undefined) return facts;
			// The pipeline starts at one collection whatever is asked: with an empty match where no room is.
			const start = first.collection === 'rocketchat_room' ? first.pipeline : [{ $match: { _id: { $in: [] } } }];
			const rest = first.collection === 'rocketchat_room' ? others : [first, ...others];
			const unions = rest.map(({ collection, pipeline }) => ({ $unionWith: { coll: collection, pipeline } }));
			const cursor = rooms.aggregate<Row>([...start, ...unions], { batchSize: 10_000 });
			for (const row of await cursor.toArray()) add(facts, row);
			return facts;
		},

		/** Members of a room but one, without pending invitations. @param limit The answer ends there. */
		async otherMembers(rid: RoomId, uid: UserId, limit: number): Promise<UserId[]> {
			const filter = { rid, 'u._id': { $ne: uid }, status: { $ne: 'INVITED' as const } };
			const found = await subscriptions.find(filter, { projection: { 'u._id': 1 }, limit }).toArray();
			return found.map(({ u }) => u._id);
		},

		/**
		 * Members of a room but one who hold its key and are online.
		 *
		 * @param limit The answer ends there.
		 * @param maxSeen So many holders of the key are looked at.
		 */
		async onlineKeyHolders(rid: RoomId, uid: UserId, limit: number, maxSeen: number): Promise<UserId[]> {
			const filter = { rid, 'u._id': { $ne: uid }, status: { $ne: 'INVITED' as const }, E2EKey: { $exists: true } };
			const holders = await subscriptions.find(filter, { projection: { 'u._id': 1 }, limit: maxSeen }).toArray();
			const online = await users
				.find(
					{
						_id: { $in: holders.map(({ u }) => u._id) },
						active: { $ne: false },
						status: { $in: ['online', 'away', 'busy'] },
					},
					{ projection: { _id: 1 }, limit },
				)
				.toArray();
			return online.map(({ _id }) => _id);
		},
	};
}

export type AccessFactRepository = ReturnType<typeof accessFactRepository>;

type Part = { collection: string; pipeline: Document[] };

const voiceFields = ['archived', 'ro', 'muted', 'unmuted'];
const visitorFields = ['v._id', 'v.username', 'v.name', 'v.token'];

function partsOf(questions: FactQuestions): Part[] {
	const parts: Part[] = [];
	const ask = (collection: string, $match: Document, fields: string[], k: Row['k']): void => {
		const $project = Object.fromEntries([...fields.map((field) => [field, 1]), ['k', { $literal: k }]]) as Document;
		parts.push({ collection, pipeline: [{ $match }, { $project }] });
	};
	const { users, rooms, memberships, teams, teamMembers } = questions;
	if (rooms.length > 0) {
		const fields = ['t', 'prid', 'teamId', 'open', 'servedBy._id', 'abacAttributes', ...voiceFields, ...visitorFields];
		ask('rocketchat_room', { _id: { $in: rooms } }, fields, 'room');
	}
	if (users.length > 0) ask('users', { _id: { $in: users } }, ['active', 'roles', 'username'], 'user');
	if (memberships.length > 0) {
		const fields = ['rid', 'u._id', 'roles', 'status', 'blocked', 'blocker'];
		ask('rocketchat_subscription', pairFilter(memberships, 'rid', 'u._id'), fields, 'membership');
	}
	if (teams.length > 0) ask('rocketchat_team', { _id: { $in: teams } }, ['type'], 'team');
	if (teamMembers.length > 0) {
		const filter = pairFilter(teamMembers, 'teamId', 'userId');
		ask('rocketchat_team_member', filter, ['teamId', 'userId'], 'teamMember');
	}
	if (questions.permissions) {
		const $group = { _id: null, n: { $sum: 1 }, last: { $max: '$_updatedAt' } };
		const pipeline = [{ $group }, { $set: { k: 'permissions' } }];
		parts.push({ collection: 'rocketchat_permissions', pipeline });
	}
	return parts;
}

/** One branch per user: each is a point or a small range of the unique index. */
function pairFilter(pairs: Pair[], ofField: string, uidField: string): Document {
	const byUser = new Map<UserId, string[]>();
	for (const { of, uid } of pairs) byUser.set(uid, [...(byUser.get(uid) ?? []), of]);
	return { $or: [...byUser].map(([uid, list]) => ({ [ofField]: { $in: list }, [uidField]: uid })) };
}

function add(facts: Facts, row: Row): void {
	switch (row.k) {
		case 'user':
			facts.users.set(row._id, {
				active: row.active !== false,
				roles: row.roles ?? [],
				username: row.username ?? '',
			});
			break;
		case 'room':
			facts.rooms.set(row._id, roomFact(row));
			break;
		case 'membership':
			if (row.status === 'INVITED') break;
			facts.memberships.set(pairKey({ of: row.rid, uid: row.u._id }), {
				roles: row.roles ?? [],
				isBlocked: row.blocked === true || row.blocker === true,
			});
			break;
		case 'team':
			facts.teams.set(row._id, row.type === 1);
			break;
		case 'teamMember':
			facts.teamMembers.add(pairKey({ of: row.teamId, uid: row.userId }));
			break;
		case 'permissions':
			facts.permissions = `${row.n} ${row.last?.getTime() ?? 0}`;
			break;
	}
}

function roomFact(row: Extract<Row, { k: 'room' }>): RoomFact {
	return {
		t: row.t,
		...(row.prid === undefined ? {} : { prid: row.prid }),
		...(row.teamId === undefined ? {} : { teamId: row.teamId }),
		...(row.servedBy?._id === undefined ? {} : { servedBy: row.servedBy._id }),
		isOpen: row.open === true,
		isAttributed: Array.isArray(row.abacAttributes) && row.abacAttributes.length > 0,
		isArchived: row.archived === true,
		isReadOnly: row.ro === true,
		muted: row.muted ?? [],
		unmuted: row.unmuted ?? [],
		...visitorOf(row),
	};
}

/** Without a token nobody can prove to be the visitor. */
function visitorOf({ t, v }: Pick<Room, 't' | 'v'>): Pick<RoomFact, 'visitor'> {
	if (t !== 'l' || v?.token === undefined || v.token === '') return {};
	const { _id, username = '', name, token } = v;
	return { visitor: { _id, username, token, ...(name === undefined ? {} : { name }) } };
}
