import type { Message, MessageId, Room, RoomId } from '@rookery/protocol/records.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { backoffMs } from '../platform/retry.ts';
import type { Change } from '../repositories/watch-change.ts';
import type { CoreApi } from '../services/contracts.ts';

type Deps = { core: Pick<CoreApi, 'settle'>; clock: Clock; log: Log };

/** How long a message may be in no room's `rk.i`, in ms. */
const countWithinMs = 1_000;
/** How long a post may stand in a room's `rk.p`, in ms: core takes it out with the next post or a second later. */
const completeWithinMs = 3_000;
const tickMs = 250;
/** Rooms repaired at once. */
const maxRunning = 4;
/** Messages and posts followed at once; the oldest room's are forgotten first. */
const maxFollowed = 20_000;
/** Rooms that the hub's progress names. */
const maxNamed = 1_000;

/** Stands for whatever an earlier hub has not seen to the end. */
const leftOver = '';

/** What of a room is not known to be done, each with the time since when. */
type Followed = { missing: Map<MessageId, number>; open: Map<MessageId, number>; retryAt: number; attempts: number };

/**
 * Sees which posts a crash has left half done, and has core repair their rooms: messages that no version of their room
 * has counted, and posts whose subscriptions did not follow.
 *
 * @see architecture 5, "The message is the commit"
 */
export function settlingWatch({ core, clock, log }: Deps) {
	const rooms = new Map<RoomId, Followed>();
	const running = new Set<RoomId>();
	let followed = 0;
	let timer: NodeJS.Timeout | null = null;

	function roomOf(rid: RoomId): Followed {
		let room = rooms.get(rid);
		if (room === undefined) {
			rooms.set(rid, (room = { missing: new Map(), open: new Map(), retryAt: 0, attempts: 0 }));
		}
		return room;
	}

	function drop(rid: RoomId): void {
		const room = rooms.get(rid);
		if (room === undefined) return;
		followed -= room.missing.size + room.open.size;
		rooms.delete(rid);
	}

	function add(list: Map<MessageId, number>, id: MessageId): void {
		if (list.has(id)) return;
		list.set(id, clock.monotonic());
		followed += 1;
		while (followed > maxFollowed) {
			const [oldest] = rooms.keys();
			if (oldest === undefined) return;
			drop(oldest);
		}
	}

	function remove(rid: RoomId, list: Map<MessageId, number>, id: MessageId): void {
		if (list.delete(id)) followed -= 1;
		const room = rooms.get(rid);
		if (room !== undefined && room.missing.size + room.open.size === 0) rooms.delete(rid);
	}

	function onMessage({ operation, id, before, after }: Change<Message>): void {
		if (operation === 'insert' && after !== null && after._hidden !== true && after.imported === undefined) {
			add(roomOf(after.rid).missing, id);
		}
		const room = before === null ? undefined : rooms.get(before.rid);
		if (operation === 'delete' && before !== null && room !== undefined) remove(before.rid, room.missing, id);
	}

	function onRoom({ id: rid, operation, after }: Change<Room>): void {
		if (operation === 'delete') return drop(rid);
		const posts = after?.rk?.p ?? [];
		if (posts.length === 0 && !rooms.has(rid)) return;
		const room = roomOf(rid);
		const present = new Set(posts.map(({ m }) => m));
		for (const id of present) add(room.open, id);
		for (const id of room.open.keys()) if (!present.has(id)) remove(rid, room.open, id);
		for (const id of after?.rk?.i ?? []) if (room.missing.has(id)) remove(rid, room.missing, id);
		if (room.missing.size + room.open.size === 0) rooms.delete(rid);
	}

	function isDue({ missing, open, retryAt }: Followed, now: number): boolean {
		if (now < retryAt) return false;
		// Both are in order of time: the first is the oldest.
		const [counted] = missing.values();
		const [completed] = open.values();
		return (
			(counted !== undefined && now - counted >= countWithinMs) ||
			(completed !== undefined && now - completed >= completeWithinMs)
		);
	}

	function tick(): void {
		const now = clock.monotonic();
		for (const [rid, room] of rooms) {
			if (running.size >= maxRunning) return;
			if (!running.has(rid) && isDue(room, now)) void settle(rid, room);
		}
	}

	async function settle(rid: RoomId, room: Followed): Promise<void> {
		running.add(rid);
		room.attempts += 1;
		const now = clock.monotonic();
		room.retryAt = now + backoffMs(room.attempts, { firstMs: 1_000, longestMs: 30_000 });
		const uncounted = [...room.missing].filter(([, since]) => now - since >= countWithinMs).map(([id]) => id);
		try {
			await core.settle(
				rid,
				uncounted.filter((id) => id !== leftOver),
			);
			log.info({ event: 'hub.settled', rid, messages: uncounted.length }, 'a half done post was completed');
			// What core left uncounted is not to be counted; an open post goes when its room says so.
			for (const id of uncounted) remove(rid, room.missing, id);
		} catch (error) {
			log.warn({ event: 'hub.settle', rid, attempt: room.attempts, err: error }, 'a room could not be repaired yet');
		} finally {
			running.delete(rid);
		}
	}

	return {
		/** A change of any collection. */
		note(change: Change): void {
			if (change.collection === 'rocketchat_message') onMessage(change as Change<Message>);
			else if (change.collection === 'rocketchat_room') onRoom(change as Change<Room>);
		},

		/** Rooms that an earlier hub had not seen to the end: each is repaired once. */
		restore(rids: RoomId[]): void {
			for (const rid of rids) add(roomOf(rid).missing, leftOver);
		},

		/** Rooms with something half done, for the next hub. */
		unsettled: (): RoomId[] => [...rooms.keys()].slice(0, maxNamed),

		tick,
		start(): void {
			timer ??= setInterval(tick, tickMs).unref();
		},
		/** Ends; repairs in progress are core's affair. */
		stop(): void {
			if (timer !== null) clearInterval(timer);
			timer = null;
			rooms.clear();
			followed = 0;
		},
	};
}

export type SettlingWatch = ReturnType<typeof settlingWatch>;
