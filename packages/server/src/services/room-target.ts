import { ClientError } from '@rookery/protocol/errors.ts';
import type { Room, RoomId } from '@rookery/protocol/records.ts';
import type { UserRecord } from '../repositories/users.ts';
import type { Actor } from './contracts.ts';
import type { RoomDeps } from './room-deps.ts';
import type { DirectRooms } from './room-direct.ts';
import type { RoomMembership } from './room-membership.ts';
import { notAllowed, type RoomReads } from './room-read.ts';

export type RoomTargets = {
	/**
	 * The room a bot's `channel` or `roomId` names: `#name`, `@username` (direct room, made when needed), room id, room
	 * name or user id. A public channel the actor is not in is joined, unless the caller sees to that.
	 *
	 * @throws ClientError `invalid-channel`, `error-not-allowed`
	 */
	openTarget(actor: Actor, target: string, options?: { joins: boolean }): Promise<Room>;
	/**
	 * The direct room that a client's `roomId` or `username` names; either may hold a room id, a username or a user id.
	 * A room with a user who exists is made when there is none.
	 *
	 * @throws ClientError `invalid-channel`, `error-not-allowed`
	 * @see REST endpoints 5, DmRef
	 */
	openDirect(actor: Actor, target: string): Promise<Room>;
	/** Id of a room the actor may access. @throws ClientError `error-not-allowed` */
	idByNameOrId(actor: Actor, nameOrId: string): Promise<RoomId>;
	/**
	 * The room behind a web address.
	 *
	 * @param nameOrId Of a direct room: its id, a username, or usernames joined by commas.
	 * @throws ClientError `error-invalid-room`, `error-no-permission`
	 */
	findByTypeAndName(actor: Actor | null, t: 'c' | 'p' | 'd', nameOrId: string): Promise<Room>;
};

/** Finding rooms by what people and programs call them. */
export function roomTargets(
	{ rooms, users, authorization }: RoomDeps,
	{ createDirect }: DirectRooms,
	{ join }: RoomMembership,
	{ findReadable }: RoomReads,
): RoomTargets {
	/** The direct room with a user of this name or id; null when there is no such user. */
	async function directWith(actor: Actor, nameOrId: string): Promise<Room | null> {
		return withUser(actor, (await users.findByUsername(nameOrId)) ?? (await users.findById(nameOrId)));
	}

	async function withUser(actor: Actor, user: UserRecord | null): Promise<Room | null> {
		return user?.username === undefined ? null : (await createDirect(actor, [user.username])).room;
	}

	async function enter(actor: Actor, room: Room, joins: boolean): Promise<Room> {
		if (!(await authorization.canAccessRoom(room._id, actor.uid))) throw notAllowed('openTarget');
		if (joins && room.t === 'c') await join(actor, room);
		return room;
	}

	return {
		async openTarget(actor, target, { joins } = { joins: true }) {
			const text = target.trim();
			if (text.startsWith('@')) {
				const room = await directWith(actor, text.slice(1));
				if (room === null) throw new ClientError('invalid-channel');
				return room;
			}
			const name = text.startsWith('#') ? text.slice(1) : text;
			const room = await rooms.findByNameOrId(name);
			if (room?._id === name || (room !== null && name !== text)) return enter(actor, room, joins);
			// Before the name of a room: anybody may give a room a user's id as its name.
			const direct = name === text ? await withUser(actor, await users.findById(text)) : null;
			if (direct !== null) return direct;
			if (room === null) throw new ClientError('invalid-channel');
			return enter(actor, room, joins);
		},

		async openDirect(actor, target) {
			const text = target.trim();
			const room = await rooms.findById(text);
			if (room !== null) {
				if (room.t !== 'd') throw new ClientError('invalid-channel');
				if (!(await authorization.canAccessRoom(room._id, actor.uid))) throw notAllowed('openDirect');
				return room;
			}
			const direct = await directWith(actor, text);
			if (direct === null) throw new ClientError('invalid-channel');
			return direct;
		},

		async idByNameOrId(actor, nameOrId) {
			const room = await rooms.findByNameOrId(nameOrId);
			if (room !== null && (await authorization.canAccessRoom(room._id, actor.uid))) return room._id;
			throw notAllowed('getRoomIdByNameOrId');
		},

		async findByTypeAndName(actor, t, nameOrId) {
			const room = await byTypeAndName(actor, t, nameOrId);
			if (room === null || room.t !== t) throw invalidRoom();
			if ((await findReadable(actor, room._id)) === null) {
				throw new ClientError('error-no-permission', 'No permission', { method: 'getRoomByTypeAndName' });
			}
			return room;
		},
	};

	async function byTypeAndName(actor: Actor | null, t: string, nameOrId: string): Promise<Room | null> {
		const room = await rooms.findByNameOrId(nameOrId);
		if (t !== 'd' || actor === null || room !== null) return room;
		const names = nameOrId.split(',').map((name) => name.trim());
		const found = await users.findByUsernames(names);
		if (found.length === 0 || found.length !== new Set(names).size) return null;
		const uids = [...new Set([actor.uid, ...found.map(({ _id }) => _id)])];
		return rooms.findDirect(uids.sort((a, b) => (a < b ? -1 : 1)));
	}
}

function invalidRoom(): ClientError {
	return new ClientError('error-invalid-room', 'Invalid room', { method: 'getRoomByTypeAndName' });
}
