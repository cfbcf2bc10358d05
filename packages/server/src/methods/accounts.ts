import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Actor } from '../services/contracts.ts';
import { method } from './method.ts';

/** Accounts counts attempts by account and address; a rule by name would stop an office that comes back at once. */
const countedByAccounts = { calls: 120_000, perMs: 60_000 };

const text = z.string().max(4096);

/**
 * `login(options)` through the tunnel: issues a token, changes no connection. Sockets log in at their streamer.
 * @see realtime contract 3.3.1
 */
export const login = method('login', {
	auth: 'public',
	rate: countedByAccounts,
	params: z.tuple([z.unknown().optional()]),
	run: async ({ params: [options], connection, services, twoFactor }) => {
		const form = twoFactor === undefined ? options : { totp: { login: options, code: twoFactor.code } };
		const { id, token, tokenExpires, type } = await services.accounts.login(form, connection);
		return { id, token, tokenExpires, type };
	},
});

/** `logout()` through the tunnel: ends the token of the request. @see realtime contract 3.3.2 */
export const logout = method('logout', {
	auth: 'public',
	params: z.tuple([]),
	run: async ({ actor, services }) => {
		if (actor !== null) await services.accounts.logout(actor.uid, actor.hashedToken);
		return undefined;
	},
});

/** `getNewToken()` -> `{id, token, tokenExpires}` with the expiry of the present one. */
export const getNewToken = method('getNewToken', {
	auth: 'public',
	params: z.tuple([]),
	run: ({ actor, services }) => {
		const { uid, hashedToken } = loggedIn(actor);
		return services.accounts.newToken(uid, hashedToken);
	},
});

/** `removeOtherTokens()`: personal access tokens stay. */
export const removeOtherTokens = method('removeOtherTokens', {
	auth: 'public',
	params: z.tuple([]),
	run: async ({ actor, services }) => {
		const { uid, hashedToken } = loggedIn(actor);
		await services.accounts.logoutOthers(uid, hashedToken);
		return undefined;
	},
});

/** `registerUser({email, pass, name, secretURL?, reason?})` -> user id. The user takes a name afterwards. */
export const registerUser = method('registerUser', {
	auth: 'public',
	params: z.tuple([
		z.object({
			email: text,
			pass: text,
			name: text.nullish(),
			secretURL: text.nullish(),
			reason: text.nullish(),
		}),
	]),
	run: async ({ params: [form], connection, services }) => {
		const { email, pass: password, name, secretURL, reason } = form;
		const optional = Object.entries({ name, secretURL, reason }).filter(([, value]) => typeof value === 'string');
		const given = { email, password, ...Object.fromEntries(optional) };
		return (await services.accounts.register(given, connection))._id;
	},
});

/** `createUser`: nobody signs up this way. @see realtime contract 3.3.2 */
export const createUser = method('createUser', {
	auth: 'public',
	params: z.tuple([z.unknown().optional()]),
	run: () => Promise.reject(new ClientError(403, 'Signups forbidden')),
});

/** `logoutCleanUp(user)`: web clients announce that they will log out. Nothing of what they send is used. */
export const logoutCleanUp = method('logoutCleanUp', {
	auth: 'public',
	params: z.tuple([z.unknown().optional()]),
	run: () => Promise.resolve(undefined),
});

/** `checkRegistrationSecretURL(hash)` -> whether it is the secret of the registration page. */
export const checkRegistrationSecretURL = method('checkRegistrationSecretURL', {
	auth: 'public',
	params: z.tuple([text]),
	run: ({ params: [secret], services }) => Promise.resolve(services.users.isRegistrationSecret(secret)),
});

/** `getPasswordPolicy({token?})` -> `{enabled, policy}`. */
export const getPasswordPolicy = method('getPasswordPolicy', {
	auth: 'user',
	params: z.tuple([z.object({ token: text.nullish() }).optional()]),
	run: ({ services }) => Promise.resolve(services.users.passwordPolicy()),
});

function loggedIn(actor: Actor | null): Actor {
	if (actor === null) throw new ClientError(401, 'You are not logged in.');
	return actor;
}
