import { ClientError, isErrorCode } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Tally } from '../platform/tally.ts';
import type { AccountsApi, Connection, LoginOutcome, LoginResult } from '../services/contracts.ts';
import { loginQueue, type QueuedLogin } from './login-queue.ts';
import type { DdpLimits } from './limits.ts';
import { tooMany } from './rates.ts';

/** The bounds that concern logins. */
export type LoginLimits = Pick<
	DdpLimits,
	| 'maxResumeCalls'
	| 'maxResumesPerCall'
	| 'resumeGatherMs'
	| 'resumeGatherMaxMs'
	| 'maxQueuedResumes'
	| 'crowdedResumes'
	| 'maxRunningLogins'
	| 'maxQueuedLogins'
	| 'loginQueueMs'
>;

type Deps = {
	accounts: Pick<AccountsApi, 'login' | 'loginMany'>;
	clock: Clock;
	limits: LoginLimits;
	tally?: Tally;
	/** From 0 to 1: spreads when refused clients come back. */
	random?: () => number;
};

/** Longer texts are no token of anybody: accounts refuses them one by one. */
const maxTokenLength = 4_096;

/** So many in one call are a crowd: the next are gathered for longer. */
const crowd = 5;

/** Refused clients are asked to come back after 1 s to 10 s. */
const hint = { fromMs: 1_000, spreadMs: 9_000 };

/**
 * Lets logins through to accounts a bounded number at a time, in the order they came.
 *
 * Those by token are many and quick: one that comes alone leaves at once, those that follow within the gathering time
 * travel in one call. Those by password are few and slow, and have a queue of their own, so that neither kind holds up the
 * other. What does not fit, or waits too long, is refused with a hint when to come back.
 *
 * @see security contract 4; realtime contract 3.3.1, 7.3 (D-34, D-39)
 */
export function loginAdmission({ accounts, clock, limits, tally, random = Math.random }: Deps) {
	const refusal = () => {
		tally?.('limited', 'login-queue');
		return tooMany(Math.ceil(hint.fromMs + random() * hint.spreadMs));
	};
	const queueOf = (maxSize: number, pump: () => void) =>
		loginQueue({ clock, maxSize, maxWaitMs: limits.loginQueueMs, refusal, pump });
	const resumes = queueOf(limits.maxQueuedResumes, sendResumes);
	const others = queueOf(limits.maxQueuedLogins, sendOthers);
	let resumeCalls = 0;
	let running = 0;
	let gatherMs = limits.resumeGatherMs;
	let sentAt = -Infinity;
	let isGathering = false;

	/** Sends what is gathered. A call is not made sooner than the gathering time after the one before, unless it is full. */
	function sendResumes(): void {
		while (resumes.size > 0 && resumeCalls < limits.maxResumeCalls) {
			const restMs = sentAt + gatherMs - clock.monotonic();
			if (resumes.size < limits.maxResumesPerCall && restMs > 0) return gather(restMs);
			const batch = resumes.take(limits.maxResumesPerCall);
			if (batch.length > 0) callMany(batch);
		}
	}

	function gather(restMs: number): void {
		if (isGathering) return;
		isGathering = true;
		setTimeout(() => {
			isGathering = false;
			sendResumes();
		}, Math.ceil(restMs)).unref();
	}

	function callMany(batch: QueuedLogin[]): void {
		sentAt = clock.monotonic();
		if (batch.length >= crowd) gatherMs = Math.min(gatherMs * 2, limits.resumeGatherMaxMs);
		else if (batch.length === 1) gatherMs = limits.resumeGatherMs;
		resumeCalls += 1;
		void settleMany(accounts, batch).then(() => {
			resumeCalls -= 1;
			sendResumes();
		});
	}

	function sendOthers(): void {
		while (others.size > 0 && running < limits.maxRunningLogins) {
			for (const { options, connection, resolve, reject } of others.take(1)) {
				running += 1;
				void accounts
					.login(options, connection)
					.then(resolve, reject)
					.then(() => {
						running -= 1;
						sendOthers();
					});
			}
		}
	}

	return {
		/**
		 * Any form of login, as accounts answers it.
		 *
		 * @param isWanted Asked before the login is sent: false when its client has gone.
		 * @throws ClientError as accounts refuses; `too-many-requests` with `details.timeToReset` when too many wait or when
		 *   it waited too long
		 */
		login(options: unknown, connection: Connection, isWanted: () => boolean = () => true): Promise<LoginResult> {
			const token = tokenOf(options);
			if (token === null) return others.add(options, connection, isWanted);
			return resumes.add({ resume: token }, connection, isWanted);
		},
		/** Too many logins wait for new sockets to be welcome. */
		isOverloaded(): boolean {
			return resumes.size > limits.crowdedResumes;
		},
		/** When a client that is turned away may come back, 1 s to 10 s: another answer for each. */
		retryAfterSeconds(): number {
			return Math.ceil((hint.fromMs + random() * hint.spreadMs) / 1_000);
		},
		/** Logins that wait for their turn. */
		get waiting(): { resumes: number; others: number } {
			return { resumes: resumes.size, others: others.size };
		},
	};
}

export type LoginAdmission = ReturnType<typeof loginAdmission>;

/** The token of a login by token; null for every other form. What else stands beside it means nothing to accounts. */
function tokenOf(options: unknown): string | null {
	if (typeof options !== 'object' || options === null || Array.isArray(options)) return null;
	const { resume, totp } = options as Record<string, unknown>;
	if (typeof resume !== 'string' || resume.length > maxTokenLength) return null;
	return typeof totp === 'object' && totp !== null ? null : resume;
}

/** Asks accounts for a batch and tells each of its logins how it ended. Never rejects. */
async function settleMany(accounts: Deps['accounts'], batch: QueuedLogin[]): Promise<void> {
	try {
		const outcomes = await accounts.loginMany(batch.map(({ options, connection }) => ({ options, connection })));
		for (const [index, { resolve, reject }] of batch.entries()) {
			const outcome = outcomes[index];
			if (outcome !== undefined && 'result' in outcome) resolve(outcome.result);
			else reject(errorOf(outcome));
		}
	} catch (error) {
		for (const { reject } of batch) reject(error);
	}
}

function errorOf(outcome: Extract<LoginOutcome, { refused: object }> | undefined): ClientError {
	const { code, reason, details } = outcome?.refused ?? { code: 500, reason: 'Internal server error' };
	return new ClientError(isErrorCode(code) ? code : 500, reason, details);
}
