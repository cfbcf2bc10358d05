import { daySeconds, expiring, index, sparse, unique, uniqueSparse, type IndexTable } from './index-spec.ts';

const oauthServices = ['google', 'facebook', 'github', 'gitlab', 'linkedin', 'twitter', 'apple'];
/** Compares as names are compared: without regard to case. */
const ignoringCase = { locale: 'en', strength: 2 };

/**
 * The indexes of the collections every workspace uses, with exactly the options Rocket.Chat 5.0 gives them, and our own, whose names
 * begin with `rk_`.
 * @see data model, 14; Meteor, packages/accounts-base and accounts-password
 */
export const indexTable: IndexTable = {
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
	rocketchat_team: [unique('name')],
	rocketchat_team_member: [index('teamId'), unique('teamId, userId')],
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
};
