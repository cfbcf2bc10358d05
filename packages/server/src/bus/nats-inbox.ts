import type { Msg } from '@nats-io/transport-node';
import { randomId } from '@rookery/protocol/ids.ts';
import type { Interest, NatsLink } from './nats-connection.ts';
import { inboxSubject } from './subjects.ts';

/** What is sent to this process alone: one subscription for all answers, told apart by the last token of the subject. */
export function natsInbox(connection: NatsLink, namespace: string) {
	const instance = randomId();
	const open = new Map<string, (message: Msg) => void>();
	let lastToken = 0;
	const interest: Interest = connection.subscribe(inboxSubject(namespace, instance, '*'), {
		onMessage(message) {
			open.get(message.subject.slice(message.subject.lastIndexOf('.') + 1))?.(message);
		},
	});

	return {
		/** A subject of its own for one exchange. Who opens it closes it. */
		open(handler: (message: Msg) => void): { subject: string; close: () => void } {
			lastToken += 1;
			const token = lastToken.toString(36);
			open.set(token, handler);
			return { subject: inboxSubject(namespace, instance, token), close: () => open.delete(token) };
		},
		stop: () => interest.stop(),
	};
}

export type NatsInbox = ReturnType<typeof natsInbox>;
