import { createHash, timingSafeEqual } from 'node:crypto';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Room, RoomId, Subscription, UserId, UserRef } from '@rookery/protocol/records.ts';
import { foldName, type UserRecord } from '../repositories/users.ts';
import type { Actor } from './contracts.ts';
import { newMembership, recountMembers, somethingNew, userRefOf, type RoomDeps } from './room-deps.ts';

export type RoomMembership = {
	/**
	 * Makes the actor a member of a room he may see.
	 *
	 * @returns false when he was one already.
	 * @throws ClientError `error-not-allowed`, `error-code-invalid`, `error-room-archived`
	 */
	join(actor: Actor, room: Room, joinCode?: string): Promise<boolean>;
	/**
	 * Ends the actor's membership.
	 *
	 * @throws ClientError `error-not-allowed`, `error-user-not-in-room`, `error-you-are-last-owner`
	 */
	leave(actor: Actor, room: Room): Promise<void>;
	/**
	 * Makes others members.
	 *
	 * @returns Those who were none before.
	 * @throws ClientError `error-cant-invite-for-direct-room`, `error-not-allowed`, `error-room-archived`
	 */
	addMembers(actor: Actor, room: Room, uids: UserId[]): Promise<UserId[]>;
	/** As `addMembers`, by username. @throws ClientError also `error-invalid-username`: then nobody was added */
	addMembersByName(actor: Actor, room: Room, usernames: string[]): Promise<UserId[]>;
	/**
	 * Ends somebody else's membership.
	 *
	 * @throws ClientError `error-not-allowed`, `error-user-not-in-room`, `error-you-are-last-owner`
	 */
	removeMember(actor: Actor, room: Room, uid: UserId): Promise<void>;
	/** Puts a new user into the rooms with `default: true`. @param silenced no `uj` messages */
	joinDefaultRooms(uid: UserId, silenced: boolean): Promise<void>;
};

/** Coming and going of members. */
export function roomMembership(deps: RoomDeps): RoomMembership {
	const { rooms, subscriptions, members, users, messages, authorization, ids } = deps;

	/** @returns false when he is a member already. @throws ClientError `error-invalid-room` when the room is gone */
	async function add(rid: RoomId, user: UserRecord, isFavorite = false): Promise<boolean> {
		const room = await rooms.findById(rid);
		if (room === null) throw invalidRoom();
		const own = { open: true, ...somethingNew, hasJoinTime: true, ...(isFavorite ? { f: true } : {}) };
		const { subscription, isNew } = await subscriptions.insert(newMembership(room, user, ids(), own), room);
		if (!isNew) return false;
		await members.addRoom([user._id], rid);
		if ((await rooms.findById(rid)) === null) {
			// Deleted in between: whoever deletes removes the room first, so one of the two sees the other.
			await subscriptions.remove(subscription);
			await members.removeRoom(user._id, rid);
			throw invalidRoom();
		}
		await recountMembers(deps, rid);
		return true;
	}

	/** Of several owners who go at once the last one is refused: the order of announcements decides. */
	async function end(room: Room, subscription: Subscription): Promise<boolean> {
		if (subscription.roles?.includes('owner') !== true) return subscriptions.remove(subscription);
		const uid = subscription.u._id;
		const leaving = await rooms.announceOwnerExit(room._id, uid);
		if (leaving === null) throw invalidRoom();
		try {
			const others = (await subscriptions.listWithRoles(room._id)).filter(
				({ u, roles }) => roles?.includes('owner') === true && u._id !== uid && !leaving.includes(u._id),
			);
			if (others.length === 0) throw lastOwner();
			return await subscriptions.remove(subscription);
		} finally {
			await rooms.endOwnerExit(room._id, uid);
		}
	}

	async function remove(room: Room, subscription: Subscription, t: string, by: UserRef): Promise<boolean> {
		if (!(await end(room, subscription))) return false;
		await members.removeRoom(subscription.u._id, room._id);
		await recountMembers(deps, room._id);
		await messages.postSystem(t, room, by, subscription.u.username ?? '');
		return true;
	}

	async function addAll(actor: Actor, room: Room, found: UserRecord[]): Promise<UserId[]> {
		await requireMayAdd(deps, actor, room);
		const t = room.teamMain === true ? 'added-user-to-team' : 'au';
		const added: UserId[] = [];
		for (const user of found) {
			if (!(await add(room._id, user))) continue;
			added.push(user._id);
			await messages.postSystem(t, room, actorRef(actor), user.username ?? '');
		}
		return added;
	}

	return {
		async join(actor, room, joinCode) {
			if ((await subscriptions.find(actor.uid, room._id)) !== null) return false;
			await requireMayJoin(deps, actor, room, joinCode);
			const user = await users.findById(actor.uid);
			if (user === null) throw new ClientError('error-invalid-user', 'Invalid user', { method: 'joinRoom' });
			if (!(await add(room._id, user))) return false;
			await messages.postSystem(room.teamMain === true ? 'ujt' : 'uj', room, userRefOf(user), user.username ?? '');
			return true;
		},

		async leave(actor, room) {
			const details = { method: 'leaveRoom' };
			const mayLeave = room.t === 'c' || room.t === 'p';
			if (!mayLeave || room.cl === false || !(await authorization.has(actor.uid, `leave-${room.t}`))) {
				throw new ClientError('error-not-allowed', 'Not allowed', details);
			}
			const subscription = await subscriptions.find(actor.uid, room._id);
			const t = room.teamMain === true ? 'ult' : 'ul';
			if (subscription !== null && (await remove(room, subscription, t, actorRef(actor)))) return;
			throw new ClientError('error-user-not-in-room', 'You are not in this room', details);
		},

		async addMembers(actor, room, uids) {
			return addAll(actor, room, await users.findByIds(uids));
		},

		async addMembersByName(actor, room, usernames) {
			const found = await users.findByUsernames(usernames);
			if (new Set(usernames.map(foldName)).size !== found.length) {
				throw new ClientError('error-invalid-username', 'Invalid username', { method: 'addUsersToRoom' });
			}
			return addAll(actor, room, found);
		},

		async removeMember(actor, room, uid) {
			await requireMayRemove(deps, actor, room);
			const subscription = await subscriptions.find(uid, room._id);
			const t = room.teamMain === true ? 'removed-user-from-team' : 'ru';
			if (subscription !== null && (await remove(room, subscription, t, actorRef(actor)))) return;
			throw new ClientError('error-user-not-in-room', 'User is not in this room', { method: 'removeUserFromRoom' });
		},

		async joinDefaultRooms(uid, silenced) {
			const user = await users.findById(uid);
			if (user === null) throw new ClientError('error-invalid-user', 'Invalid user');
			for (const room of await rooms.listDefault()) {
				if (room.archived === true || !(await add(room._id, user, room.favorite === true))) continue;
				if (!silenced) await messages.postSystem('uj', room, userRefOf(user), user.username ?? '');
			}
		},
	};
}

async function requireMayJoin(
	{ authorization }: RoomDeps,
	actor: Actor,
	room: Room,
	joinCode: string | undefined,
): Promise<void> {
	// A private group is entered by invitation; a discussion by whoever may see what it belongs to.
	const isOpen = room.t === 'c' || (room.t === 'p' && room.prid !== undefined);
	if (!isOpen || !(await authorization.canAccessRoom(room._id, actor.uid))) {
		throw new ClientError('error-not-allowed', 'Not allowed', { method: 'joinRoom' });
	}
	requireNotArchived(room);
	if (room.joinCode === undefined || room.joinCode === '' || sameText(room.joinCode, joinCode ?? '')) return;
	if (await authorization.has(actor.uid, 'join-without-join-code', room._id)) return;
	throw new ClientError('error-code-invalid', 'Invalid Room Password', { method: 'joinRoom' });
}

async function requireMayAdd({ authorization, subscriptions }: RoomDeps, actor: Actor, room: Room): Promise<void> {
	const details = { method: 'addUsersToRoom' };
	if (room.t === 'd') {
		throw new ClientError('error-cant-invite-for-direct-room', "Can't invite user to direct rooms", details);
	}
	if (room.t !== 'c' && room.t !== 'p') throw new ClientError('error-not-allowed', 'Not allowed', details);
	requireNotArchived(room);
	if (await authorization.has(actor.uid, `add-user-to-any-${room.t}-room`, room._id)) return;
	const isMember = (await subscriptions.find(actor.uid, room._id)) !== null;
	if (isMember && (await authorization.has(actor.uid, 'add-user-to-joined-room', room._id))) return;
	throw new ClientError('error-not-allowed', 'Not allowed', details);
}

async function requireMayRemove({ authorization }: RoomDeps, actor: Actor, room: Room): Promise<void> {
	if (room.t === 'c' || room.t === 'p') {
		if (await authorization.has(actor.uid, 'remove-user', room._id)) return;
		if (await authorization.has(actor.uid, `kick-user-from-any-${room.t}-room`)) return;
	}
	throw new ClientError('error-not-allowed', 'Not allowed', { method: 'removeUserFromRoom' });
}

function requireNotArchived(room: Room): void {
	if (room.archived !== true) return;
	const kind = room.t === 'c' ? 'channel' : 'private group';
	throw new ClientError('error-room-archived', `The ${kind}, ${room.name ?? ''}, is archived`);
}

/** Compares two texts in a time that does not tell where they differ. */
function sameText(first: string, second: string): boolean {
	const digest = (text: string) => createHash('sha256').update(text).digest();
	return timingSafeEqual(digest(first), digest(second));
}

function actorRef(actor: Actor): UserRef {
	return userRefOf({ _id: actor.uid, username: actor.username, name: actor.name });
}

function lastOwner(): ClientError {
	return new ClientError(
		'error-you-are-last-owner',
		'You are the last owner. Please set new owner before leaving the room.',
		{ method: 'leaveRoom' },
	);
}

function invalidRoom(): ClientError {
	return new ClientError('error-invalid-room', 'Invalid room');
}
