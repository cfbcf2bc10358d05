import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `SlackBridge`. @see data model, 9.3 to 9.5 */
export const slackBridgeSettings: readonly SettingDefinition[] = [
	{ id: 'SlackBridge_Enabled', type: 'boolean', value: false, public: true },
];
