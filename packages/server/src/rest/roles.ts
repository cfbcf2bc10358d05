import { route } from './route.ts';

/** `roles.list`: every role, built in or not. */
export const rolesList = route({
	get: 'roles.list',
	summary: 'All roles',
	auth: 'user',
	run: async ({ services }) => ({
		roles: (await services.permissions.roles()).map(
			({ _id, name, scope, description, protected: isProtected, mandatory2fa }) => ({
				_id,
				name,
				scope,
				description,
				protected: isProtected,
				mandatory2fa: mandatory2fa === true,
			}),
		),
	}),
});
