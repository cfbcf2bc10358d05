import { ClientError } from '@rookery/protocol/errors.ts';
import type { Room, UserId } from '@rookery/protocol/records.ts';
import type { NewRoom } from '../repositories/rooms.ts';
import type { UserRecord } from '../repositories/users.ts';
import type { Actor } from './contracts.ts';
import { newMembership, nothingUnread, recountMembers, userRefOf, type RoomDeps } from './room-deps.ts';
import { allowsSpecialCharacters, checkRoomName, slugOf } from './room-names.ts';

/** A channel (`c`) or private group (`p`) to be made. */
export type RoomRequest = {
	t: 'c' | 'p';
	/** As typed. */
	name: string;
	/** Usernames of the first members beside the creator; unknown ones are left out. */
	members?: string[] | undefined;
	readOnly?: boolean | undefined;
	/** The creator does not become a member, nor owner. */
	excludeSelf?: boolean | undefined;
	customFields?: Record<string, unknown> | undefined;
	extraData?:
		| {
				broadcast?: boolean | undefined;
				encrypted?: boolean | undefined;
				teamId?: string | undefined;
				topic?: string | undefined;
				description?: string | undefined;
				announcement?: string | undefined;
		  }
		| undefined;
};

export type RoomCreation = {
	/**
	 * Makes a channel or private group with its first members. The creator becomes its owner.
	 *
	 * @throws ClientError `error-not-allowed` without `create-c` or `create-p`; `error-invalid-name`,
	 *   `error-invalid-room-name`, `error-duplicate-channel-name`, `error-archived-duplicate-name`,
	 *   `error-action-not-allowed` (encryption that is not possible), `team-does-not-exist`
	 * @see data model, 3, "Creation"
	 */
	create(actor: Actor, request: RoomRequest): Promise<Room>;
};

/** How many numbered names are tried for one display name. */
const maxSuffix = 1_000;

/** Making channels and private groups. */
export function roomCreation(deps: RoomDeps): RoomCreation {
	const { rooms, subscriptions, members, users, authorization, settings, ids } = deps;

	async function requireRights(actor: Actor, { t, extraData }: RoomRequest): Promise<void> {
		const method = t === 'c' ? 'createChannel' : 'createPrivateGroup';
		if (!(await authorization.has(actor.uid, `create-${t}`))) {
			throw new ClientError('error-not-allowed', 'Not allowed', { method });
		}
		if (extraData?.teamId !== undefined) throw new ClientError('team-does-not-exist');
		if (extraData?.encrypted === true && (t === 'c' || !settings.flag('E2E_Enable'))) {
			const reason = 'Only groups or direct channels can enable encryption';
			throw new ClientError('error-action-not-allowed', reason, { method, action: 'Change_Room_Encrypted' });
		}
	}

	async function firstMembers(actor: Actor, request: RoomRequest): Promise<UserRecord[]> {
		const named = await users.findByUsernames([...new Set(request.members ?? [])]);
		const others = named.filter(({ _id }) => _id !== actor.uid);
		if (request.excludeSelf === true) return others;
		const creator = await users.findById(actor.uid);
		if (creator === null) throw new ClientError('error-invalid-user', 'Invalid user');
		return [creator, ...others];
	}

	/** Stores the room under its name; with free display names under the first numbered name that is not taken. */
	async function insertNamed(room: NewRoom, typed: string): Promise<Room> {
		if (!allowsSpecialCharacters(settings)) {
			const stored = await rooms.insert({ ...room, name: typed });
			if (stored === null) throw await duplicate(typed);
			return stored;
		}
		if (await rooms.hasDisplayName(typed)) throw duplicateName(typed);
		const slug = slugOf(typed) || room._id;
		for (let suffix = 0; suffix <= maxSuffix; suffix++) {
			const name = suffix === 0 ? slug : `${slug}-${suffix}`;
			const stored = await rooms.insert({ ...room, name });
			if (stored !== null) return stored;
			// The other one of two parallel calls meets the winner here: same display name, same row of names.
			if ((await rooms.findByName(name))?.fname === typed) throw duplicateName(typed);
		}
		throw duplicateName(typed);
	}

	async function duplicate(name: string): Promise<ClientError> {
		const other = await rooms.findByName(name);
		if (other?.archived !== true) return duplicateName(name);
		return new ClientError('error-archived-duplicate-name', `There's an archived channel with name ${name}`, {
			channel_name: name,
		});
	}

	return {
		async create(actor, request) {
			await requireRights(actor, request);
			checkRoomName(request.name, settings);
			const people = await firstMembers(actor, request);
			const room = await insertNamed(newRoom(actor, request, ids(), people.length), request.name);
			await subscriptions.insertMany(
				people.map((user) => newMembership(room, user, ids(), firstMembership(user._id === actor.uid))),
				room,
			);
			const uids: UserId[] = people.map(({ _id }) => _id);
			await members.addRoom(uids, room._id);
			await recountMembers(deps, room._id);
			return room;
		},
	};
}

function firstMembership(isOwner: boolean): Parameters<typeof newMembership>[3] {
	const usual = { open: true, ...nothingUnread, hasJoinTime: true };
	return isOwner ? { ...usual, roles: ['owner'], isSeen: true } : usual;
}

function newRoom(actor: Actor, request: RoomRequest, id: string, usersCount: number): NewRoom {
	const { broadcast, encrypted, topic, description, announcement } = request.extraData ?? {};
	return {
		_id: id,
		t: request.t,
		fname: request.name,
		u: userRefOf({ _id: actor.uid, username: actor.username, name: actor.name }),
		usersCount,
		ro: request.readOnly === true || broadcast === true,
		...(broadcast === true ? { broadcast } : {}),
		...(encrypted === true ? { encrypted } : {}),
		...(topic === undefined ? {} : { topic }),
		...(description === undefined ? {} : { description }),
		...(announcement === undefined ? {} : { announcement }),
		...(request.customFields === undefined ? {} : { customFields: request.customFields }),
	};
}

function duplicateName(name: string): ClientError {
	return new ClientError('error-duplicate-channel-name', `A channel with name '${name}' exists`, {
		channel_name: name,
	});
}
