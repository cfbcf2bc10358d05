import type { ShownSubscription } from './unread.ts';

/** Fields of a subscription that its user's clients are sent. @see realtime contract 4.6.1 */
export const publishedSubscriptionFields = [
	'_id',
	't',
	'ts',
	'ls',
	'lr',
	'name',
	'fname',
	'rid',
	'code',
	'f',
	'u',
	'open',
	'alert',
	'roles',
	'unread',
	'prid',
	'userMentions',
	'groupMentions',
	'archived',
	'audioNotificationValue',
	'desktopNotifications',
	'mobilePushNotifications',
	'emailNotifications',
	'unreadAlert',
	'_updatedAt',
	'blocked',
	'blocker',
	'autoTranslate',
	'autoTranslateLanguage',
	'disableNotifications',
	'hideUnreadStatus',
	'hideMentionStatus',
	'muteGroupMentions',
	'ignored',
	'E2EKey',
	'tunread',
	'tunreadGroup',
	'tunreadUser',
	'department',
	'v',
	'onHold',
	'desktopPrefOrigin',
	'mobilePrefOrigin',
	'emailPrefOrigin',
	'E2ESuggestedKey',
	'oldRoomKeys',
] as const;

/** A shown subscription as events carry it: complete, and nothing that is not named above. */
export function publishedSubscription(shown: ShownSubscription): ShownSubscription {
	const values = shown as Record<string, unknown>;
	const picked: Record<string, unknown> = {};
	for (const field of publishedSubscriptionFields) {
		if (values[field] !== undefined) picked[field] = values[field];
	}
	return picked as ShownSubscription;
}
