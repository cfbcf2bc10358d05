import type { OutFrame } from './out-frame.ts';
import type { SendKind } from './socket.ts';

/** Who can be sent a frame: a session. */
export type Receiver = { readonly id: string; send(frame: OutFrame, kind: SendKind): void; overrun(): void };

type Listener = {
	/** Subscriptions of the session to this key. However many: one frame. */
	count: number;
	/** Frames kept back while it is being judged whether the session may still read the key. */
	held: { frame: OutFrame; kind: SendKind }[] | null;
};

/** Frames a listener may keep back before its session is closed instead. */
const maxHeld = 2_000;

/**
 * Key to sessions. A key is `<stream>/<event>`. Delivery never waits: each socket has its own outbox.
 *
 * @see realtime contract 4.1.5
 */
export function fanoutTable() {
	const keys = new Map<string, Map<Receiver, Listener>>();

	function release(receiver: Receiver, listener: Listener): void {
		const { held } = listener;
		listener.held = null;
		for (const { frame, kind } of held ?? []) receiver.send(frame, kind);
	}

	return {
		add(key: string, receiver: Receiver): void {
			let listeners = keys.get(key);
			if (listeners === undefined) keys.set(key, (listeners = new Map()));
			const listener = listeners.get(receiver);
			if (listener === undefined) listeners.set(receiver, { count: 1, held: null });
			else listener.count += 1;
		},

		/** Ends one subscription. With the last one what was held back is dropped. */
		remove(key: string, receiver: Receiver): void {
			const listeners = keys.get(key);
			const listener = listeners?.get(receiver);
			if (listeners === undefined || listener === undefined) return;
			listener.count -= 1;
			if (listener.count > 0) return;
			listeners.delete(receiver);
			if (listeners.size === 0) keys.delete(key);
		},

		/** Keeps frames of this key back from this session until `resume`, or until its subscriptions end. */
		hold(key: string, receiver: Receiver): void {
			const listener = keys.get(key)?.get(receiver);
			if (listener !== undefined) listener.held ??= [];
		},

		resume(key: string, receiver: Receiver): void {
			const listener = keys.get(key)?.get(receiver);
			if (listener !== undefined) release(receiver, listener);
		},

		has(key: string): boolean {
			return keys.has(key);
		},

		/** Whether this session listens to a key. */
		listens(key: string, receiver: Receiver): boolean {
			return keys.get(key)?.has(receiver) === true;
		},

		/** Who listens to a key now: for many questions about one key. */
		listenersOf(key: string): (receiver: Receiver) => boolean {
			const listeners = keys.get(key);
			return (receiver) => listeners?.has(receiver) === true;
		},

		/**
		 * Sends one frame to every session that listens to a key. The same frame object for all: encoded once.
		 *
		 * @param frame Made only when somebody listens.
		 * @param originId Session that must not get it: it caused it.
		 */
		deliver(key: string, frame: () => OutFrame, kind: SendKind, originId?: string): void {
			const listeners = keys.get(key);
			if (listeners === undefined) return;
			const made = frame();
			for (const [receiver, listener] of listeners) {
				if (receiver.id === originId) continue;
				if (listener.held === null) receiver.send(made, kind);
				else if (listener.held.length < maxHeld) listener.held.push({ frame: made, kind });
				else receiver.overrun();
			}
		},
	};
}

export type FanoutTable = ReturnType<typeof fanoutTable>;
