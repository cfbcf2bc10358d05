import { setTimeout as pauseFor } from 'node:timers/promises';

export type Backoff = {
	/** Longest first pause. Default 100. */
	firstMs?: number;
	/** Longest pause of all. Default 5,000. */
	longestMs?: number;
	/** 0 to 1. Default Math.random. */
	random?: () => number;
};

export type RetryOptions = Backoff & {
	/** How often the work is tried at most. Default: without end, until the signal. */
	attempts?: number;
	/** Ends everything: the promise is rejected with its reason. */
	signal?: AbortSignal;
	/** false = this error will not go away: it is thrown at once. Default: every error may. */
	mayRetry?: (error: unknown) => boolean;
	/** Hears of each failure that is followed by another try. */
	onRetry?: (error: unknown, attempt: number, waitMs: number) => void;
	/** Waits: for tests. */
	pause?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
};

/**
 * The pause before the next attempt: doubled each time up to the bound, half of it random, so that many processes do not
 * come at once.
 *
 * @param attempt Number of failed attempts so far, from 1.
 * @see security contract, REL-9
 */
export function backoffMs(attempt: number, { firstMs = 100, longestMs = 5_000, random = Math.random }: Backoff = {}) {
	const ms = Math.min(longestMs, firstMs * 2 ** Math.min(Math.max(attempt - 1, 0), 30));
	return Math.round(ms / 2 + (random() * ms) / 2);
}

/**
 * Does the work until it succeeds.
 *
 * @param work Gets the number of the attempt, from 1.
 * @throws The last error when the attempts are used up or it may not be tried again; the signal's reason
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
	const { attempts = Infinity, signal, mayRetry, onRetry, pause = pauseAborted } = options;
	for (let attempt = 1; ; attempt++) {
		signal?.throwIfAborted();
		try {
			return await work(attempt);
		} catch (error) {
			signal?.throwIfAborted();
			if (attempt >= attempts || mayRetry?.(error) === false) throw error;
			const waitMs = backoffMs(attempt, options);
			onRetry?.(error, attempt, waitMs);
			await pause(waitMs, signal);
		}
	}
}

/** Waits, or throws the signal's own reason as soon as it aborts. */
async function pauseAborted(ms: number, signal: AbortSignal | undefined): Promise<void> {
	await pauseFor(ms, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
}
