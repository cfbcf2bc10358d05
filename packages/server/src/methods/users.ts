import { z } from 'zod';
import { method } from './method.ts';

const username = z.string().max(4096);

/** `setUsername(username, {joinDefaultChannelsSilenced?})` -> username. For a user who has none yet. */
export const setUsername = method('setUsername', {
	auth: 'user',
	params: z.tuple([username, z.object({ joinDefaultChannelsSilenced: z.boolean().nullish() }).optional()]),
	run: ({ actor, params: [name, options], services }) =>
		services.users.setUsername(actor, name, options?.joinDefaultChannelsSilenced === true),
});

/** `checkUsernameAvailability(username)` -> whether nobody has it. */
export const checkUsernameAvailability = method('checkUsernameAvailability', {
	auth: 'user',
	params: z.tuple([username]),
	run: ({ params: [name], services }) => services.users.isUsernameFree(name),
});
