import type { User } from '@rookery/protocol/records.ts';
import type { AccountsApi, PublicUser } from './contracts.ts';
import { effectivePreferences } from './user-preferences.ts';
import type { SettingsReader } from './settings.ts';

type Credentials = Awaited<ReturnType<AccountsApi['credentialsOf']>>;

const ownFields = [
	'_id',
	'username',
	'name',
	'nickname',
	'emails',
	'type',
	'status',
	'statusDefault',
	'statusText',
	'statusConnection',
	'bio',
	'utcOffset',
	'language',
	'active',
	'roles',
	'defaultRoom',
	'customFields',
	'avatarOrigin',
	'avatarETag',
	'requirePasswordChange',
	'requirePasswordChangeReason',
	'statusLivechat',
	'banners',
	'oauth',
	'extension',
	'federated',
	'createdAt',
	'lastLogin',
	'_updatedAt',
] as const satisfies (keyof User)[];

/** Entries of `services` that are no login service. */
const notLoginServices = ['password', 'resume', 'email', 'email2fa', 'emailCode', 'totp', 'passwordHistory'];

/**
 * A user as he sees himself.
 * @see REST endpoints 1, `me`; REST contract, 3.6
 */
export function ownView(
	user: PublicUser,
	credentials: Credentials,
	{ settings, rootUrl }: { settings: SettingsReader; rootUrl: string },
): Record<string, unknown> {
	const view: Record<string, unknown> = {};
	for (const name of ownFields) if (user[name] !== undefined) view[name] = user[name];
	const verified = user.emails?.find((email) => email.verified);
	const preferences = effectivePreferences(user.settings?.preferences, settings);
	return {
		...view,
		...(verified === undefined ? {} : { email: verified.address }),
		...(user.username === undefined ? {} : { avatarUrl: `${rootUrl}/avatar/${encodeURIComponent(user.username)}` }),
		settings: { profile: {}, ...user.settings, preferences },
		enableAutoAway: preferences['enableAutoAway'],
		idleTimeLimit: preferences['idleTimeLimit'],
		isOAuthUser: credentials.services.some((name) => !notLoginServices.includes(name)),
		services: servicesView(credentials),
	};
}

/** Which credentials a user has: his own to see, without anything secret. */
export function servicesView({ password, totp, email2fa, services }: Credentials): Record<string, object> {
	return {
		...(password ? { password: { exists: true } } : {}),
		...(services.includes('github') ? { github: {} } : {}),
		...(services.includes('gitlab') ? { gitlab: {} } : {}),
		totp: { enabled: totp },
		email2fa: { enabled: email2fa },
	};
}
