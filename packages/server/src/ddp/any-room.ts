import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { RecordBodies } from '@rookery/protocol/events.ts';
import type { Envelope, EnvelopeHandler, ReceivedPart } from '../bus/bus.ts';
import type { DdpContext } from './context.ts';
import { positionFilter } from './positions.ts';

/**
 * What becomes of the events of all rooms: their messages go to `__my_messages__` subscribers, and only by this way, so
 * that a room which is heard by its own key as well says nothing twice. Everything else of a room comes by its key.
 *
 * @see realtime contract 4.2
 */
export function anyRoomRouter(context: DdpContext): EnvelopeHandler {
	const isOld = positionFilter();

	function handle({ header, body }: ReceivedPart, rid: string): void {
		const { membership } = context;
		if (header.kind === 'direct') {
			if (header.stream === 'room-messages') membership.onMessage(header.event, body);
			return;
		}
		if (header.record !== 'room' || !membership.knowsRoom(rid)) return;
		const { room, fields } = decodeBody({ body }) as RecordBodies['room'];
		membership.onAnyRoom(header.action, room, fields);
	}

	return ({ header, parts }: Envelope) => {
		if (isOld(header)) return;
		const rid = header.key.slice('room:'.length);
		for (const part of parts) {
			try {
				handle(part, rid);
			} catch (error) {
				context.log.error({ err: error, key: header.key }, 'an event could not be handled');
			}
		}
	};
}
