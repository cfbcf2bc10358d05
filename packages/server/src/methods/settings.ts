import { z } from 'zod';
import type { Setting } from '@rookery/protocol/records.ts';
import { method } from './method.ts';

const fields = [
	'_id',
	'value',
	'type',
	'editor',
	'enterprise',
	'invalidValue',
	'modules',
	'requiredOnWizard',
	'_updatedAt',
] as const satisfies (keyof Setting)[];

/**
 * `public-settings/get(updatedAt?)`: what everybody may know of the workspace; with a date what changed since.
 * Anything that is no date counts as none.
 */
export const publicSettingsGet = method('public-settings/get', {
	auth: 'public',
	params: z.tuple([z.unknown().optional()]),
	run: async ({ params: [updatedAt], services }) => {
		if (!(updatedAt instanceof Date)) return services.settings.listPublic().map(published);
		const { update, remove } = await services.settings.publicSince(updatedAt);
		return { update: update.map(published), remove };
	},
});

function published(setting: Setting): Partial<Setting> {
	const present = fields.filter((field) => setting[field] !== undefined);
	return Object.fromEntries(present.map((field) => [field, setting[field]]));
}
