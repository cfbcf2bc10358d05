import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Outlook_Calendar`. @see data model, 9.3 to 9.5 */
export const outlookCalendarSettings: readonly SettingDefinition[] = [
	{ id: 'Outlook_Calendar_Enabled', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'Outlook_Calendar_Exchange_Url', type: 'string', value: '', public: true, since: 8 },
	{ id: 'Outlook_Calendar_Outlook_Url', type: 'string', value: '', public: true, since: 8 },
	{ id: 'Outlook_Calendar_Url_Mapping', type: 'code', value: '{}', public: true, since: 8 },
	{ id: 'Calendar_BusyStatus_Enabled', type: 'boolean', value: true, public: true, since: 8 },
	{ id: 'Calendar_MeetingUrl_Regex', type: 'string', value: 'https://[^\\s"\'<>]+', public: true, since: 8 },
];
