import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `ABAC`. @see data model, 9.3 to 9.5 */
export const abacSettings: readonly SettingDefinition[] = [
	{ id: 'ABAC_Enabled', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'ABAC_PDP_Type', type: 'select', value: 'local', public: true, values: ['local'], since: 8 },
	{ id: 'ABAC_Attribute_Store', type: 'select', value: 'local', public: true, values: ['local'], since: 8 },
	{ id: 'ABAC_ShowAttributesInRooms', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'ABAC_Classification_Banners_Enabled', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'ABAC_Classification_Banners_Config', type: 'code', value: '', public: true, since: 8 },
	{ id: 'Abac_Cache_Decision_Time_Seconds', type: 'int', value: 300, public: true, since: 8 },
];
