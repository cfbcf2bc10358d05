import type { CreateIndexesOptions, IndexDescription } from 'mongodb';

type Options = Omit<CreateIndexesOptions, 'sparse' | 'unique'>;

/** Keys as text: `rid, ts:-1` is ascending by `rid`, then descending by `ts`. */
function index(keys: string, options: CreateIndexesOptions = {}): IndexDescription {
	const key = Object.fromEntries(
		keys.split(', ').map((part) => {
			const [field = '', kind = '1'] = part.split(':');
			return [field, /^-?1$/.test(kind) ? Number(kind) : kind] as const;
		}),
	) as Record<string, 1 | -1>;
	return { key, ...options };
}

const sparse = (keys: string): IndexDescription => index(keys, { sparse: true });
const unique = (keys: string): IndexDescription => index(keys, { unique: true });
const uniqueSparse = (keys: string, options: Options = {}): IndexDescription =>
	index(keys, { unique: true, sparse: true, ...options });
const expiring = (keys: string, expireAfterSeconds: number): IndexDescription => index(keys, { expireAfterSeconds });

const daySeconds = 24 * 60 * 60;
const oauthServices = ['google', 'facebook', 'github', 'gitlab', 'linkedin', 'twitter', 'apple'];
/** Compares as names are compared: without regard to case. */
const ignoringCase = { locale: 'en', strength: 2 };

/**
 * The indexes of the shared collections with exactly the options Rocket.Chat 5.0 gives them, and our own, whose names
 * begin with `rk_`.
 * @see data model, 14; Meteor, packages/accounts-base and accounts-password
 */
export const indexTable: Readonly<Record<string, readonly IndexDescription[]>> = {
	users: [
		...['username', 'emails.address', 'services.resume.loginTokens.hashedToken'].map((key) => uniqueSparse(key)),
		...['services.resume.loginTokens.token', 'services.email.verificationTokens.token'].map((key) => uniqueSparse(key)),
		...['services.password.reset.token', 'services.password.enroll.token', 'extension'].map((key) => uniqueSparse(key)),
		...oauthServices.map((service) => uniqueSparse(`services.${service}.id`)),
		...['services.resume.haveLoginTokensToDelete', 'services.resume.loginTokens.when'].map(sparse),
		...['services.password.reset.when', 'services.password.enroll.when'].map(sparse),
		...['__rooms', 'roles', 'bio', 'nickname', 'active', 'statusConnection', 'appId', 'federation'].map(sparse),
		...['isRemote', 'openBusinessHours', 'statusLivechat', 'language'].map(sparse),
		...['active, services.email2fa.enabled', 'active, services.totp.enabled'].map(sparse),
		...['name', 'createdAt', 'lastLogin', 'status', 'statusText', 'type'].map((key) => index(key)),
		...['services.saml.inResponseTo', '_updatedAt'].map((key) => index(key)),
		index('username', { name: 'rk_username_ignoring_case', collation: ignoringCase }),
		index('emails.address', { name: 'rk_email_ignoring_case', collation: ignoringCase }),
		uniqueSparse('rk.username', { name: 'rk_username' }),
		uniqueSparse('rk.emails', { name: 'rk_emails' }),
	],
	rocketchat_room: [
		uniqueSparse('name'),
		...['default', 'featured', 'muted', 'prid', 'fname', 'uids', 'createdOTR', 'encrypted'].map(sparse),
		...['teamId, teamDefault', 'open', 'departmentId', 'metrics.chatDuration'].map(sparse),
		...['metrics.serviceTimeDuration', 'metrics.visitorInactivity'].map(sparse),
		...['omnichannel.predictedVisitorAbandonmentAt', 'closedAt', 'servedBy', 'v.token'].map(sparse),
		...['v.token, email.thread', 'v._id', 'source', 'departmentAncestors'].map(sparse),
		...['t', 'u._id', 'ts', '_updatedAt'].map((key) => index(key)),
		index('t, departmentId, closedAt', { partialFilterExpression: { closedAt: { $exists: true } } }),
	],
	rocketchat_subscription: [
		unique('rid, u._id'),
		...['rid', 'rid, ls', 'rid, u._id, open', 'rid, u.username', 'rid, alert, u._id'].map((key) => index(key)),
		...['rid, roles', 'u._id, name, t', 'name, t', 'open', 'alert', 'ts', 'ls'].map((key) => index(key)),
		...['prid', 'u._id, open, department', '_updatedAt'].map((key) => index(key)),
		...['desktopNotifications', 'mobilePushNotifications', 'emailNotifications', 'autoTranslate'].map(sparse),
		...['autoTranslateLanguage', 'userHighlights.0'].map(sparse),
		index('rid, userHighlights.0', {
			name: 'rk_rid_highlights',
			partialFilterExpression: { 'userHighlights.0': { $exists: true } },
		}),
		index('rid, status', { name: 'rk_rid_status', partialFilterExpression: { status: { $exists: true } } }),
	],
	rocketchat_message: [
		...['rid, ts, _updatedAt', 'ts', 'u._id', 'rid, t, u._id', 'rid, tcount', '_updatedAt'].map((key) => index(key)),
		...['editedAt', 'editedBy._id', 'file._id', 'mentions.username', 'pinned', 'snippeted'].map(sparse),
		...['slackTs, slackBotId', 'unread', 'drid', 'tmid', 'tcount, tlm', 'navigation.token'].map(sparse),
		...['starred._id', 'pinnedBy._id'].map(sparse),
		expiring('expireAt', 0),
		index('msg:text'),
		index('location:2dsphere'),
		index('rid, tlm:-1', { partialFilterExpression: { tcount: { $exists: true } } }),
		index('rid, _updatedAt', { name: 'rk_rid_updatedAt' }),
	],
	rocketchat_settings: [sparse('blocked'), sparse('hidden')],
	rocketchat__trash: [
		index('__collection__'),
		expiring('_deletedAt', 30 * daySeconds),
		index('rid, __collection__, _deletedAt'),
		index('u._id, __collection__, _deletedAt', { name: 'rk_user_collection_deletedAt' }),
	],
	rocketchat_uploads: ['rid', 'uploadedAt', 'typeGroup'].map((key) => index(key)),
	rocketchat_avatars: ['name', 'rid'].map(sparse),
	rocketchat_export_operations: ['userId', 'status'].map((key) => index(key)),
	rocketchat_user_data_files: [index('userId')],
	rocketchat_read_receipts: [unique('roomId, userId, messageId'), index('messageId')],
	rocketchat_team: [unique('name')],
	rocketchat_team_member: [index('teamId'), unique('teamId, userId')],
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
	rocketchat_server_events: [
		index('t, ip, ts:-1'),
		index('t, u.username, ts:-1'),
		// Only events of ours have `rk`.
		index('ts', {
			name: 'rk_attempts_expiry',
			expireAfterSeconds: 30 * daySeconds,
			partialFilterExpression: { rk: { $exists: true } },
		}),
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
