import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Push`. @see data model, 9.3 to 9.5 */
export const pushSettings: readonly SettingDefinition[] = [
	{ id: 'Push_enable', type: 'boolean', value: true, public: true },
	{ id: 'Push_production', type: 'boolean', value: true, public: true },
	{ id: 'Push_gcm_project_number', type: 'string', value: '', public: true, secret: true },
	{ id: 'Push_show_username_room', type: 'boolean', value: true, public: true },
	{ id: 'Push_show_message', type: 'boolean', value: true, public: true },
	{ id: 'Push_enable_gateway', type: 'boolean', value: false },
	{ id: 'Push_gateway', type: 'string', value: 'https://gateway.rocket.chat' },
	{ id: 'Push_apn_passphrase', type: 'string', value: '', secret: true },
	{ id: 'Push_apn_key', type: 'string', value: '', secret: true },
	{ id: 'Push_apn_cert', type: 'string', value: '', secret: true },
	{ id: 'Push_apn_dev_passphrase', type: 'string', value: '', secret: true },
	{ id: 'Push_apn_dev_key', type: 'string', value: '', secret: true },
	{ id: 'Push_apn_dev_cert', type: 'string', value: '', secret: true },
	{ id: 'Push_gcm_api_key', type: 'string', value: '', secret: true },
	{ id: 'Push_request_content_from_server', type: 'boolean', value: true },
	{ id: 'Push_UseLegacy', type: 'boolean', value: false, public: true, since: 8 },
];
