import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `SAML`. @see data model, 9.3 to 9.5 */
export const samlSettings: readonly SettingDefinition[] = [
	{ id: 'SAML_Custom_Default', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'SAML_Custom_Default_provider', type: 'string', value: 'provider-name', public: true, since: 8 },
	{
		id: 'SAML_Custom_Default_idp_slo_redirect_url',
		type: 'string',
		value: 'https://idp.example.org/logout',
		public: true,
		since: 8,
	},
];
