import { z } from 'zod';
import { route } from './route.ts';

/** `POST users.logout`: ends every token of the caller, or of another user. @see REST endpoints, 2 */
export const usersLogout = route({
	post: 'users.logout',
	summary: 'End all sessions of a user',
	auth: 'user',
	body: z.object({ userId: z.string().max(256).optional() }),
	run: async ({ actor, body, services }) => {
		const uid = body.userId === undefined || body.userId === '' ? actor.uid : body.userId;
		await services.users.logoutEverywhere(actor, uid);
		return { message: `User ${uid} has been logged out!` };
	},
});

/** `POST users.logoutOtherClients`: ends all other login tokens; personal access tokens stay. */
export const usersLogoutOtherClients = route({
	post: 'users.logoutOtherClients',
	summary: 'End all other sessions of the caller',
	auth: 'user',
	run: async ({ actor, headers, services }) => {
		await services.accounts.logoutOthers(actor.uid, actor.hashedToken);
		return { token: headers['x-auth-token'], tokenExpires: actor.tokenExpires ?? undefined };
	},
});

/** `POST users.removeOtherTokens`: the older name of the same. */
export const usersRemoveOtherTokens = route({
	post: 'users.removeOtherTokens',
	summary: 'End all other sessions of the caller',
	auth: 'user',
	run: async ({ actor, services }) => {
		await services.accounts.logoutOthers(actor.uid, actor.hashedToken);
		return {};
	},
});
