import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `LiveStream & Broadcasting`. @see data model, 9.3 to 9.5 */
export const liveStreamBroadcastingSettings: readonly SettingDefinition[] = [
	{ id: 'Livestream_enabled', type: 'boolean', value: false, public: true },
	{ id: 'Broadcasting_enabled', type: 'boolean', value: false, public: true },
	{ id: 'Broadcasting_media_server_url', type: 'string', value: '', public: true },
];
