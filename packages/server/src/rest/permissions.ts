import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { qDate, qText } from './query.ts';
import { route } from './route.ts';

/** `permissions.listAll`: all permissions in a stable order, or what changed since a date. */
export const permissionsListAll = route({
	get: 'permissions.listAll',
	summary: 'All permissions and the roles that hold them',
	auth: 'user',
	query: z.object({ updatedSince: qText.optional() }),
	run: async ({ query: { updatedSince }, services }) => {
		if (updatedSince === undefined) return { update: await services.permissions.list(), remove: [] };
		const since = qDate.safeParse(updatedSince);
		if (since.success) return services.permissions.since(since.data);
		// The code's name is the original's.
		const reason = 'The "updatedSince" query parameter must be a valid date.';
		throw new ClientError('error-roomId-param-invalid', reason);
	},
});
