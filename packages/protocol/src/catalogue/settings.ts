import type { GroupedSetting, SettingDefinition } from './setting.ts';
import { abacSettings } from './settings/abac.ts';
import { accountsSettings } from './settings/accounts.ts';
import { analyticsSettings } from './settings/analytics.ts';
import { assetsSettings } from './settings/assets.ts';
import { atlassianCrowdSettings } from './settings/atlassian-crowd.ts';
import { callCenterSettings } from './settings/call-center.ts';
import { casSettings } from './settings/cas.ts';
import { discussionSettings } from './settings/discussion.ts';
import { e2eEncryptionSettings } from './settings/e2e-encryption.ts';
import { emailSettings } from './settings/email.ts';
import { federationSettings } from './settings/federation.ts';
import { fileUploadSettings } from './settings/file-upload.ts';
import { generalSettings } from './settings/general.ts';
import { layoutSettings } from './settings/layout.ts';
import { ldapSettings } from './settings/ldap.ts';
import { liveStreamBroadcastingSettings } from './settings/live-stream-broadcasting.ts';
import { logsSettings } from './settings/logs.ts';
import { messageSettings } from './settings/message.ts';
import { mobileSettings } from './settings/mobile.ts';
import { oauthSettings } from './settings/oauth.ts';
import { omnichannelSettings } from './settings/omnichannel.ts';
import { otrSettings } from './settings/otr.ts';
import { outlookCalendarSettings } from './settings/outlook-calendar.ts';
import { pushSettings } from './settings/push.ts';
import { rateLimiterSettings } from './settings/rate-limiter.ts';
import { retentionPolicySettings } from './settings/retention-policy.ts';
import { samlSettings } from './settings/saml.ts';
import { searchSettings } from './settings/search.ts';
import { setupWizardSettings } from './settings/setup-wizard.ts';
import { slackBridgeSettings } from './settings/slack-bridge.ts';
import { threadsSettings } from './settings/threads.ts';
import { troubleshootSettings } from './settings/troubleshoot.ts';
import { ungroupedSettings } from './settings/ungrouped.ts';
import { userDataDownloadSettings } from './settings/user-data-download.ts';
import { videoConferenceSettings } from './settings/video-conference.ts';
import { webrtcSettings } from './settings/webrtc.ts';
import { webdavIntegrationSettings } from './settings/webdav-integration.ts';

/** The groups (pages) of settings in their order, each with what stands in it. '' = in no group. */
export const settingGroups: readonly (readonly [group: string, settings: readonly SettingDefinition[]])[] = [
	['ABAC', abacSettings],
	['Accounts', accountsSettings],
	['Analytics', analyticsSettings],
	['Assets', assetsSettings],
	['AtlassianCrowd', atlassianCrowdSettings],
	['Call_Center', callCenterSettings],
	['CAS', casSettings],
	['Discussion', discussionSettings],
	['E2E Encryption', e2eEncryptionSettings],
	['Email', emailSettings],
	['Federation', federationSettings],
	['FileUpload', fileUploadSettings],
	['General', generalSettings],
	['Layout', layoutSettings],
	['LDAP', ldapSettings],
	['LiveStream & Broadcasting', liveStreamBroadcastingSettings],
	['Logs', logsSettings],
	['Message', messageSettings],
	['Mobile', mobileSettings],
	['OAuth', oauthSettings],
	['Omnichannel', omnichannelSettings],
	['OTR', otrSettings],
	['Outlook_Calendar', outlookCalendarSettings],
	['Push', pushSettings],
	['Rate Limiter', rateLimiterSettings],
	['RetentionPolicy', retentionPolicySettings],
	['SAML', samlSettings],
	['Search', searchSettings],
	['Setup_Wizard', setupWizardSettings],
	['SlackBridge', slackBridgeSettings],
	['Threads', threadsSettings],
	['Troubleshoot', troubleshootSettings],
	['', ungroupedSettings],
	['UserDataDownload', userDataDownloadSettings],
	['Video Conference', videoConferenceSettings],
	['WebRTC', webrtcSettings],
	['Webdav Integration', webdavIntegrationSettings],
];

/** Every setting this server knows, with its group and its place in it. */
export const settingCatalogue: readonly GroupedSetting[] = settingGroups.flatMap(([group, settings]) =>
	settings.map((setting, sorter) => ({ ...setting, group, sorter })),
);
