import type { Pos } from '@rookery/protocol/events.ts';
import type { EventLog } from './event-log.ts';
import type { OutFrame } from './out-frame.ts';
import type { SendKind } from './socket.ts';

/** Who can be sent a frame: a session. */
export type Receiver = {
	readonly id: string;
	/** Keys whose frames are being kept back. */
	holds: number;
	/** @param index Of the frame in the log; 0 when it is not kept there. */
	deliver(frame: OutFrame, kind: SendKind, index: number): void;
	/** More was kept back than is allowed. */
	overrun(): void;
};

type Held = { frame: OutFrame; kind: SendKind; index: number };

/** One session at one key. */
class Listener {
	readonly receiver: Receiver;
	/** Subscriptions of the session to this key. However many: one frame. */
	count = 1;
	/** Frames kept back while it is being judged whether the session may still read the key. */
	held: Held[] | null = null;

	constructor(receiver: Receiver) {
		this.receiver = receiver;
	}
}

/** Most keys are heard by one session alone: it stands there without a map. */
type Listeners = Listener | Map<Receiver, Listener>;

/** Frames a listener may keep back before its session is closed instead. */
const maxHeld = 2_000;

/** Events that say nothing any more a moment later: they are not sent again to who missed them. */
const passing = /^(?:notify-room\/.*\/(?:user-activity|typing)|notify-user\/[^/]*\/(?:notification|uiInteraction))$/s;

/**
 * Key to sessions. A key is `<stream>/<event>`. Delivery never waits: each socket has its own outbox.
 *
 * @param log Keeps what was sent, for who comes back.
 * @see realtime contract 4.1.5
 */
export function fanoutTable(log: EventLog) {
	const keys = new Map<string, Listeners>();
	let position: Pos | null = null;

	function find(key: string, receiver: Receiver): Listener | undefined {
		const found = keys.get(key);
		if (found instanceof Listener) return found.receiver === receiver ? found : undefined;
		return found?.get(receiver);
	}

	function insert(key: string, receiver: Receiver): void {
		const listener = new Listener(receiver);
		const found = keys.get(key);
		if (found === undefined) keys.set(key, listener);
		else if (found instanceof Map) found.set(receiver, listener);
		else keys.set(key, new Map([found, listener].map((entry) => [entry.receiver, entry])));
	}

	function drop(key: string, listener: Listener): void {
		if (listener.held !== null) listener.receiver.holds -= 1;
		const found = keys.get(key);
		if (found instanceof Map && found.size > 1) found.delete(listener.receiver);
		else keys.delete(key);
	}

	function hand(listener: Listener, frame: OutFrame, kind: SendKind, index: number): void {
		const { receiver, held } = listener;
		if (held === null) receiver.deliver(frame, kind, index);
		else if (held.length < maxHeld) held.push({ frame, kind, index });
		else receiver.overrun();
	}

	return {
		add(key: string, receiver: Receiver): void {
			const listener = find(key, receiver);
			if (listener === undefined) insert(key, receiver);
			else listener.count += 1;
		},

		/** Ends one subscription. With the last one what was held back is dropped. */
		remove(key: string, receiver: Receiver): void {
			const listener = find(key, receiver);
			if (listener === undefined) return;
			listener.count -= 1;
			if (listener.count === 0) drop(key, listener);
		},

		/** Keeps frames of this key back from this session until `resume`, or until its subscriptions end. */
		hold(key: string, receiver: Receiver): void {
			const listener = find(key, receiver);
			if (listener === undefined || listener.held !== null) return;
			listener.held = [];
			receiver.holds += 1;
		},

		resume(key: string, receiver: Receiver): void {
			const listener = find(key, receiver);
			const held = listener?.held ?? null;
			if (listener === undefined || held === null) return;
			listener.held = null;
			receiver.holds -= 1;
			for (const { frame, kind, index } of held) receiver.deliver(frame, kind, index);
		},

		/** Index of the first frame that is kept back from a session; null when none is. */
		heldFrom(key: string, receiver: Receiver): number | null {
			const held = find(key, receiver)?.held ?? [];
			return held.find(({ index }) => index > 0)?.index ?? null;
		},

		has(key: string): boolean {
			return keys.has(key);
		},

		/** Whether this session listens to a key. */
		listens(key: string, receiver: Receiver): boolean {
			return find(key, receiver) !== undefined;
		},

		/** Who listens to a key now: for many questions about one key. */
		listenersOf(key: string): (receiver: Receiver) => boolean {
			return (receiver) => find(key, receiver) !== undefined;
		},

		/** Sessions that listen to a key. */
		sizeOf(key: string): number {
			const found = keys.get(key);
			if (found === undefined) return 0;
			return found instanceof Map ? found.size : 1;
		},

		/**
		 * Sends one frame to every session that listens to a key. The same frame object for all: encoded once.
		 *
		 * @param frame Made only when somebody listens.
		 * @param originId Session that must not get it: it caused it.
		 */
		deliver(key: string, frame: () => OutFrame, kind: SendKind, originId?: string): void {
			const found = keys.get(key);
			if (found === undefined) return;
			const made = frame();
			const index = passing.test(key) ? 0 : log.append(key, made, originId, position);
			if (found instanceof Listener) {
				if (found.receiver.id !== originId) hand(found, made, kind, index);
				return;
			}
			for (const listener of found.values()) {
				if (listener.receiver.id !== originId) hand(listener, made, kind, index);
			}
		},

		/** What is delivered from now on, in this turn, says the change at this position; null: none. */
		at(pos: Pos | null): void {
			position = pos;
		},
	};
}

export type FanoutTable = ReturnType<typeof fanoutTable>;
