import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Mobile`. @see data model, 9.3 to 9.5 */
export const mobileSettings: readonly SettingDefinition[] = [
	{ id: 'Allow_Save_Media_to_Gallery', type: 'boolean', value: true, public: true },
	{ id: 'Force_Screen_Lock', type: 'boolean', value: false, public: true },
	{ id: 'Force_Screen_Lock_After', type: 'int', value: 1800, public: true },
];
