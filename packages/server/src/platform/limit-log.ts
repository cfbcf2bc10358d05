import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** How often the log tells of one limit, in ms. */
const sayEveryMs = 60_000;

/**
 * Tells in the log that limits refuse requests: of each limit at once, then at most once a minute with how many there
 * were. Nothing of who was refused.
 *
 * @see security contract, 11: `limit.exceeded`
 */
export function limitLog(log: Log, clock: Clock): (scope: string) => void {
	const said = new Map<string, { at: number; refused: number }>();
	return (scope) => {
		const now = clock.monotonic();
		const last = said.get(scope);
		if (last !== undefined && now - last.at < sayEveryMs) {
			last.refused += 1;
			return;
		}
		said.set(scope, { at: now, refused: 0 });
		const refused = 1 + (last?.refused ?? 0);
		log.warn({ event: 'limit.exceeded', scope, refused }, 'requests were refused by a limit');
	};
}
