import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Webdav Integration`. @see data model, 9.3 to 9.5 */
export const webdavIntegrationSettings: readonly SettingDefinition[] = [
	{ id: 'Webdav_Integration_Enabled', type: 'boolean', value: false, public: true },
];
