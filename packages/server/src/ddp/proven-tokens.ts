import type { Session } from './context.ts';

/** Nobody is more than a few visitors of one room. */
const maxTokens = 4;

/**
 * Tokens of visitors that a connection has proved for a room, by subscriptions that were accepted: clients do not repeat
 * them with everything they say. Who has logged in is nobody's visitor.
 *
 * @see realtime contract 3.10, 4.11
 */
export function provenTokens(session: Session, rid: string | undefined): string[] {
	if (rid === undefined || session.actor !== null) return [];
	const tokens = new Set<string>();
	for (const sub of session.subs.values()) {
		// Keys are worked out: only of the few that may fit.
		if (sub.state !== 'active' || !sub.event.startsWith(rid) || sub.key['rid'] !== rid) continue;
		for (const token of [sub.extra['visitorToken'], sub.extra['token']]) {
			if (typeof token === 'string') tokens.add(token);
		}
	}
	return [...tokens].slice(0, maxTokens);
}
