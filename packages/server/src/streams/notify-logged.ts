import { stream } from './stream.ts';

/** Permissions of which one is enough to see settings that are not public. */
export const settingPermissions = ['view-privileged-setting', 'edit-privileged-setting', 'manage-selected-settings'];

/**
 * `stream-notify-logged`: what everybody who is logged in may know (avatars, names, emoji, roles), and the settings that
 * are not public for those who may see them.
 *
 * @see realtime contract 4.4
 */
export const notifyLogged = stream('notify-logged', {
	access: 'user',
	busKey: ({ event }) => (event === 'user-status' ? 'all:presence' : 'all:logged'),
	mayRead: async ({ actor, event, services }) => {
		if (actor === null) return false;
		if (event !== 'private-settings-changed') return true;
		return services.authorization.hasAny(actor.uid, settingPermissions);
	},
});
