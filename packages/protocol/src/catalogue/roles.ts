import type { Role } from '../records.ts';

function role(id: string, scope: Role['scope'], description = ''): Omit<Role, '_updatedAt'> {
	return { _id: id, name: id, scope, description, protected: true, mandatory2fa: false };
}

/**
 * The built-in roles. A described role is shown beside names. `anonymous` is implied for requests without a user.
 * @see data model, 10.1
 */
export const roleCatalogue: readonly Omit<Role, '_updatedAt'>[] = [
	role('admin', 'Users', 'Admin'),
	role('user', 'Users'),
	role('bot', 'Users'),
	role('app', 'Users'),
	role('guest', 'Users'),
	role('anonymous', 'Users'),
	role('livechat-agent', 'Users', 'Livechat Agent'),
	role('livechat-manager', 'Users', 'Livechat Manager'),
	role('livechat-monitor', 'Users'),
	role('auditor', 'Users'),
	role('auditor-log', 'Users'),
	role('federated-external', 'Users'),
	role('owner', 'Subscriptions', 'Owner'),
	role('moderator', 'Subscriptions', 'Moderator'),
	role('leader', 'Subscriptions', 'Leader'),
];
