import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Threads`. @see data model, 9.3 to 9.5 */
export const threadsSettings: readonly SettingDefinition[] = [
	{ id: 'Threads_enabled', type: 'boolean', value: true, public: true },
];
