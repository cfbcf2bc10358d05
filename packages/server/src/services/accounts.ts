import { ClientError } from '@rookery/protocol/errors.ts';
import { randomSecret } from '@rookery/protocol/ids.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { FirstAdminRepository } from '../repositories/first-admin.ts';
import type { LoginAttemptRepository } from '../repositories/login-attempts.ts';
import type { UserCredentialRepository } from '../repositories/user-credentials.ts';
import type { UserRepository } from '../repositories/users.ts';
import { userCreation } from './accounts-creation.ts';
import { loginPipeline } from './accounts-login.ts';
import { manyLogins } from './accounts-login-many.ts';
import { passwordDigest, passwordHasher } from './accounts-passwords.ts';
import { checkPassword } from './accounts-rules.ts';
import { loginThrottle } from './accounts-throttle.ts';
import { hashToken, tokenEnd } from './accounts-tokens.ts';
import type { AccountsApi, CoreApi } from './contracts.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	users: UserRepository;
	credentials: UserCredentialRepository;
	attempts: LoginAttemptRepository;
	firstAdmin: FirstAdminRepository;
	settings: SettingsReader;
	/** null where users are made without a running core: they join no default rooms then. */
	core: Pick<CoreApi, 'joinDefaultRooms'> | null;
	/** Hears at once which tokens ended, beside the hub. */
	bus?: Pick<Bus, 'publish'>;
	clock: Clock;
	log: Log;
	/** bcrypt cost of new hashes. Default 12. */
	passwordCost?: number;
	/** How many passwords are hashed at once. Default: the machine's cores. */
	hashingCores?: number;
};

/**
 * Proves who somebody is. Runs in: accounts.
 * @see security contract, 1
 */
export function accountsService(deps: Deps): AccountsApi {
	const { users, credentials, attempts, firstAdmin, settings, core, clock, log } = deps;
	const hasher = passwordHasher({ cost: deps.passwordCost ?? 12, ...coresOf(deps) });
	const throttle = loginThrottle({ attempts, settings, clock });
	const creation = userCreation({ users, firstAdmin, hasher, throttle, settings, core, log });
	const pipeline = loginPipeline({ credentials, hasher, throttle, settings, clock, log });

	/** Tells streamers which tokens ended. The hub tells them too: this is only sooner. */
	function announce(uid: string, hashedTokens: string[] | null, reason: string): void {
		if (deps.bus === undefined || hashedTokens?.length === 0) return;
		const body = { uid, hashedTokens, reason };
		try {
			deps.bus.publish({
				key: `user:${uid}`,
				parts: [{ kind: 'record', record: 'logout', action: 'removed', body }],
			});
		} catch (error) {
			log.warn({ event: 'announce-logout', err: error }, 'the bus is away: sockets learn of it from the hub');
		}
	}

	return {
		...pipeline,
		...creation,
		loginMany: manyLogins(pipeline.login, log),

		async logout(uid, hashedToken) {
			if (await credentials.removeToken(uid, hashedToken)) announce(uid, [hashedToken], 'logout');
		},

		async logoutOthers(uid, hashedToken) {
			announce(uid, await credentials.removeOtherTokens(uid, hashedToken), 'logout-others');
		},

		async logoutEverywhere(uid) {
			const exists = await credentials.removeAllTokens(uid);
			if (exists) announce(uid, null, 'logout-everywhere');
			return exists;
		},

		async newToken(uid, present) {
			const token = randomSecret();
			const when = await credentials.addToken(uid, hashToken(token), { hashedToken: present });
			if (when === null) throw new ClientError(401, 'You are not logged in.');
			return { id: uid, token, tokenExpires: tokenEnd(when, settings) };
		},

		async createToken(uid) {
			const authToken = randomSecret();
			const when = await credentials.addToken(uid, hashToken(authToken));
			if (when === null) throw new ClientError('error-invalid-user', 'Invalid user', { method: 'createToken' });
			return { userId: uid, authToken };
		},

		async setPassword(uid, password, keepHashedToken) {
			checkPassword(password, settings);
			const bcrypt = await hasher.hash(passwordDigest(password));
			const ended = await credentials.setPassword(uid, bcrypt, keepHashedToken ?? null);
			if (ended === null) throw new ClientError('error-invalid-user', 'Invalid user');
			announce(uid, ended, 'password-changed');
		},

		async credentialsOf(uid) {
			return (await credentials.kindsOf(uid)) ?? { password: false, totp: false, email2fa: false, services: [] };
		},
	};
}

function coresOf({ hashingCores }: Deps): { cores?: number } {
	return hashingCores === undefined ? {} : { cores: hashingCores };
}
