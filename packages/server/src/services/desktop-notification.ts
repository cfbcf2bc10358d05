import type { Post } from '@rookery/protocol/events.ts';
import type { Subscription } from '@rookery/protocol/records.ts';
import type { RoomFacts, UserFacts } from '../repositories/streamer-reads.ts';

/** Values of settings that the rule depends on. */
export type NotificationSettings = {
	/** `Accounts_Default_User_Preferences_desktopNotifications`: `all`, `mentions` or `nothing`. */
	defaultPreference: string;
	/** `Notifications_Max_Room_Members`: in larger rooms only what concerns somebody in person; 0 = no such bound. */
	maxRoomMembers: number;
	/** `UI_Use_Real_Name` */
	usesRealNames: boolean;
};

/**
 * Whether a member of a room gets a desktop notification of a post.
 *
 * @see realtime contract 4.6.4
 */
export function isNotified(
	post: Post,
	room: RoomFacts,
	subscription: Subscription,
	user: UserFacts,
	settings: NotificationSettings,
): boolean {
	const uid = subscription.u._id;
	if (post.u._id === uid || subscription.ignored?.includes(post.u._id) === true) return false;
	if (subscription.disableNotifications === true) return false;
	if (user.statusConnection === 'offline' || user.status === 'busy') return false;
	const preference = preferenceOf(subscription, user);
	if (preference === 'nothing') return false;
	const isMentioned = post.mentions.includes(uid);
	const isHighlighted = holdsHighlight(post.msg, subscription, user);
	const isReply = post.tmid !== undefined;
	const follows = post.replies?.includes(uid) === true;
	if (settings.maxRoomMembers > 0 && room.usersCount > settings.maxRoomMembers) {
		const isPersonal = isHighlighted || isMentioned || (isReply && follows);
		return isPersonal || (preference === 'all' && (!isReply || follows));
	}
	if (preference === null) {
		if (settings.defaultPreference === 'all') return !isReply || follows || isMentioned;
		if (settings.defaultPreference === 'nothing') return false;
	}
	const concerns =
		room.t === 'd' ||
		post.all ||
		(post.here && user.status !== 'offline') ||
		isHighlighted ||
		preference === 'all' ||
		isMentioned;
	// Who is mentioned in a thread follows it from then on.
	return concerns && (!isReply || follows || isMentioned);
}

/** The user's own choice, for this room or for all; null = none: the server's default decides. */
function preferenceOf(subscription: Subscription, user: UserFacts): string | null {
	const own = subscription.desktopNotifications ?? user.settings?.preferences?.['desktopNotifications'];
	return typeof own === 'string' && own !== 'default' && own !== '' ? own : null;
}

/** Words that a user wants to be told of, as whole words, without regard to case. */
function holdsHighlight(msg: string, subscription: Subscription, user: UserFacts): boolean {
	const personal = user.settings?.preferences?.['highlights'];
	const words = subscription.userHighlights ?? (Array.isArray(personal) ? (personal as unknown[]) : []);
	if (words.length === 0) return false;
	const text = msg.toLowerCase();
	return words.some(
		(word) => typeof word === 'string' && word.trim() !== '' && holdsWord(text, word.trim().toLowerCase()),
	);
}

function holdsWord(text: string, word: string): boolean {
	for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
		if (!isWordChar(text[at - 1]) && !isWordChar(text[at + word.length])) return true;
	}
	return false;
}

function isWordChar(char: string | undefined): boolean {
	return char !== undefined && /[\p{L}\p{N}_]/u.test(char);
}

/** The one `args` element of the `notification` event. @see realtime contract 4.6.4 */
export function notificationOf(
	post: Post,
	room: RoomFacts,
	subscription: Subscription,
	usesRealNames: boolean,
): object {
	const { u: sender } = post;
	const shownName = (usesRealNames ? sender.name : undefined) ?? sender.username ?? '';
	const isEncrypted = post.t === 'e2e';
	const body = isEncrypted ? 'Encrypted message' : post.msg;
	const { _id, rid, tmid, t, msg, content } = post;
	return {
		...titleAndText(room, subscription, shownName, body),
		duration: 0,
		payload: {
			_id,
			rid,
			tmid,
			sender: { _id: sender._id, username: sender.username, name: sender.name },
			type: room.t,
			name: room.name,
			message: { msg, t, content },
		},
	};
}

function titleAndText(room: RoomFacts, subscription: Subscription, sender: string, text: string) {
	if (room.t === 'd' && (room.uids?.length ?? 2) <= 2) return { title: sender, text };
	if (room.t === 'd') return { title: subscription.fname ?? subscription.name ?? '', text: `${sender}: ${text}` };
	const name = room.fname ?? room.name ?? '';
	if (room.t === 'l' || room.t === 'v') return { title: `[Omnichannel] ${name}`, text };
	return { title: `#${name}`, text: `${sender}: ${text}` };
}
