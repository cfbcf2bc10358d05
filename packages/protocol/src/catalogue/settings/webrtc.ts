import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `WebRTC`. @see data model, 9.3 to 9.5 */
export const webrtcSettings: readonly SettingDefinition[] = [
	{ id: 'WebRTC_Enabled', type: 'boolean', value: false, public: true },
	{ id: 'WebRTC_Enable_Channel', type: 'boolean', value: false, public: true },
	{ id: 'WebRTC_Enable_Private', type: 'boolean', value: false, public: true },
	{ id: 'WebRTC_Enable_Direct', type: 'boolean', value: false, public: true },
	{ id: 'WebRTC_Servers', type: 'string', value: 'stun:stun.nextcloud.com:443', public: true },
];
