import type { SettingDefinition } from '../setting.ts';

/** Settings of no group. @see data model, 9.3 to 9.5 */
export const ungroupedSettings: readonly SettingDefinition[] = [
	{ id: 'uniqueID', type: 'string', value: '', public: true, generated: 'workspaceId' },
	{ id: 'css', type: 'code', value: '', hidden: true },
	{ id: 'Initial_Channel_Created', type: 'boolean', value: false, hidden: true },
	{ id: 'Cloud_Workspace_AirGapped_Restrictions_Remaining_Days', type: 'int', value: -1, public: true, since: 8 },
];
