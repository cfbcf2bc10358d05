import { textFrame } from '../../../packages/server/src/transport/framing.ts';
import type { BenchFrame } from './bench-frame.ts';

/** Name of the event that carries a message. */
export const socketIoEvent = 'room-messages';

/** What a client of socket.io receives for a frame: a packet of its protocol (4: message, 2: event) in a text frame. */
export function socketIoBytes({ args }: BenchFrame): Buffer {
	return textFrame([`42${JSON.stringify([socketIoEvent, ...args])}`]);
}
