import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Troubleshoot`. @see data model, 9.3 to 9.5 */
export const troubleshootSettings: readonly SettingDefinition[] = [
	{ id: 'Troubleshoot_Disable_Notifications', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Presence_Broadcast', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Instance_Broadcast', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Sessions_Monitor', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Livechat_Activity_Monitor', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Statistics_Generator', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Data_Exporter_Processor', type: 'boolean', value: false },
	{ id: 'Troubleshoot_Disable_Workspace_Sync', type: 'boolean', value: false },
];
