import { ClientError } from '@rookery/protocol/errors.ts';
import { randomSecret } from '@rookery/protocol/ids.ts';
import type { LoginName, LoginUser, UserCredentialRepository } from '../repositories/user-credentials.ts';
import { foldName } from '../repositories/users.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { readLoginOptions, type LoginForm } from './accounts-options.ts';
import type { PasswordHasher } from './accounts-passwords.ts';
import { endOf, hashToken, neverEnds, tokenEnd, tokenFinder } from './accounts-tokens.ts';
import type { LoginThrottle } from './accounts-throttle.ts';
import type { Actor, Connection, LoginResult } from './contracts.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	credentials: UserCredentialRepository;
	hasher: PasswordHasher;
	throttle: LoginThrottle;
	settings: SettingsReader;
	clock: Clock;
	log: Log;
};

type PasswordForm = Extract<LoginForm, { kind: 'password' }>;

/** A resume within this time of the last login does not move `lastLogin`. */
const touchAfterMs = 5 * 60_000;
const maxTouches = 10_000;

/** Pairs in one question. */
const maxPairs = 500;

/**
 * The one login pipeline, behind every transport: blocked, proof, active, roles, second factor, token.
 * @see security contract, SEC-AN-1 to SEC-AN-6; realtime contract, 3.3.1
 */
export function loginPipeline({ credentials, hasher, throttle, settings, clock, log }: Deps) {
	const tokens = tokenFinder(credentials);
	const touched = new Set<string>();

	/** Writes `lastLogin` of those who came back with a token, once a second, apart from the answer. */
	function touchLater(uid: string, lastLogin: Date | null): void {
		if (lastLogin !== null && clock.now() - lastLogin.getTime() < touchAfterMs) return;
		if (touched.size >= maxTouches) return;
		if (touched.size === 0) setTimeout(flushTouches, 1_000).unref();
		touched.add(uid);
	}

	function flushTouches(): void {
		const uids = [...touched];
		touched.clear();
		void credentials.touchLastLogin(uids).catch((error: unknown) => {
			log.warn({ event: 'last-login', err: error }, 'the time of the last login could not be stored');
		});
	}

	async function resume(token: string): Promise<LoginResult> {
		const hashedToken = hashToken(token);
		const found = await tokens.find(hashedToken);
		if (found === null) {
			throw new ClientError(403, "You've been logged out by the server. Please log in again.");
		}
		const end = endOf(found.token, settings);
		if (end !== null && end.getTime() <= clock.now()) {
			throw new ClientError(403, 'Your session has expired. Please log in again.');
		}
		checkAccount(found.owner);
		touchLater(found.owner._id, found.owner.lastLogin);
		const actor = actorOf(found.owner, hashedToken, end);
		return resultOf(found.owner, actor, token, end ?? neverEnds(clock.now()), 'resume');
	}

	async function withPassword(form: PasswordForm, code: string | null, connection: Connection): Promise<LoginResult> {
		const ip = connection.clientAddress;
		const user = form.name === null ? null : await credentials.findForLogin(form.name);
		const account = accountOf(user, form.name);
		await throttle.countLogin(account.key, ip);
		const attempt = { username: account.username, ip };
		await throttle.refuseBlocked(attempt);
		const proven: unknown = await hasher.matches(form.digest, user?.bcrypt ?? null);
		if (user === null || user.bcrypt === null || proven !== true) {
			await throttle.recordFailure(attempt);
			throw notFound();
		}
		checkAccount(user);
		checkVerifiedEmail(user, settings);
		checkSecondFactor(user, code, settings);
		const [issued] = await Promise.all([issue(user, user.bcrypt), throttle.recordSuccess(user._id, attempt)]);
		const result = issued ?? (await issueAgain(form, code));
		if (hasher.isWeak(user.bcrypt)) void strengthen(user._id, user.bcrypt, form.digest);
		return result;
	}

	/** Hashes a proven password anew, after the answer: nobody waits for it. */
	async function strengthen(uid: string, former: string, digest: string): Promise<void> {
		try {
			await credentials.replaceHash(uid, former, await hasher.hash(digest));
		} catch (error) {
			log.warn({ event: 'rehash', err: error }, 'a password could not be hashed anew: the next login tries again');
		}
	}

	/** A new token; null when the account or its stored password changed since it was read. */
	async function issue(user: LoginUser, bcrypt: string): Promise<LoginResult | null> {
		const token = randomSecret();
		const hashedToken = hashToken(token);
		const when = await credentials.addToken(user._id, hashedToken, { bcrypt });
		if (when === null) return null;
		const end = tokenEnd(when, settings);
		return resultOf(user, actorOf(user, hashedToken, end), token, end, 'password');
	}

	/** The stored hash changed under the login: it may be the same password, hashed anew by another login. */
	async function issueAgain({ name, digest }: PasswordForm, code: string | null): Promise<LoginResult> {
		const user = name === null ? null : await credentials.findForLogin(name);
		if (user === null || user.bcrypt === null) throw notFound();
		const proven: unknown = await hasher.matches(digest, user.bcrypt);
		if (proven !== true) throw notFound();
		checkAccount(user);
		checkVerifiedEmail(user, settings);
		checkSecondFactor(user, code, settings);
		const result = await issue(user, user.bcrypt);
		if (result === null) throw notFound();
		return result;
	}

	/** Who holds this pair; null when it is not valid. */
	async function authenticate(uid: string, token: string): Promise<Actor | null> {
		const hashedToken = hashToken(token);
		const found = await tokens.find(hashedToken);
		if (found === null || found.owner._id !== uid) return null;
		const end = endOf(found.token, settings);
		if (end !== null && end.getTime() <= clock.now()) return null;
		if (!found.owner.active || found.owner.roles.length === 0) return null;
		return actorOf(found.owner, hashedToken, end);
	}

	return {
		/**
		 * Any form of login.
		 *
		 * @throws ClientError 403 and the codes of the realtime contract, 3.3.1
		 */
		async login(options: unknown, connection: Connection): Promise<LoginResult> {
			const form = readLoginOptions(options);
			const inner = form.kind === 'totp' ? form.login : form;
			const code = form.kind === 'totp' ? form.code : null;
			if (inner.kind === 'resume') return resume(inner.token);
			return withPassword(inner, code, connection).catch((error: unknown) => throwFor(error, connection));
		},

		authenticate,

		/** The same for many. All begin in the same turn, so that their tokens are looked up by one read. */
		async authenticateMany(pairs: { uid: string; token: string }[]): Promise<(Actor | null)[]> {
			if (pairs.length > maxPairs) throw new ClientError(400, 'Match failed');
			return Promise.all(pairs.map(({ uid, token }) => authenticate(uid, token)));
		},
	};
}

/** The proof is done; may this account log in? */
function checkAccount(user: LoginUser): void {
	if (user.type === 'app') {
		throw new ClientError('error-app-user-is-not-allowed-to-login', 'App user is not allowed to login');
	}
	if (!user.active) throw new ClientError('error-user-is-not-activated', 'User is not activated');
	if (user.roles.length === 0) throw new ClientError('error-user-has-no-roles', 'User has no roles');
}

function checkVerifiedEmail(user: LoginUser, settings: SettingsReader): void {
	if (!settings.flag('Accounts_EmailVerification') || user.roles.includes('admin')) return;
	if (user.emails?.some(({ verified }) => verified) === true) return;
	throw new ClientError('error-invalid-email', 'Invalid email __email__');
}

/**
 * A user with a second factor does not get in by the password alone. Codes are not verified yet: with a code the
 * answer is that it is wrong.
 */
function checkSecondFactor(user: LoginUser, code: string | null, settings: SettingsReader): void {
	if (!settings.flag('Accounts_TwoFactorAuthentication_Enabled', true)) return;
	const available: ('totp' | 'email')[] = [];
	if (user.hasTotp && settings.flag('Accounts_TwoFactorAuthentication_By_TOTP_Enabled', true)) available.push('totp');
	const hasVerified = user.emails?.some(({ verified }) => verified) === true;
	const byEmail = settings.flag('Accounts_TwoFactorAuthentication_By_Email_Enabled', true);
	if (user.hasEmail2fa && hasVerified && byEmail) available.push('email');
	const [method] = available;
	if (method === undefined) return;
	const details = { method, codeGenerated: false, ...(method === 'email' ? { emailOrUsername: user.username } : {}) };
	if (code !== null) throw new ClientError('totp-invalid', 'TOTP Invalid', details);
	throw new ClientError('totp-required', 'TOTP Required', { ...details, availableMethods: available });
}

/** A socket's client retries after an error 500; only REST has a status for "unavailable". */
function throwFor(error: unknown, { transport }: Connection): never {
	const isUnavailable = error instanceof ClientError && error.code === 'error-service-unavailable';
	throw isUnavailable && transport !== 'rest' ? new ClientError(500, 'Service Unavailable') : error;
}

/** The same for an unknown user and a wrong password, so that accounts cannot be probed. */
function notFound(): ClientError {
	return new ClientError(403, 'User not found');
}

/** Under which name attempts are counted: the account's own, or the one that was typed. */
function accountOf(user: LoginUser | null, name: LoginName | null): { key: string; username: string } {
	const typed = foldName(name?.value ?? '').slice(0, 254);
	if (user === null) return { key: `name:${typed}`, username: typed };
	return { key: `id:${user._id}`, username: user.username ?? user._id };
}

function actorOf(user: LoginUser, hashedToken: string, end: Date | null): Actor {
	return {
		uid: user._id,
		username: user.username ?? '',
		...(user.name === undefined ? {} : { name: user.name }),
		roles: user.roles,
		hashedToken,
		isPersonalToken: end === null,
		tokenExpires: end,
	};
}

function resultOf(user: LoginUser, actor: Actor, token: string, tokenExpires: Date, type: string): LoginResult {
	const emails = user.emails === undefined ? {} : { emails: user.emails };
	return { id: user._id, token, tokenExpires, type, actor, ...emails };
}
