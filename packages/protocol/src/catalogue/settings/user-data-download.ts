import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `UserDataDownload`. @see data model, 9.3 to 9.5 */
export const userDataDownloadSettings: readonly SettingDefinition[] = [
	{ id: 'UserData_EnableDownload', type: 'boolean', value: true, public: true },
	{ id: 'UserData_FileSystemPath', type: 'string', value: '', public: true },
	{ id: 'UserData_FileSystemZipPath', type: 'string', value: '', public: true },
	{ id: 'UserData_ProcessingFrequency', type: 'int', value: 2, public: true },
	{ id: 'UserData_MessageLimitPerRequest', type: 'int', value: 1000, public: true },
];
