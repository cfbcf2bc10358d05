import { holderOf, loggedIn } from './read-rules.ts';
import { stream } from './stream.ts';

/** Permissions of which one is enough to see settings that are not public. */
const settingPermissions = ['view-privileged-setting', 'edit-privileged-setting', 'manage-selected-settings'];

const busKeys = new Map<string, `all:${string}`>([
	['user-status', 'all:presence'],
	['permissions-changed', 'all:permissions'],
	['private-settings-changed', 'all:settings'],
]);

/**
 * `stream-notify-logged`: what everybody who is logged in may know (avatars, names, emoji, roles), and the settings that
 * are not public for those who may see them.
 *
 * @see realtime contract 4.4
 */
export const notifyLogged = stream('notify-logged', {
	read: loggedIn,
	events: { 'private-settings-changed': holderOf(settingPermissions) },
	write: 'nobody',
	spread: ['permissions-changed'],
	busKey: ({ event }) => busKeys.get(event) ?? 'all:logged',
});
