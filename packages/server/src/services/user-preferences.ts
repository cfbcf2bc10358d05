import { settingCatalogue } from '@rookery/protocol/catalogue/settings.ts';
import type { SettingsReader } from './settings.ts';

const prefix = 'Accounts_Default_User_Preferences_';

/** Preferences that no setting gives a default to. */
const withoutSetting: Record<string, unknown> = {
	omnichannelHideConversationAfterClosing: true,
	fontSize: '100%',
	mentionsWithSymbol: false,
	masterVolume: 100,
	voipRingerVolume: 100,
	receiveLoginDetectionEmail: true,
	desktopNotificationVoiceCalls: true,
	dontAskAgainList: [],
	highlights: [],
};

/**
 * Every preference that `me` answers, with the value where neither the user nor the workspace has one.
 * @see REST contract, 3.6
 */
const preferences: Record<string, unknown> = {
	...withoutSetting,
	...Object.fromEntries(
		settingCatalogue.flatMap(({ id, value }) => (id.startsWith(prefix) ? [[id.slice(prefix.length), value]] : [])),
	),
};

/** A user's own preferences over the workspace's defaults (`Accounts_Default_User_Preferences_*`). */
export function effectivePreferences(own: object | undefined, settings: SettingsReader): Record<string, unknown> {
	const defaults = Object.entries(preferences).map(([key, fallback]) => {
		return [key, settings.get(`${prefix}${key}`) ?? fallback];
	});
	return { ...(Object.fromEntries(defaults) as Record<string, unknown>), ...own };
}
