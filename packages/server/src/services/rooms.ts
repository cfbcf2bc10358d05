import type { Room, RoomId, UserId } from '@rookery/protocol/records.ts';
import type { Actor } from './contracts.ts';

/**
 * What other services of core use of rooms. The rest of the type is what routes and methods use.
 */
export type RoomsService = {
	/**
	 * The room a bot's `channel` or `roomId` names: `#name`, `@username` (direct room, made when needed), room id, room
	 * name or user id. A public channel the actor is not in is joined.
	 *
	 * @throws ClientError `invalid-channel`, `error-not-allowed`
	 */
	openTarget(actor: Actor, target: string): Promise<Room>;
	/** Rooms with `default: true`, for a new user. */
	joinDefaultRooms(uid: UserId, silenced: boolean): Promise<void>;
	/** A room the actor may read; null when there is none or he may not. */
	findReadable(actor: Actor | null, rid: RoomId): Promise<Room | null>;
};
