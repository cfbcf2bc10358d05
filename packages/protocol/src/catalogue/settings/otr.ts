import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `OTR`. @see data model, 9.3 to 9.5 */
export const otrSettings: readonly SettingDefinition[] = [
	{ id: 'OTR_Enable', type: 'boolean', value: true, public: true },
];
