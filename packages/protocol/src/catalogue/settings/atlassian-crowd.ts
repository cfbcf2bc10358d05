import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `AtlassianCrowd`. @see data model, 9.3 to 9.5 */
export const atlassianCrowdSettings: readonly SettingDefinition[] = [
	{ id: 'CROWD_Enable', type: 'boolean', value: false, public: true },
	{ id: 'CROWD_Remove_Orphaned_Users', type: 'boolean', value: false, public: true },
];
