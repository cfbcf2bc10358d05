import type { TestContext } from 'node:test';
import type { Db } from 'mongodb';
import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import { randomId } from '@rookery/protocol/ids.ts';
import type { Bus } from '../bus/bus.ts';
import { localBus } from '../bus/local.ts';
import { systemClock } from '../platform/clock.ts';
import { accessFactRepository } from '../repositories/access-facts.ts';
import { messageRepository } from '../repositories/messages.ts';
import { indexTable } from '../repositories/migrations/index-table.ts';
import { permissionRepository } from '../repositories/permissions.ts';
import { roomMemberRepository } from '../repositories/room-members.ts';
import { roomPostRepository } from '../repositories/room-posts.ts';
import { roomRepository } from '../repositories/rooms.ts';
import { subscriptionReadRepository } from '../repositories/subscription-reads.ts';
import { subscriptionRepository } from '../repositories/subscriptions.ts';
import { trashRepository } from '../repositories/trash.ts';
import { userRepository } from '../repositories/users.ts';
import { authorizationService } from '../services/authorization.ts';
import type { Actor, AuthorizationApi } from '../services/contracts.ts';
import { messagesService } from '../services/messages.ts';
import { roomsService } from '../services/rooms.ts';
import type { SettingsReader } from '../services/settings.ts';
import { fakeLog, fakeSettings } from './accounts.ts';
import { testDatabase } from './database.ts';

async function createIndexes(db: Db): Promise<void> {
	for (const name of ['users', 'rocketchat_room', 'rocketchat_subscription', 'rocketchat__trash']) {
		await db.collection(name).createIndexes([...(indexTable[name] ?? [])]);
	}
}

/** The real service with the permissions of a new workspace. No hub runs here: it must trust nothing it read before. */
async function authorizationOf(t: TestContext, db: Db, settings: SettingsReader, bus: Bus): Promise<AuthorizationApi> {
	const permissions = permissionRepository(db);
	await permissions.insertMissing(
		Object.entries(permissionCatalogue).map(([_id, roles]) => ({ _id, roles: [...roles] })),
	);
	let now = 0;
	const facts = accessFactRepository(db);
	const clock = { now: () => now, monotonic: () => now };
	const { api, stop } = await authorizationService({ facts, permissions, settings, bus, clock });
	t.after(stop);
	return new Proxy(api, {
		get(target, name: keyof AuthorizationApi) {
			now += 60_000;
			return target[name];
		},
	});
}

/**
 * Rooms and messages on a database of their own, with the permissions a new workspace has.
 *
 * @param values Settings; may be changed while the test runs.
 */
export async function roomsHarness(t: TestContext, values: Record<string, unknown> = {}) {
	const db = await testDatabase(t);
	await createIndexes(db);
	const settings = fakeSettings(values);
	const bus = localBus();
	t.after(() => bus.close());
	const { lines, log } = fakeLog();
	const rooms = roomRepository(db);
	const subscriptions = subscriptionRepository(db);
	const users = userRepository(db);
	const authorization = await authorizationOf(t, db, settings, bus);
	const messages = messagesService({
		messages: messageRepository(db),
		posts: roomPostRepository(db),
		reads: subscriptionReadRepository(db),
		rooms,
		users,
		trash: trashRepository(db),
		authorization,
		settings,
		bus,
		clock: systemClock,
		ids: randomId,
		log,
	});
	t.after(() => messages.stop());
	const members = roomMemberRepository(db);
	const service = roomsService({
		rooms,
		subscriptions,
		members,
		users,
		messages,
		authorization,
		settings,
		ids: randomId,
	});

	/** A stored user, and he as somebody who acts. */
	async function givenUser(username: string, { roles = ['user'], active = true, ...extra }: GivenUser = {}) {
		const user = {
			_id: `id-${username}`,
			username,
			name: username.toUpperCase(),
			type: 'user' as const,
			roles,
			active,
		};
		await users.insert({ ...user, ...extra, services: {} });
		const actor: Actor = {
			uid: user._id,
			username,
			name: user.name,
			roles,
			hashedToken: `token of ${username}`,
			isPersonalToken: false,
			tokenExpires: null,
		};
		return actor;
	}

	/** Types of the system messages of a room, oldest first. */
	async function systemMessages(rid: string): Promise<string[]> {
		const found = await db
			.collection('rocketchat_message')
			.find({ rid, t: { $exists: true } }, { sort: { ts: 1 } })
			.toArray();
		return found.map(({ t, msg }) => `${t} ${msg}`);
	}

	return {
		db,
		bus,
		settings,
		lines,
		log,
		rooms,
		subscriptions,
		members,
		users,
		authorization,
		messages,
		service,
		givenUser,
		systemMessages,
	};
}

type GivenUser = { roles?: string[]; active?: boolean; settings?: { preferences: Record<string, unknown> } };
