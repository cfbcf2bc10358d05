import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Analytics`. @see data model, 9.3 to 9.5 */
export const analyticsSettings: readonly SettingDefinition[] = [
	{ id: 'PiwikAnalytics_enabled', type: 'boolean', value: false, public: true },
	{ id: 'PiwikAnalytics_url', type: 'string', value: '', public: true },
	{ id: 'PiwikAnalytics_siteId', type: 'string', value: '', public: true },
	{ id: 'PiwikAdditionalTrackers', type: 'string', value: '', public: true },
	{ id: 'PiwikAnalytics_prependDomain', type: 'boolean', value: false, public: true },
	{ id: 'PiwikAnalytics_cookieDomain', type: 'boolean', value: false, public: true },
	{ id: 'PiwikAnalytics_domains', type: 'string', value: '', public: true },
	{ id: 'GoogleAnalytics_enabled', type: 'boolean', value: false, public: true },
	{ id: 'GoogleAnalytics_ID', type: 'string', value: '', public: true },
	{ id: 'Analytics_features_messages', type: 'boolean', value: true, public: true },
	{ id: 'Analytics_features_rooms', type: 'boolean', value: true, public: true },
	{ id: 'Analytics_features_users', type: 'boolean', value: true, public: true },
];
