import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Federation`. @see data model, 9.3 to 9.5 */
export const federationSettings: readonly SettingDefinition[] = [
	{ id: 'FEDERATION_Enabled', type: 'boolean', value: false, public: true },
	{ id: 'FEDERATION_Discovery_Method', type: 'select', value: 'dns', public: true, values: ['dns', 'hub'] },
];
