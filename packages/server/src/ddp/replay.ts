import type { Session } from './client-session.ts';
import { handedKey, privateKey } from './client-session.ts';
import type { DdpContext } from './context.ts';
import type { LogEntry } from './event-log.ts';
import { textOf } from './kept-answers.ts';
import type { OutFrame } from './out-frame.ts';
import { watchKey } from './presence-watch.ts';

/**
 * Sends a client again what it may not have received, in the order of the events: only of subscriptions it still has.
 * Duplicates are possible; records are whole.
 *
 * @param wants Leaves out what the client is known to have, or will be sent in another way.
 * @returns false: it is too much, the client has to start plainly. Nothing was sent.
 * @see architecture 3, "Session resumption"
 */
export function replay(
	context: DdpContext,
	session: Session,
	wants: (entry: LogEntry) => boolean = () => true,
): boolean {
	const { firstUnproven } = session;
	if (firstUnproven === 0) return true;
	const entries = missedBy(context, session, firstUnproven).filter(wants);
	let bytes = 0;
	for (const entry of entries) bytes += entry.bytes;
	if (bytes > context.limits.maxReplayBytes) return false;
	const indexes = entries.map(({ index }) => index);
	session.restartProof(indexes.reduce((first, index) => Math.min(first, index), indexes[0] ?? 0));
	for (const { frame } of entries) session.send(frame, 'own');
	return true;
}

/** The key of a frame, wherever it was sent first. */
export function keyOfHanded(session: Session, key: string): string {
	const prefix = handedKey(session, '');
	return key.startsWith(prefix) ? key.slice(prefix.length) : key;
}

/**
 * The frames a session has been meant to get, from an index of the log on, each once.
 */
export function missedBy(context: DdpContext, session: Session, from: number): LogEntry[] {
	const { recent, fanout } = context;
	const found = new Map<number, LogEntry>();
	const collect = (entries: LogEntry[]) => {
		for (const entry of entries) if (entry.originId !== session.id) found.set(entry.index, entry);
	};
	for (const { listensTo, since } of session.subs.values()) {
		if (listensTo === null) continue;
		// What is kept back until it has been judged leaves by itself.
		const before = fanout.heldFrom(listensTo, session) ?? Number.POSITIVE_INFINITY;
		const first = Math.max(from, since);
		collect(recent.since(listensTo, first).filter(({ index }) => index < before));
		collect(recent.since(handedKey(session, listensTo), first));
	}
	if (session.watch !== null && session.actor !== null) {
		const since = Math.max(from, session.watch.since);
		for (const uid of session.watch.uids) {
			const entries = [handedKey(session, watchKey(uid)), watchKey(uid)].flatMap((key) => recent.since(key, since));
			collect(entries.slice(-1));
		}
	}
	// The end of a subscription that its client has begun again since would end that one.
	collect(recent.since(privateKey(session), from).filter(({ frame }) => !session.subs.has(idOf(frame))));
	return [...found.values()].sort((one, other) => one.order - other.order);
}

function idOf(frame: OutFrame): string {
	return String((JSON.parse(textOf(frame)) as { id?: unknown }).id);
}
