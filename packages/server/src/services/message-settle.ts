import type { Message, MessageId, Room, RoomId } from '@rookery/protocol/records.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { RoomPostRepository } from '../repositories/room-posts.ts';
import type { RoomRepository } from '../repositories/rooms.ts';
import type { MessagePosting } from './message-post.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	messages: MessageRepository;
	posts: RoomPostRepository;
	rooms: Pick<RoomRepository, 'findById'>;
	posting: Pick<MessagePosting, 'recount' | 'complete'>;
	settings: SettingsReader;
};

/** Ids a room's record remembers. */
const rememberedIds = 64;
/** A post is counted at most this long after its `ts`: no call lives longer. */
const longestPostMs = 15_000;
/** Uncounted messages taken up in one go. */
const maxMissing = 200;

/**
 * Repairs what a crash left undone after the commit of a message. Nothing is done twice: counting is guarded by `rk.i`,
 * subscriptions by the entry's number.
 *
 * @see architecture 5
 */
export function messageSettling({ messages, posts, rooms, posting, settings }: Deps) {
	/**
	 * Messages that are certainly uncounted. A full `rk.i` forgets: then only what is too new to have been forgotten is
	 * certain; for the rest the caller, who saw every version of the room, has to name them.
	 */
	async function findMissing(room: Room): Promise<Message[]> {
		const counted = room.rk?.i ?? [];
		if (isOursFromTheStart(room)) return messages.findUncounted(room._id, new Date(0), counted, maxMissing);
		const earliest = counted.length === 0 ? null : await messages.earliestOf(counted);
		const certain =
			earliest === null ? null : new Date(earliest.getTime() + (counted.length < rememberedIds ? 0 : longestPostMs));
		const from = [certain, room.lm ?? null]
			.filter((date) => date !== null)
			.sort((a, b) => a.getTime() - b.getTime())[0];
		if (from === undefined) return [];
		const found = await messages.findUncounted(room._id, from, counted, maxMissing);
		return found.filter(
			({ ts, t, tmid, tshow }) =>
				(certain !== null && ts >= certain) ||
				(room.lm !== undefined && ts > room.lm && t === undefined && (tmid === undefined || tshow === true)),
		);
	}

	/** The last message a client is shown, where a crash left an older or a deleted one. */
	async function repairLast(room: Room): Promise<void> {
		if (!settings.flag('Store_Last_Message', true) || room.lastMessage === undefined) return;
		const stored = await messages.findById(room.lastMessage._id);
		if (stored !== null && stored._hidden !== true && stored.t === room.lastMessage.t) return;
		await posts.replaceLast(room._id, room.lastMessage._id, await messages.findLast(room._id));
	}

	/** @see MessagesService.settle */
	return async function settle(rid: RoomId, uncounted: MessageId[] = []): Promise<void> {
		const before = await rooms.findById(rid);
		if (before === null) return;
		const named = (await messages.findByIds(uncounted)).filter((message) => message.rid === rid);
		const missing = [...named, ...(await findMissing(before))].sort((a, b) => a.ts.getTime() - b.ts.getTime());
		for (const message of missing) await posting.recount(message);
		const room = await rooms.findById(rid);
		const open = room?.rk?.p ?? [];
		const openFrom = Math.min(...open.map(({ s }) => s));
		for (const { m, s } of open) await posting.complete(m, { s, openFrom });
		if (open.length > 0) await posts.close([[rid, open.map(({ m }) => m)]]);
		if (room !== null) await repairLast(room);
	};
}

/** Every message that was ever stored in the room was counted by us, or should have been. */
function isOursFromTheStart({ msgs, rk }: Room): boolean {
	const s = rk?.s ?? 0;
	return msgs <= s && s === (rk?.i ?? []).length;
}
