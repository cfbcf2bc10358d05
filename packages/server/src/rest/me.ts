import { z } from 'zod';
import { readFields } from './list-query.ts';
import { qText } from './query.ts';
import { route } from './route.ts';

/** `GET me`. @see REST endpoints, 1; REST contract, 3.6 */
export const me = route({
	get: 'me',
	summary: 'Everything about the caller',
	auth: 'user',
	query: z.object({ fields: qText.optional() }),
	run: async ({ actor, query, services }) => {
		const choose = readFields(query.fields);
		return choose(await services.users.me(actor.uid));
	},
});
