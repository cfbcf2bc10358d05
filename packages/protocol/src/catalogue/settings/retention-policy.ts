import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `RetentionPolicy`. @see data model, 9.3 to 9.5 */
export const retentionPolicySettings: readonly SettingDefinition[] = [
	{ id: 'RetentionPolicy_DoNotPruneDiscussion', type: 'boolean', value: true, public: true },
	{ id: 'RetentionPolicy_DoNotPruneThreads', type: 'boolean', value: true, public: true },
	{ id: 'RetentionPolicy_Enabled', type: 'boolean', value: false, public: true },
	{ id: 'RetentionPolicy_Precision', type: 'select', value: '0', public: true, values: ['0', '1', '2', '3'] },
	{ id: 'RetentionPolicy_Advanced_Precision', type: 'boolean', value: false, public: true },
	{ id: 'RetentionPolicy_Advanced_Precision_Cron', type: 'string', value: '*/30 * * * *', public: true },
	{ id: 'RetentionPolicy_AppliesToChannels', type: 'boolean', value: false, public: true },
	{ id: 'RetentionPolicy_MaxAge_Channels', type: 'int', value: 30, public: true },
	{ id: 'RetentionPolicy_AppliesToGroups', type: 'boolean', value: false, public: true },
	{ id: 'RetentionPolicy_MaxAge_Groups', type: 'int', value: 30, public: true },
	{ id: 'RetentionPolicy_AppliesToDMs', type: 'boolean', value: false, public: true },
	{ id: 'RetentionPolicy_MaxAge_DMs', type: 'int', value: 30, public: true },
	{ id: 'RetentionPolicy_DoNotPrunePinned', type: 'boolean', value: false, public: true },
	{ id: 'RetentionPolicy_FilesOnly', type: 'boolean', value: false, public: true },
];
