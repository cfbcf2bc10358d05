import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Setup_Wizard`. @see data model, 9.3 to 9.5 */
export const setupWizardSettings: readonly SettingDefinition[] = [
	{ id: 'Organization_Type', type: 'string', value: '' },
	{ id: 'Organization_Name', type: 'string', value: '' },
	{ id: 'Industry', type: 'string', value: '' },
	{ id: 'Size', type: 'string', value: '' },
	{ id: 'Country', type: 'string', value: '' },
	{ id: 'Website', type: 'string', value: '' },
	{ id: 'Server_Type', type: 'string', value: '' },
	{ id: 'Allow_Marketing_Emails', type: 'boolean', value: true },
	{ id: 'Register_Server', type: 'boolean', value: false },
	{ id: 'Organization_Email', type: 'string', value: '' },
	{ id: 'Nps_Url', type: 'string', value: 'https://nps.rocket.chat', hidden: true },
];
