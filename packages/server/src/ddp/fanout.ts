import type { Pos } from '@rookery/protocol/events.ts';
import type { EventLog } from './event-log.ts';
import { isOwnKey, ownListeners } from './own-listeners.ts';
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

/** One session at one key, when there is more to say than that it listens. */
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

/** Mostly a session listens by one subscription and nothing is kept back: it stands there by itself. */
type Place = Receiver | Listener;

/** Most keys are heard by one session alone: it stands there without a map. */
type Listeners = Place | Map<Receiver, Place>;

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
	/** Events of one user: nothing of them is ever kept back, his identity alone decides. */
	const own = ownListeners<Receiver>();
	let position: Pos | null = null;

	function find(key: string, receiver: Receiver): Place | undefined {
		const found = keys.get(key);
		if (found instanceof Map) return found.get(receiver);
		return found !== undefined && receiverOf(found) === receiver ? found : undefined;
	}

	function put(key: string, receiver: Receiver, place: Place): void {
		const found = keys.get(key);
		if (found instanceof Map) found.set(receiver, place);
		else if (found === undefined || receiverOf(found) === receiver) keys.set(key, place);
		else
			keys.set(
				key,
				new Map([
					[receiverOf(found), found],
					[receiver, place],
				]),
			);
	}

	/** The place of a session with room for more than that it listens. */
	function listenerAt(key: string, receiver: Receiver): Listener | undefined {
		const place = find(key, receiver);
		if (place === undefined || place instanceof Listener) return place;
		const listener = new Listener(receiver);
		put(key, receiver, listener);
		return listener;
	}

	function drop(key: string, place: Place): void {
		const receiver = receiverOf(place);
		if (place instanceof Listener && place.held !== null) receiver.holds -= 1;
		const found = keys.get(key);
		if (found instanceof Map && found.size > 1) found.delete(receiver);
		else keys.delete(key);
	}

	function hand(place: Place, frame: OutFrame, kind: SendKind, index: number): void {
		if (!(place instanceof Listener)) return place.deliver(frame, kind, index);
		const { receiver, held } = place;
		if (held === null) receiver.deliver(frame, kind, index);
		else if (held.length < maxHeld) held.push({ frame, kind, index });
		else receiver.overrun();
	}

	return {
		add(key: string, receiver: Receiver): void {
			if (isOwnKey(key)) return own.add(key, receiver);
			if (find(key, receiver) === undefined) return put(key, receiver, receiver);
			const listener = listenerAt(key, receiver);
			if (listener !== undefined) listener.count += 1;
		},

		/** Ends one subscription. With the last one what was held back is dropped. */
		remove(key: string, receiver: Receiver): void {
			if (isOwnKey(key)) return own.remove(key, receiver);
			const place = find(key, receiver);
			if (place === undefined) return;
			if (place instanceof Listener && place.count > 1) place.count -= 1;
			else drop(key, place);
		},

		/** Keeps frames of this key back from this session until `resume`, or until its subscriptions end. */
		hold(key: string, receiver: Receiver): void {
			const listener = listenerAt(key, receiver);
			if (listener === undefined || listener.held !== null) return;
			listener.held = [];
			receiver.holds += 1;
		},

		resume(key: string, receiver: Receiver): void {
			const listener = find(key, receiver);
			if (!(listener instanceof Listener) || listener.held === null) return;
			const { held } = listener;
			listener.held = null;
			receiver.holds -= 1;
			if (listener.count === 1) put(key, receiver, receiver);
			for (const { frame, kind, index } of held) receiver.deliver(frame, kind, index);
		},

		/** Index of the first frame that is kept back from a session; null when none is. */
		heldFrom(key: string, receiver: Receiver): number | null {
			const place = find(key, receiver);
			const held = place instanceof Listener ? place.held : null;
			return held?.find(({ index }) => index > 0)?.index ?? null;
		},

		has(key: string): boolean {
			return isOwnKey(key) ? own.has(key) : keys.has(key);
		},

		/** Whether this session listens to a key. */
		listens(key: string, receiver: Receiver): boolean {
			if (isOwnKey(key)) return own.of(key).includes(receiver);
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
			const sessions = isOwnKey(key) ? own.of(key) : null;
			const found = keys.get(key);
			if (found === undefined && (sessions === null || sessions.length === 0)) return;
			const made = frame();
			const index = passing.test(key) ? 0 : log.append(key, made, { originId, pos: position });
			for (const receiver of sessions ?? []) if (receiver.id !== originId) receiver.deliver(made, kind, index);
			if (found === undefined) return;
			if (!(found instanceof Map)) {
				if (receiverOf(found).id !== originId) hand(found, made, kind, index);
				return;
			}
			for (const place of found.values()) {
				if (originId === undefined || receiverOf(place).id !== originId) hand(place, made, kind, index);
			}
		},

		/**
		 * Keeps a frame for who comes back, and returns what sends it to those listeners that fit: to all of them in portions.
		 * Who stops to listen before his turn does not get it.
		 */
		portioned(key: string, frame: OutFrame, kind: SendKind): (fits: (receiver: Receiver) => boolean) => void {
			const index = log.append(key, frame, { pos: position });
			return (fits) => {
				const found = keys.get(key);
				if (found === undefined) return;
				for (const place of found instanceof Map ? found.values() : [found]) {
					if (fits(receiverOf(place))) hand(place, frame, kind, index);
				}
			};
		},

		/** What is delivered from now on, in this turn, says the change at this position; null: none. */
		at(pos: Pos | null): void {
			position = pos;
		},
	};
}

function receiverOf(place: Place): Receiver {
	return place instanceof Listener ? place.receiver : place;
}

export type FanoutTable = ReturnType<typeof fanoutTable>;
