import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Actor, PublicUser } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { qDate, qList } from './query.ts';
import { forbidden, RestFailure, route } from './route.ts';
import { userOf, userRefBody, userRefQuery, type UserRefParams } from './user-ref.ts';

/** The user a request names, or the caller where it names nobody. */
async function userOrSelf(services: CoreServices, actor: Actor, ref: UserRefParams): Promise<PublicUser> {
	const isNamed = [ref.userId, ref.username, ref.user].some((text) => text !== undefined && text !== '');
	return userOf(services, isNamed ? ref : { userId: actor.uid });
}

/** `GET users.getStatus`. @see REST endpoints, 2 */
export const usersGetStatus = route({
	get: 'users.getStatus',
	summary: 'Status of a user',
	auth: 'user',
	query: z.object(userRefQuery),
	run: async ({ actor, query, services }) => {
		const user = await userOrSelf(services, actor, query);
		const own = user._id === actor.uid ? { connectionStatus: user.statusConnection ?? 'offline' } : {};
		return { _id: user._id, status: user.status ?? 'offline', message: user.statusText, ...own };
	},
});

/** `GET users.getPresence`. */
export const usersGetPresence = route({
	get: 'users.getPresence',
	summary: 'Presence of a user',
	auth: 'user',
	query: z.object(userRefQuery),
	run: async ({ actor, query, services }) => {
		const user = await userOrSelf(services, actor, query);
		const presence = user.status ?? 'offline';
		if (user._id !== actor.uid) return { presence };
		return { presence, connectionStatus: user.statusConnection ?? 'offline', lastLogin: user.lastLogin };
	},
});

/** `GET users.presence`. */
export const usersPresence = route({
	get: 'users.presence',
	summary: 'Who is there',
	auth: 'user',
	query: z.object({ ids: qList().optional(), from: qDate.optional() }),
	run: async ({ actor, query, services }) => {
		const scope = {
			...(query.ids === undefined ? {} : { ids: query.ids }),
			...(query.from === undefined ? {} : { from: query.from }),
		};
		return services.users.presence(actor, scope);
	},
});

const statuses = ['online', 'away', 'busy', 'offline'] as const;

/** `POST users.setStatus`. */
export const usersSetStatus = route({
	post: 'users.setStatus',
	summary: 'Set status and status text',
	auth: 'user',
	rate: { calls: 5, perMs: 60_000 },
	rateExempt: 'edit-other-user-info',
	body: z.object({
		...userRefBody,
		status: z.string().max(64).optional(),
		message: z.string().max(8192).optional(),
	}),
	run: async ({ actor, body, services }) => {
		const { status, message } = body;
		if (status === undefined && message === undefined) {
			const text = 'Match error: Failed Match.OneOf, Match.Maybe or Match.Optional validation';
			throw new RestFailure(400, text);
		}
		const user = await userOrSelf(services, actor, body);
		const isOther = user._id !== actor.uid;
		if (isOther && !(await services.authorization.has(actor.uid, 'edit-other-user-info'))) throw forbidden();
		const known = status === undefined ? null : (statuses.find((name) => name === status) ?? invalidStatus());
		await services.presence.setStatus(user._id, known, message ?? null);
		return {};
	},
});

function invalidStatus(): never {
	const details = { method: 'users.setStatus' };
	const text = 'Valid status types include online, away, offline, and busy.';
	throw new ClientError('error-invalid-status', text, details);
}
