import { shared } from './shared-text.ts';

/** One session, and the events of its own user that it listens to: one entry for each subscription. */
type Own<R> = { receiver: R; events: string[] };

/** Keys of events that concern one user begin so: `notify-user/<uid>/<event>`. */
const prefix = 'notify-user/';

/** Whether a key of the fan-out is about one user. */
export function isOwnKey(key: string): boolean {
	return key.startsWith(prefix);
}

/**
 * Who listens to the events of a user: his own sessions. Each has a dozen such subscriptions, so they are kept by user and
 * not by key.
 */
export function ownListeners<R>() {
	const users = new Map<string, Own<R>[]>();

	function split(key: string): { uid: string; event: string } {
		const slash = key.indexOf('/', prefix.length);
		return { uid: key.slice(prefix.length, slash), event: key.slice(slash + 1) };
	}

	return {
		add(key: string, receiver: R): void {
			const { uid, event } = split(key);
			const list = users.get(uid);
			const own = list?.find((entry) => entry.receiver === receiver);
			if (own !== undefined) own.events.push(shared(event));
			else if (list !== undefined) list.push({ receiver, events: [shared(event)] });
			else users.set(uid, [{ receiver, events: [shared(event)] }]);
		},

		/** Ends one subscription. */
		remove(key: string, receiver: R): void {
			const { uid, event } = split(key);
			const list = users.get(uid);
			const own = list?.find((entry) => entry.receiver === receiver);
			const at = own?.events.indexOf(event) ?? -1;
			if (list === undefined || own === undefined || at === -1) return;
			own.events.splice(at, 1);
			if (own.events.length > 0) return;
			list.splice(list.indexOf(own), 1);
			if (list.length === 0) users.delete(uid);
		},

		/** The sessions that listen to a key, each once. */
		of(key: string): R[] {
			const { uid, event } = split(key);
			const found: R[] = [];
			for (const { receiver, events } of users.get(uid) ?? []) if (events.includes(event)) found.push(receiver);
			return found;
		},

		has(key: string): boolean {
			const { uid, event } = split(key);
			return users.get(uid)?.some(({ events }) => events.includes(event)) === true;
		},
	};
}
