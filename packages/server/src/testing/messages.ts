import type { TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import { randomId } from '@rookery/protocol/ids.ts';
import type { EventPart, Publication } from '@rookery/protocol/events.ts';
import type { Room, Setting, Subscription, UserId } from '@rookery/protocol/records.ts';
import { systemClock } from '../platform/clock.ts';
import type { CommandReport } from '../repositories/command-counters.ts';
import { connectDatabase } from '../repositories/database.ts';
import { messageRepository } from '../repositories/messages.ts';
import { indexTable } from '../repositories/migrations/index-table.ts';
import { roomMemberRepository } from '../repositories/room-members.ts';
import { roomPostRepository, type RoomPostRepository } from '../repositories/room-posts.ts';
import { roomRepository } from '../repositories/rooms.ts';
import { subscriptionReadRepository } from '../repositories/subscription-reads.ts';
import { subscriptionRepository } from '../repositories/subscriptions.ts';
import { trashRepository } from '../repositories/trash.ts';
import { userRepository } from '../repositories/users.ts';
import type { Actor, AuthorizationApi } from '../services/contracts.ts';
import { messagesService } from '../services/messages.ts';
import { roomsService } from '../services/rooms.ts';
import { subscriptionsService } from '../services/subscriptions.ts';
import { allowingAuthorization } from './authorization.ts';
import { fakeLog, fakeSettings } from './accounts.ts';
import { testMongoUrl, uniqueName } from './database.ts';

/** Indexes that posting and reading rely on. All of them would cost every test some hundred files. */
const neededIndexes: Record<string, string[]> = {
	users: ['username'],
	rocketchat_room: ['name'],
	rocketchat_subscription: ['rid', 'rid, u._id', 'u._id, name, t', 'rid, userHighlights.0'],
	rocketchat_message: ['rid, ts, _updatedAt', 'rid, _updatedAt', 'tmid'],
	rocketchat__trash: ['rid, __collection__, _deletedAt'],
};

/** Permissions that nobody holds unless a test grants them; everything else everybody holds. */
const special = new Set([
	'message-impersonate',
	'post-readonly',
	'edit-message',
	'delete-message',
	'force-delete-message',
	'bypass-time-limit-edit-and-delete',
]);

/**
 * Messages and subscriptions on a database of their own. What the services ask of MongoDB is recorded; what the test
 * itself asks goes over another connection.
 *
 * @param values Settings; may be changed while the test runs.
 */
export async function messagesHarness(t: TestContext, values: Record<string, unknown> = {}) {
	const url = testMongoUrl(uniqueName());
	const reports: CommandReport[] = [];
	const database = await connectDatabase(url, { appName: 'test', onCommand: (report) => reports.push(report) });
	const own = new MongoClient(url);
	await own.connect();
	const db = own.db(database.db.databaseName);
	for (const [name, keys] of Object.entries(neededIndexes)) {
		const wanted = (indexTable[name] ?? []).filter(({ key }) => keys.includes(Object.keys(key).join(', ')));
		if (wanted.length < keys.length) throw new Error(`the index table of ${name} lacks one of ${keys.join(' | ')}`);
		await db.collection(name).createIndexes([...wanted]);
	}
	const granted = new Map<UserId, Set<string>>();
	const denied = new Set<string>();
	const authorization = fakeAuthorization(subscriptionRepository(db), roomRepository(db), granted, denied);
	const published: Publication[] = [];
	const settingRecords: Setting[] = [];
	const settings = { ...fakeSettings(values), listPublic: () => settingRecords };
	const { lines, log } = fakeLog();

	/** One core process. @param changed Functions of the posting repository that a test replaces: a crash. */
	function core(changed: Partial<RoomPostRepository> = {}) {
		const repositories = {
			messages: messageRepository(database.db),
			posts: { ...roomPostRepository(database.db), ...changed },
			reads: subscriptionReadRepository(database.db),
			rooms: roomRepository(database.db),
			subscriptions: subscriptionRepository(database.db),
			users: userRepository(database.db),
			trash: trashRepository(database.db),
		};
		const messages = messagesService({
			...repositories,
			authorization,
			settings,
			bus: { publish: (publication) => void published.push(publication) },
			clock: systemClock,
			ids: randomId,
			log,
		});
		t.after(() => messages.stop());
		const rooms = roomsService({
			...repositories,
			members: roomMemberRepository(database.db),
			messages,
			authorization,
			settings,
			ids: randomId,
		});
		return { messages, rooms, subscriptions: subscriptionsService({ ...repositories, authorization, settings }) };
	}

	t.after(async () => {
		await db.dropDatabase();
		await own.close();
		await database.close();
	});

	async function givenUser(username: string): Promise<Actor> {
		const uid = `id-${username}`;
		const user = {
			_id: uid,
			username,
			name: username.toUpperCase(),
			type: 'user' as const,
			roles: ['user'],
			active: true,
		};
		await userRepository(db).insert({ ...user, services: {} });
		return actorOf(uid, username);
	}

	/** A room with members; their subscriptions have nothing unread. */
	async function givenRoom(
		members: Actor[],
		room: Partial<Room> = {},
		own: Partial<Subscription> = {},
	): Promise<string> {
		const rid = room._id ?? `room-${randomId(6)}`;
		const t = room.t ?? 'c';
		const name = t === 'd' ? {} : { name: rid };
		const stored = { _id: rid, t, ...name, msgs: 0, usersCount: members.length, _updatedAt: new Date(0), ...room };
		await db.collection<Room>('rocketchat_room').insertOne(stored);
		const subscriptions = members.map(({ uid, username }) => ({
			_id: `${rid}-${uid}`,
			rid,
			t,
			u: { _id: uid, username },
			open: true,
			alert: false,
			unread: 0,
			userMentions: 0,
			groupMentions: 0,
			_updatedAt: new Date(0),
			...own,
		}));
		if (subscriptions.length > 0)
			await db.collection<Subscription>('rocketchat_subscription').insertMany(subscriptions);
		return rid;
	}

	async function storedRoom(rid: string): Promise<Room> {
		const room = await roomRepository(db).findById(rid);
		if (room === null) throw new Error(`there is no room ${rid}`);
		return room;
	}

	/** Parts of events published so far that went to this user's key. */
	function noticesTo({ uid }: Actor): EventPart[] {
		return published.filter(({ key }) => key === `user:${uid}`).flatMap(({ parts }) => parts);
	}

	return {
		db,
		core,
		reports,
		granted,
		denied,
		values,
		settingRecords,
		published,
		noticesTo,
		lines,
		authorization,
		settings,
		givenUser,
		givenRoom,
		storedRoom,
	};
}

/** Somebody who acts, without a record of his own. */
export function actorOf(uid: UserId, username: string): Actor {
	return {
		uid,
		username,
		name: username.toUpperCase(),
		roles: ['user'],
		hashedToken: `token of ${username}`,
		isPersonalToken: false,
		tokenExpires: null,
	};
}

function fakeAuthorization(
	subscriptions: ReturnType<typeof subscriptionRepository>,
	rooms: ReturnType<typeof roomRepository>,
	granted: Map<UserId, Set<string>>,
	denied: Set<string>,
): AuthorizationApi {
	const has = (uid: UserId | null, permission: string): Promise<boolean> => {
		const own = uid !== null && granted.get(uid)?.has(permission) === true;
		return Promise.resolve(own || (!special.has(permission) && !denied.has(permission)));
	};
	async function canAccessRoom(rid: string, uid: UserId | null): Promise<boolean> {
		const room = await rooms.findById(rid);
		if (room === null || uid === null) return false;
		return room.t === 'c' || (await subscriptions.find(uid, rid)) !== null;
	}
	return allowingAuthorization({
		has,
		hasAny: async (uid, list) => (await Promise.all(list.map((one) => has(uid, one)))).some(Boolean),
		hasAll: async (uid, list) => (await Promise.all(list.map((one) => has(uid, one)))).every(Boolean),
		canAccessRoom,
		canReadRoom: canAccessRoom,
		async readableRooms(rids, uid) {
			const may = await Promise.all(rids.map((rid) => canAccessRoom(rid, uid)));
			return rids.filter((_rid, index) => may[index]);
		},
		async usersWithAccess(rid, uids) {
			const may = await Promise.all(uids.map((uid) => canAccessRoom(rid, uid)));
			return uids.filter((_uid, index) => may[index]);
		},
		canWriteRoom: canAccessRoom,
	});
}
