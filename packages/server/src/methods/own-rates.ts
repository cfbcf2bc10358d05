import type { RateRule } from './method.ts';

/** A limit of one name in place of the two rules by name. */
export type OwnRate = {
	rule: RateRule;
	/** Whose calls are counted together: a user's (an address's where nobody is logged in) or a connection's. */
	by: 'user' | 'connection';
	/** Permission whose holders are free of it. */
	exempt?: string;
};

const oncePerSecond: OwnRate = { rule: { calls: 1, perMs: 1_000 }, by: 'user' };
const oncePerMinute: OwnRate = { rule: { calls: 1, perMs: 60_000 }, by: 'user' };
const oncePerFiveSeconds: OwnRate = { rule: { calls: 1, perMs: 5_000 }, by: 'user' };
const fivePerFiveSeconds: OwnRate = { rule: { calls: 5, perMs: 5_000 }, by: 'user' };
const hundredPerHundredSeconds: OwnRate = { rule: { calls: 100, perMs: 100_000 }, by: 'user' };
const account: OwnRate = { rule: { calls: 5, perMs: 10_000 }, by: 'connection' };

/**
 * Methods with a limit of their own, those that are still to come included. Not here: `login`, `registerUser`, which
 * accounts counts for all replicas.
 *
 * @see realtime contract 2.10
 */
export const ownRates: ReadonlyMap<string, OwnRate> = new Map<string, OwnRate>([
	['sendMessage', { rule: { calls: 5, perMs: 1_000 }, by: 'user', exempt: 'send-many-messages' }],
	['createDirectMessage', { rule: { calls: 10, perMs: 60_000 }, by: 'user', exempt: 'send-many-messages' }],
	['spotlight', hundredPerHundredSeconds],
	['browseChannels', hundredPerHundredSeconds],
	['getRoomById', { rule: { calls: 10, perMs: 60_000 }, by: 'user' }],
	['setAvatarFromService', oncePerFiveSeconds],
	['resetAvatar', oncePerMinute],
	['userSetUtcOffset', oncePerMinute],
	['setUsername', oncePerSecond],
	['setRealName', oncePerSecond],
	['setEmail', oncePerSecond],
	['checkUsernameAvailability', oncePerSecond],
	['saveCustomFields', oncePerSecond],
	['setUserStatus', oncePerSecond],
	['followMessage', fivePerFiveSeconds],
	['unfollowMessage', fivePerFiveSeconds],
	['livechat:sendOfflineMessage', oncePerFiveSeconds],
	['livechat:sendTranscript', oncePerFiveSeconds],
	['autoTranslate.getSupportedLanguages', { rule: { calls: 5, perMs: 60_000 }, by: 'user' }],
	['createUser', account],
	['resetPassword', account],
	['forgotPassword', account],
]);
