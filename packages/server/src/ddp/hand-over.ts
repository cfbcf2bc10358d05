import { setTimeout as pause } from 'node:timers/promises';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { EventPart, Pos } from '@rookery/protocol/events.ts';
import { randomId } from '@rookery/protocol/ids.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import type { LoginResult } from '../services/contracts.ts';
import type { Claim } from './claim.ts';
import { handedKey, privateKey, type Session } from './client-session.ts';
import type { DdpContext } from './context.ts';
import { enter, publishUser } from './identity.ts';
import { KeptAnswers, textOf } from './kept-answers.ts';
import { outFrame } from './out-frame.ts';
import { changeWatch, newWatch } from './presence-watch.ts';
import { keyOfHanded, missedBy, replay } from './replay.ts';
import type { LogEntry } from './event-log.ts';
import { restoreSub } from './subscriptions.ts';

/** What another streamer is told of a session it wants: enough to begin to listen in its place. */
type Offer = {
	uid: UserId | null;
	subs: { id: string; name: string; params: string }[];
	watch: { mainId: string; uids: UserId[] } | null;
};

/** The rest: what its client may have missed up to a position, and answers it may ask for again. */
type Handed = {
	frames: { key: string; text: string }[];
	answers: { id: string; asked: string; text: string }[];
	have: Pos | null;
};

/** What one streamer asks another by its own name. */
type StreamerApi = {
	offer(id: string): Promise<Offer | null>;
	release(id: string): Promise<Handed | null>;
	/** It is not wanted after all: others may have it. */
	free(id: string): Promise<null>;
	discard(id: string): Promise<null>;
};

type Deps = { find(id: string): Session | null; discard(session: Session): void };

const tagLength = 12;

/** Moves that are remembered: a session waits a minute for its client. */
const maxMoved = 50_000;

/** Ids in one event: some 70 KiB. */
const maxIds = 2_000;

/** How long a hand-over waits for calls and judgements, in ms, and how often it looks. */
const maxWaitMs = 1_500;
const pauseMs = 20;

/** The instance and boot that made a session's id. */
function tagOf(id: string): string | null {
	return /^[A-Za-z0-9]{12}[\w-]{22,64}$/.exec(id)?.[0].slice(0, tagLength) ?? null;
}

/**
 * Sessions on their way from one streamer to another: the new one begins to listen, then takes what the old one has, so
 * that nothing falls between them. A streamer that does not answer has taken its sessions with it.
 *
 * @see architecture 3, "Session resumption"
 */
export function handOver(context: DdpContext, deps: Deps) {
	const { bus, limits } = context;
	const tag = context.instanceTag;
	let stopOffering: (() => Promise<void>) | undefined;
	const offered = new Map<string, { session: Session; identity: number; timer: NodeJS.Timeout }>();

	/** Where sessions have gone that were made elsewhere, the oldest first. */
	const moved = new Map<string, string>();

	function ownerOf(id: string): string | null {
		const made = tagOf(id);
		return made === null ? null : (moved.get(id) ?? made);
	}

	/** Ends an offer. @returns Its session, unless that is gone */
	function close(id: string): Session | null {
		const found = offered.get(id);
		if (found === undefined) return null;
		clearTimeout(found.timer);
		offered.delete(id);
		found.session.claimedBy = null;
		const { session, identity } = found;
		// Who is there now may be somebody else: what he was told is not for who has asked.
		if (session.identity !== identity || session.work.isIdentityPending) return null;
		return session.state === 'open' || session.state === 'detached' ? session : null;
	}

	const api: StreamerApi = {
		async offer(id) {
			const session = deps.find(id);
			if (session === null) return null;
			// Who has asked may be lost: the session is then free again.
			const timer = setTimeout(() => close(session.id), limits.resumeLoginMs + limits.resumeLoginMs / 2).unref();
			offered.set(session.id, { session, identity: session.identity, timer });
			session.claimedBy = offered;
			const { actor, subs, watch } = session;
			return {
				uid: actor?.uid ?? null,
				subs: [...subs.values()]
					.filter(({ isAnnounced }) => isAnnounced)
					.map((sub) => ({ id: sub.id, name: sub.name, params: sub.allParams })),
				watch: watch === null ? null : { mainId: watch.mainId, uids: [...watch.uids] },
			};
		},
		async release(id) {
			const session = close(id);
			if (session === null) return null;
			session.claimedBy = offered;
			await settled(session);
			session.claimedBy = null;
			context.spread.flush();
			if (!session.isCovered || session.holds > 0) {
				deps.discard(session);
				return null;
			}
			const { firstUnproven, answers } = session;
			const missed = firstUnproven === 0 ? [] : missedBy(context, session, firstUnproven);
			const handed: Handed = {
				frames: missed.map(({ key, frame }) => ({ key: keyOfHanded(session, key), text: textOf(frame) })),
				answers: answers?.entries() ?? [],
				have: context.lastPosition,
			};
			deps.discard(session);
			return handed;
		},
		async free(id) {
			close(id);
			return null;
		},
		async discard(id) {
			const session = close(id);
			if (session !== null) deps.discard(session);
			return null;
		},
	};

	/** Asks the streamer that has the session: the one that made its id, or to which it has gone since. */
	async function ask<M extends keyof StreamerApi>(id: string, method: M): Promise<Awaited<ReturnType<StreamerApi[M]>>> {
		const answer = await bus.call(`ddp-streamer-${ownerOf(id) ?? ''}.${method}`, [id], {
			deadlineMs: limits.handOverMs,
		});
		return (answer ?? null) as Awaited<ReturnType<StreamerApi[M]>>;
	}

	async function adopt(session: Session, offer: Offer, login: LoginResult | null): Promise<Session | null> {
		session.isCatchingUp = true;
		const since = context.recent.nextIndex;
		session.restartProof(since);
		try {
			if (login !== null) {
				enter(context, session, login.actor);
				publishUser(session, login);
			}
			await listenAgain(context, session, offer);
			const heardThere = keysOf(session, offer);
			const handed = await ask(session.id, 'release');
			if (handed === null || session.state !== 'open') return null;
			catchUp(context, session, handed, since);
			const isMissing = (entry: LogEntry) => !heardThere.has(entry.key) || isNewer(entry, handed.have);
			if (!session.isCovered || !replay(context, session, isMissing)) return null;
			announce([session.id]);
			return session;
		} catch (error) {
			if (!(error instanceof ClientError)) context.log.error({ err: error }, 'a session could not be taken over');
			return null;
		} finally {
			session.isCatchingUp = false;
			session.proveSoon();
		}
	}

	function publish(part: EventPart): void {
		try {
			bus.publish({ key: 'all:streamers', parts: [part] });
		} catch (error) {
			context.log.warn({ err: error }, 'other streamers could not be told of sessions that have moved');
		}
	}

	/** Tells the other streamers where sessions are now: their ids still name the ones that made them. */
	function announce(ids: string[]): void {
		for (let at = 0; at < ids.length; at += maxIds) {
			const body = { ids: ids.slice(at, at + maxIds), tag };
			publish({ kind: 'record', record: 'sessionsMoved', action: 'updated', body });
		}
	}

	function remember(id: string, owner: string): void {
		moved.delete(id);
		moved.set(id, owner);
		const [oldest] = moved.keys();
		if (moved.size > maxMoved && oldest !== undefined) moved.delete(oldest);
	}

	return {
		/** Sessions have gone to another streamer. */
		onMoved({ ids, tag: owner }: { ids: string[]; tag: string }): void {
			if (/^[A-Za-z0-9]{12}$/.test(owner)) for (const id of ids) remember(id, owner);
		},

		/** Tells a streamer that has just started which sessions are here although others made them. */
		tellMoved(sessions: Iterable<Session>): void {
			const ids: string[] = [];
			for (const { id } of sessions) if (tagOf(id) !== tag) ids.push(id);
			announce(ids);
		},

		/** Asks where sessions are that have moved before this start. */
		askMoved(): void {
			publish({ kind: 'record', record: 'streamerStarted', action: 'inserted', body: { tag } });
		},

		/** Asks for a session that another streamer made. null: plain start. */
		async claim(session: Session, id: string): Promise<Claim | null> {
			const owner = ownerOf(id);
			if (owner === null || owner === tag || bus.state !== 'connected') return null;
			// Nobody there, or no answer in time: its sessions went with it.
			const offer = await ask(id, 'offer').catch(() => null);
			if (offer === null) return null;
			// Unheard, the offer runs out by itself.
			const tell = (method: 'free' | 'discard') => () => void ask(id, method).catch(() => undefined);
			return {
				uid: offer.uid,
				endsAt: context.clock.monotonic() + limits.resumeLoginMs,
				adopt: (_session, login) => adopt(session, offer, login),
				discard: tell('discard'),
				release: tell('free'),
			};
		},

		async serve(): Promise<() => Promise<void>> {
			const stops = await Promise.all([
				bus.serve(`ddp-streamer-${tag}`, {
					offer: ([id]) => api.offer(String(id)),
					release: ([id]) => api.release(String(id)),
					free: ([id]) => api.free(String(id)),
					discard: ([id]) => api.discard(String(id)),
				}),
				bus.serve('ddp-streamer', { hello: async () => true }),
			]);
			stopOffering = stops[1];
			return async () => {
				for (const stop of stops) await stop();
			};
		},

		async hasPeers(): Promise<boolean> {
			await stopOffering?.();
			if (bus.state !== 'connected') return false;
			return bus.call('ddp-streamer.hello', [], { deadlineMs: 1_000 }).then(
				() => true,
				() => false,
			);
		},
	};
}

export type HandOver = ReturnType<typeof handOver>;

/** A name for a boot of a streamer: other streamers reach it by that. */
export function newInstanceTag(): string {
	return randomId(tagLength);
}

/** Subscribes to everything the session was subscribed to; its client is not told. */
async function listenAgain(context: DdpContext, session: Session, { subs, watch }: Offer): Promise<void> {
	await Promise.all(subs.map((sub) => restoreSub(context, session, sub)));
	if (watch === null || session.actor === null || session.watch !== null) return;
	session.watch = newWatch(context, watch.mainId);
	changeWatch(context, session, { added: watch.uids });
	await session.watch.lease.ready;
}

/** What the earlier streamer has sent to this client, or should have. What only this socket has asked for is not among it. */
function keysOf({ subs }: Session, offer: Offer): Set<string | null> {
	return new Set(offer.subs.map(({ id }) => subs.get(id)?.listensTo ?? null));
}

/** Puts what the earlier streamer has in front of what was heard here since. */
function catchUp(context: DdpContext, session: Session, { frames, answers }: Handed, since: number): void {
	session.answers ??= new KeptAnswers(context.answerBytes);
	for (const { id, asked, text } of answers) session.answers.keep(id, asked, outFrame(text), 0);
	for (const [index, { key, text }] of frames.entries()) {
		const order = since - 1 + (index + 1) / (frames.length + 1);
		const own = key === privateKey(session) ? key : handedKey(session, key);
		context.recent.append(own, outFrame(text), { order });
	}
}

/** Whether the earlier streamer had not heard what a frame says. Frames made from records may be late there: once more. */
function isNewer({ pos, key }: LogEntry, have: Pos | null): boolean {
	return pos === null || have === null || pos > have || /^notify-user\/.*-changed$/s.test(key);
}

/**
 * Waits for calls that are on their way: their answers are handed over instead of being made twice. And for what is being
 * judged: frames that are kept back could not be handed over.
 */
async function settled(session: Session): Promise<void> {
	const isBusy = () => (session.earlierMethods?.size ?? 0) > 0 || session.holds > 0;
	session.leaveSocket();
	for (let waitedMs = 0; isBusy() && waitedMs < maxWaitMs; waitedMs += pauseMs) await pause(pauseMs);
}
