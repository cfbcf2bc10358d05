import { createHash, timingSafeEqual } from 'node:crypto';
import type { LoginToken } from '@rookery/protocol/records.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { TokenOwner, UserCredentialRepository } from '../repositories/user-credentials.ts';
import type { SettingsReader } from './settings.ts';

const dayMs = 24 * 60 * 60 * 1000;
const usualDays = 90;
const longestDays = 36_500;

/** base64 SHA-256: the only form in which a token is stored. */
export function hashToken(token: string): string {
	return createHash('sha256').update(token, 'utf8').digest('base64');
}

/** Whether two hashes are equal, in constant time. */
export function isSameHash(first: string, second: string): boolean {
	const [a, b] = [Buffer.from(first), Buffer.from(second)];
	return a.length === b.length && timingSafeEqual(a, b);
}

/** When a token made at `when` ends, by `Accounts_LoginExpiration` in days; a value that makes no sense counts as 90. */
export function tokenEnd(when: Date, settings: SettingsReader): Date {
	const days = settings.number('Accounts_LoginExpiration', usualDays);
	const valid = Number.isFinite(days) && days > 0 ? Math.min(days, longestDays) : usualDays;
	return new Date(when.getTime() + valid * dayMs);
}

/** End of a token: null = never (personal access tokens); a login token without a date has ended. */
export function endOf(token: LoginToken, settings: SettingsReader): Date | null {
	if (token.type === 'personalAccessToken') return null;
	return token.when instanceof Date ? tokenEnd(token.when, settings) : new Date(0);
}

/** What stands for "never" on the wire. */
export function neverEnds(now: number): Date {
	return new Date(now + 36_525 * dayMs);
}

export type FoundToken = { owner: TokenOwner; token: LoginToken };

/** Lookups that wait for a read; more are refused. */
const maxWaiting = 10_000;
const maxBatch = 500;
const maxReads = 4;

/**
 * Looks tokens up, one read for all that are asked for while earlier reads are on their way. Nothing is remembered:
 * a token that was revoked before the question is not found.
 */
export function tokenFinder(credentials: UserCredentialRepository) {
	type Waiting = { hash: string; resolve(found: FoundToken | null): void; reject(error: unknown): void };
	let waiting: Waiting[] = [];
	let reads = 0;

	function startReads(): void {
		while (reads < maxReads && waiting.length > 0) {
			const batch = waiting.slice(0, maxBatch);
			waiting = waiting.slice(maxBatch);
			reads += 1;
			void read(batch).finally(() => {
				reads -= 1;
				startReads();
			});
		}
	}

	async function read(batch: Waiting[]): Promise<void> {
		try {
			const owners = await credentials.findByTokens([...new Set(batch.map(({ hash }) => hash))]);
			const byHash = new Map<string, FoundToken>();
			for (const owner of owners) {
				for (const token of owner.tokens) byHash.set(token.hashedToken, { owner, token });
			}
			for (const { hash, resolve } of batch) {
				const found = byHash.get(hash);
				resolve(found !== undefined && isSameHash(found.token.hashedToken, hash) ? found : null);
			}
		} catch (error) {
			for (const { reject } of batch) reject(error);
		}
	}

	return {
		/**
		 * The holder of a token, or null.
		 *
		 * @throws ClientError `error-service-unavailable` when too many lookups wait
		 */
		find(hash: string): Promise<FoundToken | null> {
			if (waiting.length >= maxWaiting) {
				return Promise.reject(new ClientError('error-service-unavailable', 'Service Unavailable'));
			}
			return new Promise((resolve, reject) => {
				waiting.push({ hash, resolve, reject });
				// The lookups of this turn of the event loop travel together.
				if (waiting.length === 1) setImmediate(startReads);
			});
		},
	};
}
