import type { Session } from './context.ts';

/**
 * Tokens of visitors that a connection has proved for a room, by subscriptions that were accepted: clients do not repeat
 * them with everything they say.
 *
 * @see realtime contract 3.10, 4.11
 */
export function provenTokens(session: Session, rid: string | undefined): string[] {
	const tokens = new Set<string>();
	if (rid === undefined) return [];
	for (const { state, key, extra } of session.subs.values()) {
		if (state !== 'active' || key['rid'] !== rid) continue;
		for (const token of [extra['visitorToken'], extra['token']]) {
			if (typeof token === 'string') tokens.add(token);
		}
	}
	return [...tokens].slice(0, maxTokens);
}

/** Nobody is more than a few visitors of one room. */
const maxTokens = 4;
