import { ClientError } from '@rookery/protocol/errors.ts';
import type { RoomId } from '@rookery/protocol/records.ts';
import type { Actor } from './contracts.ts';
import { roomCreation, type RoomCreation } from './room-create.ts';
import { roomDeletion, type RoomDeletion } from './room-delete.ts';
import type { RoomDeps } from './room-deps.ts';
import { directRooms, type DirectRooms } from './room-direct.ts';
import { roomMembership, type RoomMembership } from './room-membership.ts';
import { roomReads, type RoomReads } from './room-read.ts';
import { roomTargets, type RoomTargets } from './room-target.ts';

/** What a user does to his own place in a room. */
export type RoomList = {
	/** Shows a room in the actor's list. @throws ClientError `error-invalid-subscription` when he is no member */
	open(actor: Actor, rid: RoomId): Promise<number>;
	/**
	 * Takes a room out of the actor's list until the next post.
	 *
	 * @throws ClientError `error-invalid-room`, `error-invalid-subscription`
	 */
	hide(actor: Actor, rid: RoomId): Promise<number>;
	/** Marks a room as one of the actor's favourites. @throws ClientError `error-invalid-subscription` */
	setFavorite(actor: Actor, rid: RoomId, isFavorite: boolean): Promise<number>;
};

/** What can be done to rooms and memberships. Runs in: core. */
export type RoomsService = RoomCreation &
	DirectRooms &
	RoomMembership &
	RoomDeletion &
	RoomReads &
	RoomTargets &
	RoomList;

/** Rooms: making, finding, entering, leaving, listing and deleting them. */
export function roomsService(deps: RoomDeps): RoomsService {
	const direct = directRooms(deps);
	const membership = roomMembership(deps);
	const reads = roomReads(deps);
	return {
		...roomCreation(deps),
		...direct,
		...membership,
		...roomDeletion(deps),
		...reads,
		...roomTargets(deps, direct, membership, reads),
		...roomList(deps),
	};
}

function roomList({ rooms, subscriptions }: RoomDeps): RoomList {
	return {
		async open(actor, rid) {
			if ((await subscriptions.find(actor.uid, rid)) === null) throw notInRoom('openRoom');
			return subscriptions.open(actor.uid, rid);
		},

		async hide(actor, rid) {
			const room = await rooms.findById(rid);
			if (room === null) throw new ClientError('error-invalid-room', 'Invalid room', { method: 'hideRoom' });
			const count = await subscriptions.hide(actor.uid, rid, room);
			if (count === 0) throw notInRoom('hideRoom');
			return count;
		},

		async setFavorite(actor, rid, isFavorite) {
			if (await subscriptions.setFavorite(actor.uid, rid, isFavorite)) return 1;
			throw new ClientError('error-invalid-subscription', 'You must be part of a room to favorite it', {
				method: 'toggleFavorite',
			});
		},
	};
}

function notInRoom(method: string): ClientError {
	return new ClientError('error-invalid-subscription', 'Invalid subscription', { method });
}
