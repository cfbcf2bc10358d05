import { z } from 'zod';
import { method } from './method.ts';

/**
 * `permissions/get(updatedAt?)`: all permissions with their roles; with a date what changed since. Anything that is no
 * date counts as none.
 */
export const permissionsGet = method('permissions/get', {
	auth: 'public',
	params: z.tuple([z.unknown().optional()]),
	run: async ({ params: [updatedAt], services }) => {
		return updatedAt instanceof Date ? services.permissions.since(updatedAt) : services.permissions.list();
	},
});
