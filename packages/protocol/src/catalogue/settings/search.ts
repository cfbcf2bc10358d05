import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Search`. @see data model, 9.3 to 9.5 */
export const searchSettings: readonly SettingDefinition[] = [
	{ id: 'Search.Provider', type: 'select', value: 'defaultProvider', public: true, values: ['defaultProvider'] },
];
