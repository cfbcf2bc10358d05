import { ClientError } from '@rookery/protocol/errors.ts';
import { directRoomId } from '@rookery/protocol/ids.ts';
import type { Room, UserId } from '@rookery/protocol/records.ts';
import type { NewRoom } from '../repositories/rooms.ts';
import { foldName, type UserRecord } from '../repositories/users.ts';
import type { Actor } from './contracts.ts';
import { newMembership, nothingUnread, type RoomDeps } from './room-deps.ts';
import { groupDirectRoomId } from './room-names.ts';

export type DirectRooms = {
	/**
	 * The direct room of the actor and these users: the existing one, or a new one. The same people always get the same
	 * room, also when they ask at once.
	 *
	 * @param usernames Without regard to case; only the actor's own is his room with himself.
	 * @param excludeSelf The actor is not one of them.
	 * @throws ClientError `error-invalid-user`, `error-not-allowed`, `error-direct-message-max-user-exceeded`
	 * @see data model, 3, "Direct"
	 */
	createDirect(actor: Actor, usernames: string[], excludeSelf?: boolean): Promise<{ room: Room; isNew: boolean }>;
};

/** How many ids are tried for a set of users whose earlier rooms have changed hands. */
const maxAttempts = 20;

/** Making and finding direct rooms. */
export function directRooms({ rooms, subscriptions, users, authorization, settings, ids }: RoomDeps): DirectRooms {
	async function peopleOf(actor: Actor, usernames: string[], excludeSelf: boolean): Promise<UserRecord[]> {
		const wanted = new Set(usernames.map((name) => name.trim()).filter((name) => name !== ''));
		const found = await users.findByUsernames([...wanted]);
		const known = new Set(found.map(({ username }) => foldName(username ?? '')));
		if (wanted.size === 0 || [...wanted].some((name) => !known.has(foldName(name)))) throw invalidUser();
		const people = new Map(found.map((user) => [user._id, user]));
		if (excludeSelf) {
			people.delete(actor.uid);
			if (people.size < 2) throw invalidUser();
		} else if (!people.has(actor.uid)) {
			const self = await users.findById(actor.uid);
			if (self === null) throw invalidUser();
			people.set(self._id, self);
		}
		if (people.size === 1 && !settings.flag('Message_AllowDirectMessagesToYourself', true)) throw invalidUser();
		if (people.size > settings.number('DirectMesssage_maxUsers', 8)) {
			throw new ClientError('error-direct-message-max-user-exceeded');
		}
		return [...people.values()].sort((a, b) => compare(sortName(a), sortName(b)));
	}

	function findExisting(uids: UserId[]): Promise<Room | null> {
		const [first, second] = uids;
		if (uids.length === 2 && first !== undefined && second !== undefined) {
			return rooms.findById(directRoomId(first, second));
		}
		return rooms.findDirect(uids);
	}

	async function requireRights(actor: Actor, existing: Room | null): Promise<void> {
		if (await authorization.has(actor.uid, 'create-d')) return;
		if (existing !== null && (await authorization.has(actor.uid, 'view-d-room', existing._id))) return;
		throw new ClientError('error-not-allowed', 'Not allowed', { method: 'createDirectMessage' });
	}

	async function insert(people: UserRecord[], uids: UserId[]): Promise<{ room: Room; isNew: boolean }> {
		const [first, second] = uids;
		if (uids.length === 2 && first !== undefined && second !== undefined) {
			return rooms.insertDirect(newDirectRoom(directRoomId(first, second), people, uids));
		}
		for (let attempt = 0; attempt < maxAttempts; attempt++) {
			const answer = await rooms.insertDirect(newDirectRoom(groupDirectRoomId(uids, attempt), people, uids));
			if (sameList(answer.room.uids, uids)) return answer;
		}
		throw new Error('no free id for a direct room');
	}

	return {
		async createDirect(actor, usernames, excludeSelf = false) {
			const people = await peopleOf(actor, usernames, excludeSelf);
			const uids = people.map(({ _id }) => _id).sort(compare);
			const existing = await findExisting(uids);
			await requireRights(actor, existing);
			const answer = existing === null ? await insert(people, uids) : { room: existing, isNew: false };
			const memberships = people.map((user) => {
				const isOpen = user._id === actor.uid || people.length > 2;
				const own = { ...namesFor(user, people), ...nothingUnread, open: isOpen, hasJoinTime: false };
				return newMembership(answer.room, user, ids(), own);
			});
			await subscriptions.insertMany(memberships, answer.room);
			const own = await subscriptions.find(actor.uid, answer.room._id);
			if (own?.open === false) await subscriptions.open(actor.uid, answer.room._id);
			return answer;
		},
	};
}

function newDirectRoom(id: string, people: UserRecord[], uids: UserId[]): NewRoom {
	return {
		_id: id,
		t: 'd',
		usernames: people.flatMap(({ username }) => username ?? []),
		uids,
		usersCount: people.length,
		...(people.length === 2 && people.some(({ active }) => !active) ? { ro: true } : {}),
	};
}

/** What a member's list shows as the room's name: the others. */
function namesFor(user: UserRecord, people: UserRecord[]): { name: string; fname: string } {
	const others = people.filter(({ _id }) => _id !== user._id);
	const shown = others.length === 0 ? [user] : others;
	return {
		name: shown.map(({ username }) => username ?? '').join(', '),
		fname: shown.map(({ name, username }) => name || username || '').join(', '),
	};
}

function sortName({ name, username }: UserRecord): string {
	return name || username || '';
}

function compare(a: string, b: string): number {
	if (a === b) return 0;
	return a < b ? -1 : 1;
}

function sameList(a: string[] | undefined, b: string[]): boolean {
	return a !== undefined && a.length === b.length && a.every((entry, index) => entry === b[index]);
}

function invalidUser(): ClientError {
	return new ClientError('error-invalid-user', 'Invalid user', { method: 'createDirectMessage' });
}
