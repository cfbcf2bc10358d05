import { ClientError } from '@rookery/protocol/errors.ts';
import type { RoomId, UserId } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';

type Deps = { bus: Pick<Bus, 'publish'>; clock: Clock; newId: () => string };

/**
 * Shows a user a message that is stored nowhere: why something was refused. Clients that ignore the answer of a call
 * show nothing else.
 *
 * @see realtime contract 3.7 and 4.6, `message`
 */
export function refusalNotice({ bus, clock, newId }: Deps) {
	return function explain(uid: UserId, rid: RoomId, refusal: ClientError): void {
		const now = new Date(clock.now());
		const notice = {
			_id: newId(),
			rid,
			msg: refusal.reason ?? String(refusal.code),
			ts: now,
			_updatedAt: now,
			u: { _id: 'rocket.cat', username: 'rocket.cat' },
			groupable: false,
			private: true,
		};
		try {
			bus.publish({
				key: `user:${uid}`,
				parts: [{ kind: 'direct', stream: 'notify-user', event: `${uid}/message`, args: [notice] }],
			});
		} catch (error) {
			// Without a bus the notice cannot be shown; the refusal itself still reaches the client as the answer.
			if (!(error instanceof ClientError)) throw error;
		}
	};
}
