import { parseEjson, stringifyEjson } from '@rookery/protocol/ejson.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Hold } from '../services/membership-index.ts';
import { myMessages } from '../streams/room-messages.ts';
import { nosub, ready, streamAdded } from './answers.ts';
import type { DdpContext, Session } from './context.ts';
import { loginOrTimeout } from './login-wait.ts';
import { provenTokens } from './proven-tokens.ts';
import { publications, type Publication } from './publications.ts';
import { endWatch, watchPresence } from './presence-watch.ts';
import { isStreamSub, Sub, type StreamSub, type Told } from './sub.ts';

export type SubFrame = { id: string; name: string; params: unknown[] };

/** Longest event name a client may ask for. */
const maxEventLength = 512;

/** Events of `notify-user` whose frames are made here, from what the membership index knows. */
const madeHere = new Set(['rooms-changed', 'subscriptions-changed', 'notification']);

/**
 * Answers one `sub`: `ready`, or `nosub` with an error.
 *
 * @see realtime contract 2.5, 4.1
 */
export async function subscribe(context: DdpContext, session: Session, frame: SubFrame): Promise<void> {
	try {
		context.rates.sub(session);
		await open(context, session, frame);
	} catch (error) {
		if (!(error instanceof ClientError)) context.log.error({ err: error }, 'a subscription failed');
		const sub = session.subs.get(frame.id);
		if (sub !== undefined) endSub(context, session, sub);
		session.send(nosub(frame.id, error), 'own');
	}
}

async function open(context: DdpContext, session: Session, { id, name, params }: SubFrame): Promise<void> {
	if (name === 'stream-user-presence') return watchPresence(context, session, id, params);
	const present = session.subs.get(id);
	if (present !== undefined) {
		if (asksFor(present, name, params)) {
			if (present.state === 'active') session.send(ready(id), 'own');
			return;
		}
		endSub(context, session, present);
	}
	if (session.subs.size >= context.limits.maxSubs) throw new ClientError('too-many-requests', 'Too many subscriptions');
	const sub = newSub(context, session, id, name, params);
	if (isStreamSub(sub)) {
		session.subs.add(sub);
		await activate(context, session, sub, true);
		return;
	}
	const publish = publications.get(name);
	if (publish === undefined) throw notFound(name);
	session.subs.add(sub);
	await publishDocuments(context, session, sub, publish);
}

/** Whether a sub is what another `sub` of the same id asks for. */
function asksFor(sub: Sub, name: string, params: unknown[]): boolean {
	return sub.name === name && sub.allParams === stringifyEjson(params);
}

function newSub(context: DdpContext, session: Session, id: string, name: string, params: unknown[]): Sub {
	if (!name.startsWith('stream-')) return new Sub(id, name, stringifyEjson(params), null);
	const told = readStreamParams(context, session, name, params);
	return new Sub(id, name, stringifyEjson(params.slice(1)), told);
}

async function publishDocuments(context: DdpContext, session: Session, sub: Sub, publish: Publication): Promise<void> {
	const documents = await publish(context);
	if (isOver(session, sub)) return;
	for (const document of documents) session.documents.put(document.collection, document.id, document.fields, sub.id);
	sub.state = 'active';
	announce(session, sub);
}

function announce(session: Session, sub: Sub): void {
	if (sub.isAnnounced) return;
	sub.isAnnounced = true;
	session.send(ready(sub.id), 'own');
}

function notFound(name: string): ClientError {
	return new ClientError(404, `Subscription '${name.slice(0, 200)}' not found`);
}

/** @see realtime contract 4.1.1 */
function readStreamParams(context: DdpContext, { actor }: Session, name: string, params: unknown[]): Told {
	const stream = context.streams.get(name.slice('stream-'.length));
	if (stream === undefined) throw notFound(name);
	const [event, options] = params;
	if (typeof event !== 'string' || event.length > maxEventLength) throw new ClientError(400, 'Match failed');
	if (event === '') throw new ClientError('invalid-event-name');
	const { useCollection, args } = (typeof options === 'object' && options !== null ? options : {}) as {
		useCollection?: unknown;
		args?: unknown;
	};
	const first: unknown = Array.isArray(args) ? args[0] : args;
	const extra = typeof first === 'object' && first !== null ? { ...first } : null;
	return { stream, event, extra, useCollection: options === true || useCollection === true, uid: actor?.uid ?? null };
}

/**
 * Brings a sub from `pending` to `active`: first the events are sure to arrive, then it is judged whether they may be
 * read; so nothing between the two is missed, and a right that was lost meanwhile is seen.
 */
async function activate(context: DdpContext, session: Session, sub: StreamSub, mayWait: boolean): Promise<void> {
	let hasWaited = !mayWait;
	for (let round = 0; round < 20; round++) {
		const { judged } = sub;
		const { identity } = session;
		await hear(context, session, sub);
		const allowed = await mayRead(context, session, sub);
		if (isOver(session, sub)) return sub.release();
		if (sub.judged !== judged || session.identity !== identity) continue;
		if (allowed) return begin(context, session, sub);
		if (hasWaited || session.actor !== null || !sub.stream.waitsForLogin) break;
		hasWaited = true;
		await loginOrTimeout(context, session);
		if (isOver(session, sub)) return sub.release();
	}
	refuse(context, session, sub);
}

function isOver(session: Session, sub: Sub): boolean {
	return sub.state === 'ended' || session.state === 'closed';
}

/** Takes hold of the keys of the bus that carry the event, and waits until they are heard. */
async function hear(context: DdpContext, session: Session, sub: StreamSub): Promise<void> {
	const { lease, membership, event, key } = sub;
	const { actor } = session;
	const busKey = sub.stream.busKey({ event, key, actor });
	// His own key is held by the session itself.
	const isOwn = actor !== null && busKey === `user:${actor.uid}`;
	sub.lease = busKey === null || isOwn ? null : context.interest.acquire(busKey);
	sub.membership = actor !== null && needsMembership(sub) ? follow(context, actor.uid, event) : null;
	lease?.release();
	membership?.release();
	await (isOwn ? session.userLease : sub.lease)?.ready;
	await sub.membership?.ready;
}

function follow({ membership }: DdpContext, uid: string, event: string): Hold {
	return event === myMessages ? membership.followMessages(uid) : membership.follow(uid);
}

function needsMembership({ stream, event, key }: StreamSub): boolean {
	if (stream.name === 'room-messages') return event === myMessages;
	return stream.name === 'notify-user' && madeHere.has(key['event'] ?? '');
}

function mayRead(context: DdpContext, session: Session, { stream, event, key, extra }: StreamSub): Promise<boolean> {
	const services = { authorization: context.authorization, settings: context.settings };
	const tokens = provenTokens(session, key['rid']);
	return stream.mayRead({ actor: session.actor, event, key, extra, tokens, services });
}

/** `__my_messages__` is another stream for each user. */
function listenKey(session: Session, { stream, event, topic }: StreamSub): string | null {
	if (stream.name !== 'room-messages' || event !== myMessages) return topic;
	return session.actor === null ? null : `room-messages/${myMessages}/${session.actor.uid}`;
}

function begin(context: DdpContext, session: Session, sub: StreamSub): void {
	sub.state = 'active';
	const key = listenKey(session, sub);
	sub.listensTo = key;
	sub.since = context.recent.nextIndex;
	if (key !== null) context.fanout.add(key, session);
	if (sub.useCollection && !sub.isAnnounced) session.send(streamAdded(sub.stream.name, sub.event), 'own');
	announce(session, sub);
}

/** The answer to a `sub`, or the end of one that was told it may: the client has to hear of that also when it is away. */
function refuse(context: DdpContext, session: Session, sub: Sub): void {
	endSub(context, session, sub);
	const frame = nosub(sub.id, new ClientError('not-allowed'));
	if (sub.isAnnounced) session.tell(frame);
	else session.send(frame, 'own');
}

/** A subscription that was made on another streamer: its client was told `ready` there. */
export async function restoreSub(
	context: DdpContext,
	session: Session,
	{ id, name, params }: { id: string; name: string; params: string },
): Promise<void> {
	const all = parseEjson(params) as unknown[];
	const present = session.subs.get(id);
	if (present !== undefined && (present.state !== 'pending' || !asksFor(present, name, all))) return;
	// One that waits for this login would be heard too late: it is begun anew, and answered.
	if (present !== undefined) endSub(context, session, present);
	const sub = newSub(context, session, id, name, all);
	sub.isAnnounced = present === undefined;
	session.subs.add(sub);
	const publish = publications.get(name);
	if (publish !== undefined) return publishDocuments(context, session, sub, publish);
	if (!isStreamSub(sub)) return endSub(context, session, sub);
	await activate(context, session, sub, false);
}

/**
 * Subscriptions that were made on a socket before it got its session back go on in that one, without a moment in which
 * nothing is heard. What both have and was answered is not answered again.
 */
export function subscribeAgain(context: DdpContext, fresh: Session, session: Session): void {
	for (const sub of fresh.subs.values()) {
		const { id, name, isAnnounced } = sub;
		const present = session.subs.get(id);
		if (sub.state === 'active' && present === undefined && session.subs.size < context.limits.maxSubs) {
			moveSub(context, fresh, session, sub);
			continue;
		}
		sub.state = 'ended';
		stopListening(context, fresh, sub);
		sub.release();
		const params = parseEjson(sub.allParams) as unknown[];
		const isAnswered = isAnnounced && present !== undefined && asksFor(present, name, params);
		if (!isAnswered) void subscribe(context, session, { id, name, params });
	}
	fresh.subs.clear();
	endWatch(context, fresh);
}

function moveSub(context: DdpContext, fresh: Session, session: Session, sub: Sub): void {
	const { listensTo } = sub;
	if (listensTo !== null) {
		context.fanout.remove(listensTo, fresh);
		context.fanout.add(listensTo, session);
	}
	session.subs.add(sub);
	void rejudge(context, session, sub, true);
}

/** Answers an `unsub`: always with `nosub`, also for an id nobody knows. */
export function unsubscribe(context: DdpContext, session: Session, id: string): void {
	const sub = session.subs.get(id);
	if (sub !== undefined) endSub(context, session, sub);
	if (session.watch?.mainId === id) endWatch(context, session);
	session.send(nosub(id), 'own');
}

/** Ends a sub without a word: delivery stops now, its documents go, nothing of it is kept. */
export function endSub(context: DdpContext, session: Session, sub: Sub): void {
	sub.state = 'ended';
	session.subs.delete(sub);
	if (sub.stream === null) {
		session.documents.dropAll(sub.id);
		return;
	}
	stopListening(context, session, sub);
	sub.release();
}

function stopListening(context: DdpContext, session: Session, sub: Sub): void {
	const { listensTo } = sub;
	if (listensTo !== null) context.fanout.remove(listensTo, session);
	sub.listensTo = null;
}

/**
 * Judges a sub again after a change of rights.
 *
 * @param hold Keeps its events back until the answer: with a change that must be obeyed before the next event.
 */
export async function rejudge(context: DdpContext, session: Session, sub: Sub, hold: boolean): Promise<void> {
	if (!isStreamSub(sub) || sub.state === 'ended') return;
	sub.judged += 1;
	if (sub.state === 'pending') return;
	const { judged, listensTo } = sub;
	if (hold && listensTo !== null) context.fanout.hold(listensTo, session);
	let allowed: boolean;
	try {
		allowed = await mayRead(context, session, sub);
	} catch (error) {
		context.log.warn({ err: error }, 'rights could not be judged: the socket is closed');
		session.giveUp(1013, 'TRY_AGAIN_LATER');
		return;
	}
	if (isOver(session, sub) || sub.judged !== judged) return;
	if (!allowed) return refuse(context, session, sub);
	if (listensTo !== null) context.fanout.resume(listensTo, session);
}

/** Ends a sub whose reader is known to have lost the right. */
export function revokeSub(context: DdpContext, session: Session, sub: Sub): void {
	if (sub.state !== 'ended') refuse(context, session, sub);
}

/**
 * After a change of identity every sub is judged as the new caller: allowed ones stay without a new frame, the others end.
 * No event that was meant for the old caller leaves meanwhile.
 */
export async function rejudgeAll(context: DdpContext, session: Session): Promise<void> {
	await Promise.all(
		[...session.subs.values()].map(async (sub) => {
			if (!isStreamSub(sub) || sub.state !== 'active') return;
			if (sub.stream.name !== 'notify-user' && !needsMembership(sub)) {
				return rejudge(context, session, sub, true);
			}
			stopListening(context, session, sub);
			sub.state = 'pending';
			try {
				await activate(context, session, sub, false);
			} catch (error) {
				context.log.warn({ err: error }, 'rights could not be judged: the socket is closed');
				session.giveUp(1013, 'TRY_AGAIN_LATER');
			}
		}),
	);
}
