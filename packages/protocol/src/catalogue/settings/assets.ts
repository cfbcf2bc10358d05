import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Assets`. @see data model, 9.3 to 9.5 */
export const assetsSettings: readonly SettingDefinition[] = [
	{ id: 'Assets_logo', type: 'asset', value: { defaultUrl: 'images/logo/logo.svg' }, public: true },
	{ id: 'Assets_background', type: 'asset', value: {}, public: true },
	{ id: 'Assets_favicon_ico', type: 'asset', value: { defaultUrl: 'favicon.ico' }, public: true },
	{ id: 'Assets_favicon', type: 'asset', value: { defaultUrl: 'images/logo/icon.svg' }, public: true },
	{ id: 'Assets_favicon_16', type: 'asset', value: { defaultUrl: 'images/logo/favicon-16x16.png' }, public: true },
	{ id: 'Assets_favicon_32', type: 'asset', value: { defaultUrl: 'images/logo/favicon-32x32.png' }, public: true },
	{
		id: 'Assets_favicon_192',
		type: 'asset',
		value: { defaultUrl: 'images/logo/android-chrome-192x192.png' },
		public: true,
	},
	{
		id: 'Assets_favicon_512',
		type: 'asset',
		value: { defaultUrl: 'images/logo/android-chrome-512x512.png' },
		public: true,
	},
	{
		id: 'Assets_touchicon_180',
		type: 'asset',
		value: { defaultUrl: 'images/logo/apple-touch-icon.png' },
		public: true,
	},
	{
		id: 'Assets_touchicon_180_pre',
		type: 'asset',
		value: { defaultUrl: 'images/logo/apple-touch-icon-precomposed.png' },
		public: true,
	},
	{ id: 'Assets_tile_70', type: 'asset', value: { defaultUrl: 'images/logo/mstile-70x70.png' }, public: true },
	{ id: 'Assets_tile_144', type: 'asset', value: { defaultUrl: 'images/logo/mstile-144x144.png' }, public: true },
	{ id: 'Assets_tile_150', type: 'asset', value: { defaultUrl: 'images/logo/mstile-150x150.png' }, public: true },
	{
		id: 'Assets_tile_310_square',
		type: 'asset',
		value: { defaultUrl: 'images/logo/mstile-310x310.png' },
		public: true,
	},
	{ id: 'Assets_tile_310_wide', type: 'asset', value: { defaultUrl: 'images/logo/mstile-310x150.png' }, public: true },
	{
		id: 'Assets_safari_pinned',
		type: 'asset',
		value: { defaultUrl: 'images/logo/safari-pinned-tab.svg' },
		public: true,
	},
	{ id: 'Assets_logo_dark', type: 'asset', value: { defaultUrl: 'images/logo/logo_dark.svg' }, public: true, since: 8 },
	{ id: 'Assets_background_dark', type: 'asset', value: {}, public: true, since: 8 },
	{ id: 'Assets_livechat_widget_logo', type: 'asset', value: {}, public: true, since: 8 },
];
