import { ClientError } from '@rookery/protocol/errors.ts';
import type { AttemptKey, LoginAttemptRepository } from '../repositories/login-attempts.ts';
import type { Clock } from '../platform/clock.ts';
import type { SettingsReader } from './settings.ts';

const minuteMs = 60_000;

/** Who tries: the account as it was looked up, and the address. */
export type Attempt = { username: string; ip: string };

type Deps = { attempts: LoginAttemptRepository; settings: SettingsReader; clock: Clock };

/**
 * Slows down guessing: rates of attempts, and blocks after too many failures. Counted for all replicas.
 * @see security contract, SEC-AN-4 and 4; REST contract, 7
 */
export function loginThrottle({ attempts, settings, clock }: Deps) {
	/** Which blocks the settings ask for. */
	function rules({
		username,
		ip,
	}: Attempt): { key: AttemptKey; attempts: number; blockMs: number; scope: 'ip' | 'user' }[] {
		if (!settings.flag('Block_Multiple_Failed_Logins_Enabled', true) || ip === '') return [];
		const found = [];
		const number = (name: string, fallback: number) =>
			settings.number(`Block_Multiple_Failed_Logins_${name}`, fallback);
		if (settings.flag('Block_Multiple_Failed_Logins_By_Ip', true) && !isAllowed(ip, settings)) {
			found.push({
				key: { ip },
				scope: 'ip' as const,
				attempts: Math.max(1, number('Attempts_Until_Block_By_Ip', 50)),
				blockMs: Math.max(0, number('Time_To_Unblock_By_Ip_In_Minutes', 5)) * minuteMs,
			});
		}
		if (settings.flag('Block_Multiple_Failed_Logins_By_User', true)) {
			found.push({
				// With the address, so that an outsider cannot lock an account for its owner.
				key: { username, ip },
				scope: 'user' as const,
				attempts: Math.max(1, number('Attempts_Until_Block_by_User', 10)),
				blockMs: Math.max(0, number('Time_To_Unblock_By_User_In_Minutes', 5)) * minuteMs,
			});
		}
		return found;
	}

	/** Counts one call. @throws ClientError `too-many-requests` with `details.timeToReset` in ms */
	async function count(key: string, calls: number): Promise<void> {
		const resetMs = await attempts.take({ key, calls, perMs: minuteMs });
		if (resetMs === null) return;
		const seconds = Math.ceil(resetMs / 1000);
		throw new ClientError(
			'too-many-requests',
			`Error, too many requests. Please slow down. You must wait ${seconds} seconds before trying again.`,
			{ timeToReset: resetMs },
		);
	}

	return {
		/** Ten credential logins a minute for an account, sixty for an address. */
		async countLogin(account: string, ip: string): Promise<void> {
			if (!settings.flag('API_Enable_Rate_Limiter', true)) return;
			if (ip !== '') await count(`login:ip:${ip}`, 60);
			await count(`login:account:${account}`, 10);
		},

		/** Registrations of an address, by `Rate_Limiter_Limit_RegisterUser` a minute. */
		async countRegistration(ip: string): Promise<void> {
			if (!settings.flag('API_Enable_Rate_Limiter', true) || ip === '') return;
			await count(`register:ip:${ip}`, settings.number('Rate_Limiter_Limit_RegisterUser', 1));
		},

		/** @throws ClientError `error-login-blocked-for-ip`, `error-login-blocked-for-user` */
		async refuseBlocked(attempt: Attempt): Promise<void> {
			for (const { key, blockMs, scope } of rules(attempt)) {
				// An hour more than needed: the clocks of this process and of the database may differ.
				const since = new Date(clock.now() - blockMs - 60 * minuteMs);
				if (!(await attempts.isBlocked(key, since))) continue;
				throw scope === 'ip'
					? new ClientError('error-login-blocked-for-ip', 'Login has been temporarily blocked For IP')
					: new ClientError('error-login-blocked-for-user', 'Login has been temporarily blocked For User');
			}
		},

		async recordFailure(attempt: Attempt): Promise<void> {
			const limits = rules(attempt);
			if (limits.length > 0) await attempts.recordFailure(attempt, limits);
		},

		async recordSuccess(uid: string, attempt: Attempt): Promise<void> {
			if (rules(attempt).length === 0) return;
			await attempts.recordSuccess({ _id: uid, username: attempt.username }, attempt.ip);
		},
	};
}

export type LoginThrottle = ReturnType<typeof loginThrottle>;

/** Addresses that are never blocked as such: a comma list. */
function isAllowed(ip: string, settings: SettingsReader): boolean {
	const list = settings.text('Block_Multiple_Failed_Logins_Ip_Whitelist', '');
	return list.split(',').some((entry) => entry.trim() === ip);
}
