import { ClientError } from '@rookery/protocol/errors.ts';
import type { Room, RoomId, RoomType, UserId, UserRef } from '@rookery/protocol/records.ts';
import { publishedRoom, restRoom, type PublishedRoom } from '@rookery/protocol/room-view.ts';
import type { Member, MemberFilter } from '../repositories/room-members.ts';
import type { Page, RoomListFilter } from '../repositories/rooms.ts';
import type { Membership } from '../repositories/subscriptions.ts';
import type { Actor } from './contracts.ts';
import type { RoomDeps } from './room-deps.ts';
import { behind } from './sync-overlap.ts';

/** A page of rooms as the caller may see them. `total`: how many match in all. */
export type RoomPage = { rooms: PublishedRoom[]; total: number };

/** A member who holds roles in a room. */
export type RoomRoles = { _id: string; rid: RoomId; u: UserRef; roles: string[] };

/** A room that is gone for this user. */
export type RemovedRoom = { _id: RoomId; _deletedAt: Date };

export type RoomReads = {
	/** A room the actor may read (also as a preview); null when there is none or he may not. */
	findReadable(actor: Actor | null, rid: RoomId): Promise<Room | null>;
	/** The room a client's `roomId` or `roomName` names, whoever may see it: the caller judges. */
	findByRef(ref: { roomId?: string | undefined; roomName?: string | undefined }): Promise<Room | null>;
	/** Whether a room of this name exists, also one that the caller may not see. */
	nameExists(name: string): Promise<boolean>;
	/** Rooms as REST answers them: no secret field, the last message as this caller may see it. */
	restView(uid: UserId | null, rooms: Room[]): Promise<PublishedRoom[]>;
	/** Rooms as methods and events carry them. */
	publishedView(uid: UserId | null, rooms: Room[]): Promise<PublishedRoom[]>;
	/**
	 * Public channels: all for holders of `view-c-room`, those he is in for holders of `view-joined-room`.
	 *
	 * @returns null when he holds neither.
	 */
	listChannels(actor: Actor, filter: ChannelFilter, page: Page): Promise<RoomPage | null>;
	/** Rooms of one type that the actor is in. */
	listJoined(actor: Actor, type: RoomType, page: Page, filter?: ChannelFilter): Promise<RoomPage>;
	/** Every room the actor is in; anonymous: the default channels, while the workspace may be read anonymously. */
	all(actor: Actor | null): Promise<PublishedRoom[]>;
	/** The actor's rooms changed after a date (10 s overlap) or entered since, and those he has lost since. */
	since(actor: Actor, since: Date): Promise<{ update: PublishedRoom[]; remove: RemovedRoom[] }>;
	/** One page of a room's members. Who may: `mayListMembers`. */
	listMembers(
		room: Room,
		filter: Pick<MemberFilter, 'text' | 'statuses'>,
		page: { offset: number; count: number; username?: 1 | -1 | undefined },
	): Promise<{ members: Member[]; total: number }>;
	/** Whether the actor may see the members of a room he may access: not everybody may in broadcast rooms. */
	mayListMembers(actor: Actor, room: Room): Promise<boolean>;
	/** Members with a role in the room. */
	listRoles(room: Room): Promise<RoomRoles[]>;
	/** Whether the user is in the room. */
	isMember(uid: UserId, rid: RoomId): Promise<boolean>;
};

export type ChannelFilter = Pick<RoomListFilter, 'id' | 'where' | 'namePart'>;

const searchedFields = new Set(['username', 'name', 'nickname', 'bio']);

/** Reading rooms, lists of rooms and their members. */
export function roomReads(deps: RoomDeps): RoomReads {
	const { rooms, subscriptions, members, messages, authorization, settings } = deps;

	/** The last message of each room as this caller sees it. */
	async function withLastMessages(uid: UserId | null, list: Room[]): Promise<Room[]> {
		const last = list.flatMap(({ lastMessage }) => lastMessage ?? []);
		if (last.length === 0) return list;
		const seen = new Map((await messages.forClient(uid, last)).map((message) => [message._id, message]));
		return list.map((room) => {
			const lastMessage = room.lastMessage === undefined ? undefined : seen.get(room.lastMessage._id);
			return lastMessage === undefined ? room : { ...room, lastMessage };
		});
	}

	async function restView(uid: UserId | null, list: Room[]): Promise<PublishedRoom[]> {
		return (await withLastMessages(uid, list)).map(restRoom);
	}

	async function publishedView(uid: UserId | null, list: Room[]): Promise<PublishedRoom[]> {
		return (await withLastMessages(uid, list)).map(publishedRoom);
	}

	async function joinedIds(uid: UserId, types: RoomType[]): Promise<RoomId[]> {
		return (await subscriptions.memberships(uid)).filter(({ t }) => types.includes(t)).map(({ rid }) => rid);
	}

	async function pageOf(actor: Actor, filter: RoomListFilter, page: Page): Promise<RoomPage> {
		const found = await rooms.list(filter, page);
		return { rooms: await restView(actor.uid, found.rooms), total: found.total };
	}

	async function changedRooms(list: Membership[], since: Date): Promise<Room[]> {
		const changed = await rooms.changedSince(
			list.map(({ rid }) => rid),
			since,
		);
		const known = new Set(changed.map(({ _id }) => _id));
		const entered = list.filter(({ rid, ts }) => ts !== undefined && ts > since && !known.has(rid));
		return [...changed, ...(await rooms.findByIds(entered.map(({ rid }) => rid)))];
	}

	return {
		restView,
		publishedView,

		async findReadable(actor, rid) {
			const room = await rooms.findById(rid);
			if (room === null || !(await authorization.canReadRoom(rid, actor?.uid ?? null))) return null;
			return room;
		},

		async findByRef({ roomId, roomName }) {
			if (roomId !== undefined) return rooms.findById(roomId);
			return roomName === undefined ? null : rooms.findByName(roomName);
		},

		async nameExists(name) {
			return (await rooms.findByName(name)) !== null;
		},

		async listChannels(actor, filter, page) {
			const joined = await joinedIds(actor.uid, ['c']);
			if (await authorization.has(actor.uid, 'view-c-room')) {
				return pageOf(actor, { ...filter, types: ['c'], teamRoomsOnlyIn: joined }, page);
			}
			if (!(await authorization.has(actor.uid, 'view-joined-room'))) return null;
			return pageOf(actor, { ...filter, types: ['c'], ids: joined }, page);
		},

		async listJoined(actor, type, page, filter = {}) {
			return pageOf(actor, { ...filter, types: [type], ids: await joinedIds(actor.uid, [type]) }, page);
		},

		async all(actor) {
			if (actor !== null) {
				const list = await subscriptions.memberships(actor.uid);
				return publishedView(actor.uid, await rooms.findByIds(list.map(({ rid }) => rid)));
			}
			if (!settings.flag('Accounts_AllowAnonymousRead')) return [];
			const open = (await rooms.listDefault()).filter(({ t }) => t === 'c');
			const readable = new Set(
				await authorization.readableRooms(
					open.map(({ _id }) => _id),
					null,
				),
			);
			return publishedView(
				null,
				open.filter(({ _id }) => readable.has(_id)),
			);
		},

		async since(actor, since) {
			const from = behind(since);
			const list = await subscriptions.memberships(actor.uid);
			const removed = await subscriptions.removedSince(actor.uid, from);
			const current = new Set(list.map(({ rid }) => rid));
			const lost = new Map<RoomId, RemovedRoom>();
			for (const { rid, _deletedAt } of removed) {
				if (rid !== undefined && !current.has(rid)) lost.set(rid, { _id: rid, _deletedAt });
			}
			const update = await publishedView(actor.uid, await changedRooms(list, from));
			return { update, remove: [...lost.values()] };
		},

		async listMembers(room, filter, page) {
			const searchFields = settings
				.text('Accounts_SearchFields', 'username, name, bio, nickname')
				.split(',')
				.map((field) => field.trim())
				.filter((field) => searchedFields.has(field));
			const { username, ...rest } = page;
			return members.list(
				await members.ids(room._id),
				{ ...filter, searchFields: searchFields.length === 0 ? ['username'] : searchFields },
				username === undefined ? rest : { ...rest, username },
			);
		},

		async mayListMembers(actor, room) {
			if (room.broadcast !== true) return true;
			return authorization.has(actor.uid, 'view-broadcast-member-list', room._id);
		},

		async listRoles(room) {
			return (await subscriptions.listWithRoles(room._id)).map(({ _id, rid, u, roles }) => ({
				_id,
				rid,
				u,
				roles: roles ?? [],
			}));
		},

		async isMember(uid, rid) {
			return (await subscriptions.find(uid, rid)) !== null;
		},
	};
}

/** The refusal of who may not see a room, or of a room that does not exist: both look alike. */
export function notAllowed(method: string): ClientError {
	return new ClientError('error-not-allowed', 'Not allowed', { method });
}
