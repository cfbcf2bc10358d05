import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';

/** Outcome of one counted attempt. `resetMs`: until the window ends. */
export type RateVerdict = { allowed: boolean; remaining: number; resetMs: number };

/** How many attempts in how long. */
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
