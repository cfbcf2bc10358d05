import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { method } from './method.ts';

const id = z.string().max(128);
const status = z.enum(['online', 'away', 'busy', 'offline']);

/**
 * `UserPresence:online(id?)`: on a socket the streamer sets the connection's status itself. Through the REST tunnel there
 * is no connection, and nothing happens.
 *
 * @see realtime contract 3.9
 */
export const presenceOnline = method('UserPresence:online', {
	auth: 'user',
	params: z.tuple([id.optional()]),
	run: () => Promise.resolve(undefined),
});

/** `UserPresence:away(id?)`: as `UserPresence:online`. */
export const presenceAway = method('UserPresence:away', {
	auth: 'user',
	params: z.tuple([id.optional()]),
	run: () => Promise.resolve(undefined),
});

/** `UserPresence:connect(id?, metadata?)`: of an old package of Meteor's, as `UserPresence:online`. */
export const presenceConnect = method('UserPresence:connect', {
	auth: 'user',
	params: z.tuple([id.optional(), z.unknown().optional()]),
	run: () => Promise.resolve(undefined),
});

/** `UserPresence:setDefaultStatus(status)`, or `(id, status)` with the caller's own id. */
export const presenceSetDefaultStatus = method('UserPresence:setDefaultStatus', {
	auth: 'user',
	params: z.tuple([id, status.optional()]),
	run: async ({ actor, params: [first, second], services }) => {
		if (second !== undefined && first !== actor.uid) throw new ClientError('cannot-change-other-users-status');
		const chosen = status.safeParse(second ?? first);
		if (!chosen.success) throw new ClientError(400, 'Match failed');
		await services.presence.setStatus(actor.uid, chosen.data, null);
	},
});

/** `setUserStatus(status?, statusText?)`: a part that is null or absent stays as it is. */
export const setUserStatus = method('setUserStatus', {
	auth: 'user',
	params: z.tuple([status.optional(), z.string().max(8192).optional()]),
	run: async ({ actor, params: [chosen, text], services }) => {
		await services.presence.setStatus(actor.uid, chosen ?? null, text ?? null);
	},
});
