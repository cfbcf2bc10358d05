import type { AccountsApi, Actor } from '../services/contracts.ts';
import type { DdpLimits } from './limits.ts';

type Deps = {
	accounts: Pick<AccountsApi, 'authenticateMany'>;
	limits: Pick<DdpLimits, 'proofGatherMs' | 'maxProofsPerCall'>;
};

type Question = { uid: string; token: string; resolve(actor: Actor | null): void; reject(error: unknown): void };

/**
 * Asks accounts whether tokens are still valid, those of many sessions in one call: after a restart thousands of clients
 * log in at once, and each login is proved a second time once its revocation would be heard. No client waits for that.
 */
export function tokenProofs({ accounts, limits }: Deps) {
	let gathered: Question[] = [];
	let isGathering = false;

	function send(): void {
		const batch = gathered;
		gathered = [];
		if (batch.length === 0) return;
		void accounts.authenticateMany(batch.map(({ uid, token }) => ({ uid, token }))).then(
			(actors) => {
				for (const [index, { resolve }] of batch.entries()) resolve(actors[index] ?? null);
			},
			(error: unknown) => {
				for (const { reject } of batch) reject(error);
			},
		);
	}

	return {
		/** Who holds this token, as `authenticate` answers it; null when it is not valid. */
		prove(uid: string, token: string): Promise<Actor | null> {
			return new Promise((resolve, reject) => {
				gathered.push({ uid, token, resolve, reject });
				if (gathered.length >= limits.maxProofsPerCall) return send();
				if (isGathering) return;
				isGathering = true;
				setTimeout(() => {
					isGathering = false;
					send();
				}, limits.proofGatherMs).unref();
			});
		},
	};
}

export type TokenProofs = ReturnType<typeof tokenProofs>;
