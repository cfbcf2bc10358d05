import { stream } from './stream.ts';

/**
 * `stream-notify-room-users`: nobody reads it; emits on it are fanned out to the members of a room.
 *
 * @see realtime contract 4.7
 */
export const notifyRoomUsers = stream('notify-room-users', { access: 'nobody', waitsForLogin: false });
