import type { Room, Subscription, UserId } from '@rookery/protocol/records.ts';
import type { RoomMemberRepository } from '../repositories/room-members.ts';
import type { RoomRepository } from '../repositories/rooms.ts';
import type { NewSubscription, SubscriptionRepository } from '../repositories/subscriptions.ts';
import type { UserRecord, UserRepository } from '../repositories/users.ts';
import type { AuthorizationApi } from './contracts.ts';
import type { MessagesService } from './messages.ts';
import type { SettingsReader } from './settings.ts';

/** What the parts of the rooms service need. */
export type RoomDeps = {
	rooms: RoomRepository;
	subscriptions: SubscriptionRepository;
	members: RoomMemberRepository;
	users: UserRepository;
	messages: Pick<MessagesService, 'postSystem' | 'removeAll' | 'forClient'>;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	/** Makes a new document id. */
	ids: () => string;
};

/** Counters of a membership that starts without anything unread. */
export const nothingUnread = { alert: false, unread: 0, userMentions: 0, groupMentions: 0 } as const;

/** Counters of who joins or is added later: he sees that something is new. @see data model, 4 */
export const somethingNew = { alert: true, unread: 1, userMentions: 1, groupMentions: 0 } as const;

/** The stored form of a new membership of a channel or group: copies of the room's data, the user's preferences. */
export function newMembership(
	room: Room,
	user: UserRecord,
	id: string,
	own: Pick<Subscription, 'open' | 'alert' | 'unread' | 'userMentions' | 'groupMentions'> &
		Partial<Pick<Subscription, 'roles' | 'f' | 'name' | 'fname'>> & { hasJoinTime: boolean; isSeen?: boolean },
): NewSubscription {
	return {
		_id: id,
		rid: room._id,
		t: room.t,
		u: userRefOf(user),
		...(room.name === undefined ? {} : { name: room.name }),
		...(room.fname === undefined ? {} : { fname: room.fname }),
		...(room.customFields === undefined ? {} : { customFields: room.customFields }),
		...(room.prid === undefined ? {} : { prid: room.prid }),
		...(room.teamId === undefined ? {} : { teamId: room.teamId }),
		...(room.teamMain === undefined ? {} : { teamMain: room.teamMain }),
		...notificationDefaults(user),
		...own,
	};
}

/** How a user is named in other records. */
export function userRefOf(user: { _id: UserId; username?: string | undefined; name?: string | undefined }): {
	_id: UserId;
	username?: string;
	name?: string;
} {
	return {
		_id: user._id,
		...(user.username === undefined ? {} : { username: user.username }),
		...(user.name === undefined ? {} : { name: user.name }),
	};
}

/** The user's own wishes as the start values of a membership; `user` tells that they follow his preferences. */
function notificationDefaults(user: UserRecord): Partial<Subscription> {
	const preferences = user.settings?.preferences ?? {};
	const wish = (key: string): string | null => {
		const value = preferences[key];
		return value === 'all' || value === 'mentions' || value === 'nothing' ? value : null;
	};
	const desktop = wish('desktopNotifications');
	const mobile = wish('pushNotifications');
	const email = wish('emailNotificationMode');
	const highlights = preferences['highlights'];
	const words = Array.isArray(highlights)
		? highlights.filter((word): word is string => typeof word === 'string' && word.trim() !== '')
		: [];
	return {
		...(desktop === null ? {} : { desktopNotifications: desktop, desktopPrefOrigin: 'user' }),
		...(mobile === null ? {} : { mobilePushNotifications: mobile, mobilePrefOrigin: 'user' }),
		...(email === null ? {} : { emailNotifications: email, emailPrefOrigin: 'user' }),
		...(words.length === 0 ? {} : { userHighlights: words }),
	};
}

/** How often the number of members is counted again while others come and go. */
const maxCounts = 20;

/**
 * Brings a room's `usersCount` in step with its memberships. Who writes counts again: so the last writer of several at
 * once leaves the true number.
 */
export async function recountMembers(
	{ rooms, subscriptions }: Pick<RoomDeps, 'rooms' | 'subscriptions'>,
	rid: string,
): Promise<void> {
	let counted = await subscriptions.countMembers(rid);
	for (let tries = 0; tries < maxCounts; tries++) {
		if (!(await rooms.setUsersCount(rid, counted))) return;
		const again = await subscriptions.countMembers(rid);
		if (again === counted) return;
		counted = again;
	}
}
