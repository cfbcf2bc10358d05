import { ClientError } from '@rookery/protocol/errors.ts';
import type { RoomId } from '@rookery/protocol/records.ts';
import type { Actor } from './contracts.ts';
import type { RoomDeps } from './room-deps.ts';

export type RoomDeletion = {
	/**
	 * Deletes a room with its memberships and messages.
	 *
	 * @throws ClientError `error-invalid-room`, `error-not-allowed` without `delete-c`, `delete-p`, `delete-d` in it;
	 *   `error-cannot-delete-team-channel` for a team's main room
	 */
	deleteRoom(actor: Actor, rid: RoomId): Promise<void>;
};

/** Deleting rooms. */
export function roomDeletion(deps: RoomDeps): RoomDeletion {
	const { rooms, subscriptions, members, messages, authorization } = deps;

	/** Everything that belongs to a room that is no more. May be repeated. */
	async function removeRemains(rid: RoomId): Promise<void> {
		await subscriptions.removeByRoom(rid);
		await members.removeRoomFromAll(rid);
		await messages.removeAll(rid);
	}

	return {
		async deleteRoom(actor, rid) {
			const room = await rooms.findById(rid);
			if (room === null) {
				// An earlier deletion was cut off when he is still a member: the room is gone for good, the rest follows.
				const isLeftOver = (await subscriptions.find(actor.uid, rid)) !== null && (await rooms.wasRemoved(rid));
				if (isLeftOver) await removeRemains(rid);
				throw new ClientError('error-invalid-room', 'Invalid room', { method: 'eraseRoom' });
			}
			const isKnownType = room.t === 'c' || room.t === 'p' || room.t === 'd';
			if (!isKnownType || !(await authorization.has(actor.uid, `delete-${room.t}`, rid))) {
				throw new ClientError('error-not-allowed', 'Not allowed', { method: 'eraseRoom' });
			}
			if (room.teamMain === true) {
				throw new ClientError('error-cannot-delete-team-channel', 'Cannot delete a team channel', {
					method: 'eraseRoom',
				});
			}
			// The room goes first: while its memberships stand, streamers still know whom to tell, nobody can post any
			// more, and who joins at this moment finds it gone.
			await rooms.remove(rid);
			await removeRemains(rid);
		},
	};
}
