import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `LDAP`. @see data model, 9.3 to 9.5 */
export const ldapSettings: readonly SettingDefinition[] = [
	{ id: 'LDAP_Enable', type: 'boolean', value: false, public: true },
	{ id: 'LDAP_Server_Type', type: 'select', value: 'ad', public: true, values: ['ad', ''] },
];
