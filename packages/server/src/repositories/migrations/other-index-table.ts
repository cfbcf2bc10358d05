import { daySeconds, expiring, index, sparse, unique, type IndexTable } from './index-spec.ts';

/**
 * The indexes of the shared collections that many workspaces never fill, with exactly the options Rocket.Chat 5.0 gives
 * them.
 * @see data model, 14
 */
export const otherIndexTable: IndexTable = {
	rocketchat_export_operations: ['userId', 'status'].map((key) => index(key)),
	rocketchat_user_data_files: [index('userId')],
	rocketchat_read_receipts: [unique('roomId, userId, messageId'), index('messageId')],
	rocketchat_integrations: [index('type')],
	rocketchat_integration_history: [
		index('integration._id, integration._createdBy._id'),
		expiring('_updatedAt', 30 * daySeconds),
	],
	rocketchat_custom_emoji: ['name', 'aliases', 'extension'].map((key) => index(key)),
	rocketchat_custom_sounds: [index('name')],
	rocketchat_custom_user_status: [index('name')],
	rocketchat_credential_tokens: [expiring('expireAt', 0)],
	rocketchat_notification_queue: [
		index('uid'),
		expiring('ts', 2 * 60 * 60),
		...['schedule', 'sending', 'error'].map(sparse),
	],
	rookery_attempts: [expiring('expireAt', 0)],
	rocketchat_sessions: [
		...['instanceId, sessionId, year, month, day', 'instanceId, sessionId, userId'].map((key) => index(key)),
		...['instanceId, sessionId', 'sessionId', 'userId', 'year, month, day, type', 'type'].map((key) => index(key)),
		index('ip, loginAt'),
		expiring('_computedAt', 45 * daySeconds),
	],
	usersSessions: ['connections.instanceId', 'connections.id'].map(sparse),
	rocketchat_statistics: [index('createdAt:-1')],
	rocketchat_analytics: [index('date'), unique('room._id, date')],
	rocketchat_oembed_cache: [index('updatedAt')],
	rocketchat_webdav_accounts: [index('userId')],
	rocketchat_banner: ['platform, startAt, expireAt', 'platform, startAt, expireAt, active'].map((key) => index(key)),
	rocketchat_banner_dismiss: [index('userId, bannerId')],
	rocketchat_nps: [index('status, expireAt')],
	rocketchat_nps_vote: [index('npsId, status, sentAt'), unique('npsId, identifier')],
	rocketchat_email_inbox: [unique('email')],
	rocketchat_email_message_history: [expiring('createdAt', daySeconds)],
	pbx_events: [unique('uniqueId')],
	rocketchat_apps_persistence: [index('appId, associations')],
	rocketchat_apps_logs: [index('appId')],
	rocketchat_livechat_visitor: [
		...['token', 'username'].map((key) => index(key)),
		...['phone.phoneNumber', 'visitorEmails.address', 'name', 'contactMananger.username'].map(sparse),
	],
	rocketchat_livechat_inquiry: [
		...['rid', 'name', 'message', 'ts', 'department', 'status', 'v.token, status'].map((key) => index(key)),
		index('queueOrder, estimatedWaitingTimeQueue, estimatedServiceTimeAt'),
	],
	rocketchat_livechat_department: [
		...['name', 'numAgents, enabled'].map((key) => index(key)),
		...['businessHourId', 'type', 'parentId', 'ancestors'].map(sparse),
	],
	rocketchat_livechat_department_agents: ['departmentId', 'departmentEnabled', 'agentId', 'username'].map((key) =>
		index(key),
	),
	rocketchat_livechat_agent_activity: [index('date'), unique('agentId, date')],
	rocketchat_livechat_business_hours: [unique('name')],
	rocketchat_livechat_trigger: [index('enabled')],
	rocketchat_livechat_custom_field: [index('scope')],
	rocketchat_livechat_tag: [unique('name')],
	rocketchat_livechat_priority: [unique('name'), unique('dueTimeInMinutes')],
	rocketchat_livechat_unit_monitors: ['monitorId', 'unitId'].map((key) => index(key)),
	rocketchat_canned_response: [unique('shortcut')],
};
