import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `E2E Encryption`. @see data model, 9.3 to 9.5 */
export const e2eEncryptionSettings: readonly SettingDefinition[] = [
	{ id: 'E2E_Enable', type: 'boolean', value: false, public: true },
	{ id: 'E2E_Enabled_Default_DirectRooms', type: 'boolean', value: false, public: true },
	{ id: 'E2E_Enabled_Default_PrivateRooms', type: 'boolean', value: false, public: true },
	{ id: 'E2E_Allow_Unencrypted_Messages', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'E2E_Enable_Encrypt_Files', type: 'boolean', value: true, public: true, since: 8 },
	{ id: 'E2E_Enabled_Mentions', type: 'boolean', value: true, public: true, since: 8 },
];
