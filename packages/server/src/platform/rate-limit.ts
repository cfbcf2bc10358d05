import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';

/** Outcome of one counted attempt. `resetMs`: until the window ends. */
export type RateVerdict = { allowed: boolean; remaining: number; resetMs: number };

/** How many attempts in how long. As a bucket: so many at once, and one more each `perMs / calls`. */
export type RateWindow = { calls: number; perMs: number };

/**
 * Counts attempts by key in fixed windows, in memory of this process. At most `maxKeys` keys are remembered: the least
 * recently counted ones are forgotten first.
 */
export function rateLimiter(clock: Clock, maxKeys = 50_000) {
	const windows = new LRUCache<string, { startedAt: number; count: number }>({ max: maxKeys });

	return {
		/** Counts one attempt and says whether it is within the limit. An attempt over it is not counted. */
		take(key: string, { calls, perMs }: RateWindow): RateVerdict {
			const now = clock.monotonic();
			let window = windows.get(key);
			if (window === undefined || now - window.startedAt >= perMs) {
				window = { startedAt: now, count: 0 };
				windows.set(key, window);
			}
			const resetMs = Math.max(0, Math.ceil(window.startedAt + perMs - now));
			if (window.count >= calls) return { allowed: false, remaining: 0, resetMs };
			window.count += 1;
			return { allowed: true, remaining: calls - window.count, resetMs };
		},
	};
}

export type RateLimiter = ReturnType<typeof rateLimiter>;

/** Buckets by key. A value is when the bucket will be full again, in ms; no value: it is full. */
export type Buckets = Map<string, number>;

/** What a token bucket says. `resetMs`: when the next attempt may succeed, 0 after an allowed one. */
export type BucketVerdict = { allowed: boolean; resetMs: number };

/**
 * Takes a token out of a bucket. An attempt that finds none costs nothing.
 *
 * A rule without time (`perMs` not over 0) holds nobody up, one without calls lets nobody pass.
 *
 * @param now ms of a clock that does not run backwards, the same for all calls.
 */
export function takeToken(buckets: Buckets, key: string, { calls, perMs }: RateWindow, now: number): BucketVerdict {
	if (!(perMs > 0)) return { allowed: true, resetMs: 0 };
	if (!(calls >= 1)) return { allowed: false, resetMs: Math.ceil(perMs) };
	const perToken = perMs / calls;
	const fullAt = Math.max(buckets.get(key) ?? now, now) + perToken;
	const missingMs = fullAt - now - perMs;
	// A millionth of a token: sums of fractions are not exact.
	if (missingMs > perToken / 1_000_000) return { allowed: false, resetMs: Math.ceil(missingMs) };
	buckets.delete(key);
	buckets.set(key, fullAt);
	return { allowed: true, resetMs: 0 };
}

/** Forgets the buckets that are full: they are as good as new. */
export function dropFull(buckets: Buckets, now: number): void {
	for (const [key, fullAt] of buckets) if (fullAt <= now) buckets.delete(key);
}

/** How often full buckets are forgotten, in ms. */
const sweepEveryMs = 5_000;

/**
 * Token buckets of this process by key. Full ones take no memory; of the others at most `maxKeys` are remembered, the
 * least recently used ones are forgotten first.
 */
export function tokenBuckets(clock: Clock, maxKeys = 50_000) {
	const buckets: Buckets = new Map();
	let sweptAt = clock.monotonic();

	function dropOldest(): void {
		for (const oldest of buckets.keys()) {
			buckets.delete(oldest);
			return;
		}
	}

	return {
		/** Takes one token of a bucket, if there is one. */
		take(key: string, rule: RateWindow): BucketVerdict {
			const now = clock.monotonic();
			if (now - sweptAt >= sweepEveryMs) {
				sweptAt = now;
				dropFull(buckets, now);
			}
			const verdict = takeToken(buckets, key, rule, now);
			if (buckets.size > maxKeys) dropOldest();
			return verdict;
		},
		/** How many buckets are not full, as far as that was looked at. */
		get size(): number {
			return buckets.size;
		},
	};
}

export type TokenBuckets = ReturnType<typeof tokenBuckets>;
