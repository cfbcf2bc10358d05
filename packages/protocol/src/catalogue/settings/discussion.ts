import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Discussion`. @see data model, 9.3 to 9.5 */
export const discussionSettings: readonly SettingDefinition[] = [
	{ id: 'Discussion_enabled', type: 'boolean', value: true, public: true },
];
