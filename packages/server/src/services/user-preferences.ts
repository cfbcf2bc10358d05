import type { SettingsReader } from './settings.ts';

/**
 * Every preference that `me` answers, with the value where neither the user nor the workspace has one.
 * @see REST contract, 3.6
 */
const preferences: Record<string, unknown> = {
	enableAutoAway: true,
	idleTimeLimit: 300,
	desktopNotificationRequireInteraction: false,
	desktopNotifications: 'all',
	pushNotifications: 'all',
	unreadAlert: true,
	useEmojis: true,
	convertAsciiEmoji: true,
	autoImageLoad: true,
	saveMobileBandwidth: true,
	collapseMediaByDefault: false,
	hideUsernames: false,
	hideRoles: false,
	hideFlexTab: false,
	displayAvatars: true,
	sidebarGroupByType: true,
	sidebarViewMode: 'medium',
	sidebarDisplayAvatar: true,
	sidebarShowUnread: false,
	sidebarSortby: 'activity',
	sidebarShowFavorites: true,
	showMessageInMainThread: false,
	sendOnEnter: 'normal',
	messageViewMode: 0,
	emailNotificationMode: 'mentions',
	newRoomNotification: 'door',
	newMessageNotification: 'chime',
	muteFocusedConversations: true,
	notificationsSoundVolume: 100,
	enableNewMessageTemplate: false,
	alsoSendThreadToChannel: 'default',
	showThreadsInMainChannel: false,
	omnichannelTranscriptEmail: false,
	omnichannelTranscriptPDF: false,
	omnichannelHideConversationAfterClosing: true,
	themeAppearence: 'auto',
	fontSize: '100%',
	sidebarSectionsOrder: [
		'Incoming_Calls',
		'Incoming_Livechats',
		'Open_Livechats',
		'On_Hold_Chats',
		'Unread',
		'Favorites',
		'Teams',
		'Discussions',
		'Channels',
		'Direct_Messages',
		'Conversations',
	],
	notifyCalendarEvents: true,
	enableMobileRinging: true,
	mentionsWithSymbol: false,
	masterVolume: 100,
	voipRingerVolume: 100,
	receiveLoginDetectionEmail: true,
	desktopNotificationVoiceCalls: true,
	featuresPreview: [],
	dontAskAgainList: [],
	highlights: [],
};

/** A user's own preferences over the workspace's defaults (`Accounts_Default_User_Preferences_*`). */
export function effectivePreferences(own: object | undefined, settings: SettingsReader): Record<string, unknown> {
	const defaults = Object.entries(preferences).map(([key, fallback]) => {
		return [key, settings.get(`Accounts_Default_User_Preferences_${key}`) ?? fallback];
	});
	return { ...(Object.fromEntries(defaults) as Record<string, unknown>), ...own };
}
