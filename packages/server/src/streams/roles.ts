import { stream } from './stream.ts';

/** `stream-roles`, event `roles`: role records as they change. @see realtime contract 4.9 */
export const roles = stream('roles', {
	access: 'user',
	busKey: () => 'all:roles',
	mayRead: async ({ actor }) => actor !== null,
});
