import { route } from './route.ts';

/** `POST logout`, and GET for old clients: only the presented token ends. @see REST contract, 3.5 */
export const logout = route({
	getOrPost: 'logout',
	summary: 'End the token of this request',
	auth: 'user',
	run: async ({ actor, services }) => {
		await services.accounts.logout(actor.uid, actor.hashedToken);
		return { status: 'success', data: { message: "You've been logged out!" } };
	},
});
