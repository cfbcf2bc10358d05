import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `CAS`. @see data model, 9.3 to 9.5 */
export const casSettings: readonly SettingDefinition[] = [
	{ id: 'CAS_enabled', type: 'boolean', value: false, public: true },
	{ id: 'CAS_base_url', type: 'string', value: '', public: true },
	{ id: 'CAS_login_url', type: 'string', value: '', public: true },
	{ id: 'CAS_trust_username', type: 'boolean', value: false, public: true },
	{ id: 'CAS_popup_width', type: 'int', value: '810', public: true },
	{ id: 'CAS_popup_height', type: 'int', value: '610', public: true },
];
