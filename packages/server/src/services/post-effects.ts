import type { CountedApart, Message, Room, UnreadCounters, UserId } from '@rookery/protocol/records.ts';
import { countersOf, mentionEntry, ownEntry, type UnreadMode } from '@rookery/protocol/unread.ts';
import type { SettingsReader } from './settings.ts';

/** What a stored message does to its room's counters and to subscriptions. */
export type PostEffects = {
	/** It stands in the room itself: neither a system message nor a reply shown only in its thread. */
	isShownInRoom: boolean;
	/** It is a reply of a person's. */
	isReply: boolean;
	/** What it adds to the room's counters. */
	moved: UnreadCounters;
	/** Members it names: by mention or by a highlight word. Never the author. */
	mentioned: UserId[];
	/** How the author's subscription counts it. @param s its number in the room */
	forAuthor(s: number): CountedApart;
	/** How a mentioned user's subscription counts it. */
	forMentioned(s: number): CountedApart;
};

/** Types of messages that people write. Every other type is a system message. */
const ordinaryTypes = new Set<string | undefined>([undefined, 'e2e', 'discussion-created']);

/**
 * What a message counts for, by data model 6.2. One that names a person and everybody is a mention for the person and a
 * group mention for the others.
 *
 * @param highlighted Members one of whose highlight words stands in the text.
 */
export function effectsOf(
	message: Pick<Message, 't' | 'tmid' | 'tshow' | 'mentions' | 'u'>,
	{ t }: Pick<Room, 't'>,
	settings: SettingsReader,
	highlighted: UserId[],
): PostEffects {
	const mode = unreadMode(t, settings);
	const isOrdinary = ordinaryTypes.has(message.t);
	const isReply = isOrdinary && message.tmid !== undefined;
	const isShownInRoom = isOrdinary && (!isReply || message.tshow === true);
	const kind = isShownInRoom ? 'ordinary' : isReply ? 'thread' : 'system';
	const moved = countersOf({ kind, isGroupMention: namesEverybody(message), t, mode });
	const named = isShownInRoom ? new Set([...namedUsers(message), ...highlighted]) : new Set<UserId>();
	named.delete(message.u._id);
	return {
		isShownInRoom,
		isReply,
		moved,
		mentioned: [...named],
		forAuthor: (s) => ownEntry(s, moved),
		forMentioned: (s) => mentionEntry(s, moved, t, mode),
	};
}

/** The setting that decides what counts as unread in a room of this type. */
export function unreadMode(t: Room['t'], settings: SettingsReader): UnreadMode {
	return (
		t === 'd'
			? settings.text('Unread_Count_DM', 'all_messages')
			: settings.text('Unread_Count', 'user_and_group_mentions_only')
	) as UnreadMode;
}

/** Whether `@all` or `@here` stands in a message. */
export function namesEverybody(message: Pick<Message, 'mentions'>): boolean {
	return (message.mentions ?? []).some(({ _id }) => _id === 'all' || _id === 'here');
}

/** Persons a message mentions. */
export function namedUsers(message: Pick<Message, 'mentions'>): UserId[] {
	return (message.mentions ?? [])
		.filter(({ _id, type }) => _id !== 'all' && _id !== 'here' && type !== 'team')
		.map(({ _id }) => _id);
}
