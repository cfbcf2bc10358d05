import { parseEjson, stringifyEjson } from '@rookery/protocol/ejson.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Hold } from '../services/membership-index.ts';
import { myMessages } from '../streams/room-messages.ts';
import { nosub, ready, streamAdded } from './answers.ts';
import type { DdpContext, Session } from './context.ts';
import { loginOrTimeout } from './login-wait.ts';
import { publications, type Publication } from './publications.ts';
import { endWatch, watchPresence } from './presence-watch.ts';
import { paramsOf, shared, StreamSub, type Sub } from './sub.ts';

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
	const sub = newSub(context, id, name, params);
	if (sub.stream !== null) {
		session.subs.set(id, sub);
		await activate(context, session, sub, sub.stream, true);
		return;
	}
	const publish = publications.get(name);
	if (publish === undefined) throw notFound(name);
	session.subs.set(id, sub);
	await publishDocuments(context, session, sub, publish);
}

/** Whether a sub is what another `sub` of the same id asks for. */
function asksFor(sub: Sub, name: string, params: unknown[]): boolean {
	return sub.name === name && paramsOf(sub) === stringifyEjson(params);
}

function newSub(context: DdpContext, id: string, name: string, params: unknown[]): Sub {
	const sub: Sub = { id, name: shared(name), params: '[]', state: 'pending', isAnnounced: false, stream: null };
	if (!name.startsWith('stream-')) return { ...sub, params: shared(stringifyEjson(params)) };
	return { ...sub, params: shared(stringifyEjson(params.slice(1))), stream: readStreamParams(context, name, params) };
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
function readStreamParams(context: DdpContext, name: string, params: unknown[]): StreamSub {
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
	return new StreamSub(stream, event, extra, options === true || useCollection === true);
}

/**
 * Brings a sub from `pending` to `active`: first the events are sure to arrive, then it is judged whether they may be
 * read; so nothing between the two is missed, and a right that was lost meanwhile is seen.
 */
async function activate(
	context: DdpContext,
	session: Session,
	sub: Sub,
	stream: StreamSub,
	mayWait: boolean,
): Promise<void> {
	let hasWaited = !mayWait;
	for (let round = 0; round < 20; round++) {
		const { judged } = stream;
		const { identity } = session;
		await hear(context, session, stream);
		const allowed = await mayRead(context, session, stream);
		if (isOver(session, sub)) return stream.release();
		if (stream.judged !== judged || session.identity !== identity) continue;
		if (allowed) return begin(context, session, sub, stream);
		if (hasWaited || session.actor !== null || !stream.stream.waitsForLogin) break;
		hasWaited = true;
		await loginOrTimeout(context, session);
		if (isOver(session, sub)) return stream.release();
	}
	refuse(context, session, sub);
}

function isOver(session: Session, sub: Sub): boolean {
	return sub.state === 'ended' || session.state === 'closed';
}

/** Takes hold of the keys of the bus that carry the event, and waits until they are heard. */
async function hear(context: DdpContext, session: Session, stream: StreamSub): Promise<void> {
	const { lease, membership } = stream;
	const { actor } = session;
	const key = stream.stream.busKey({ event: stream.event, key: stream.key, actor });
	// His own key is held by the session itself.
	const isOwn = actor !== null && key === `user:${actor.uid}`;
	stream.lease = key === null || isOwn ? null : context.interest.acquire(key);
	stream.membership = actor !== null && needsMembership(stream) ? follow(context, actor.uid, stream) : null;
	lease?.release();
	membership?.release();
	await (isOwn ? session.userLease : stream.lease)?.ready;
	await stream.membership?.ready;
}

function follow({ membership }: DdpContext, uid: string, { event }: StreamSub): Hold {
	return event === myMessages ? membership.followMessages(uid) : membership.follow(uid);
}

function needsMembership({ stream, event, key }: StreamSub): boolean {
	if (stream.name === 'room-messages') return event === myMessages;
	return stream.name === 'notify-user' && madeHere.has(key['event'] ?? '');
}

function mayRead(context: DdpContext, session: Session, { stream, event, key, extra }: StreamSub): Promise<boolean> {
	const services = { authorization: context.authorization, settings: context.settings };
	return stream.mayRead({ actor: session.actor, event, key, extra, services });
}

/** `__my_messages__` is another stream for each user. */
function listenKey(session: Session, { stream, event, topic }: StreamSub): string | null {
	if (stream.name !== 'room-messages' || event !== myMessages) return topic;
	return session.actor === null ? null : `room-messages/${myMessages}/${session.actor.uid}`;
}

function begin(context: DdpContext, session: Session, sub: Sub, stream: StreamSub): void {
	sub.state = 'active';
	stream.listensTo = listenKey(session, stream);
	stream.since = context.recent.nextIndex;
	if (stream.listensTo !== null) context.fanout.add(stream.listensTo, session);
	if (stream.useCollection && !sub.isAnnounced) {
		session.send(streamAdded(stream.stream.name, stream.event), 'own');
	}
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
	if (session.subs.has(id)) return;
	const sub = newSub(context, id, name, parseEjson(params) as unknown[]);
	sub.isAnnounced = true;
	session.subs.set(id, sub);
	const publish = publications.get(name);
	if (publish !== undefined) return publishDocuments(context, session, sub, publish);
	if (sub.stream === null) return endSub(context, session, sub);
	await activate(context, session, sub, sub.stream, false);
}

/**
 * Subscriptions that were made on a socket before it got its session back go on in that one. What both have asked for was
 * answered already.
 */
export function subscribeAgain(context: DdpContext, fresh: Session, session: Session): void {
	for (const sub of fresh.subs.values()) {
		const { id, name, stream } = sub;
		sub.state = 'ended';
		if (stream !== null) {
			stopListening(context, fresh, stream);
			stream.release();
		}
		const params = parseEjson(paramsOf(sub)) as unknown[];
		const present = session.subs.get(id);
		if (present === undefined || !asksFor(present, name, params))
			void subscribe(context, session, { id, name, params });
	}
	fresh.subs.clear();
	endWatch(context, fresh);
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
	if (session.subs.get(sub.id) === sub) session.subs.delete(sub.id);
	if (sub.stream === null) {
		session.documents.dropAll(sub.id);
		return;
	}
	stopListening(context, session, sub.stream);
	sub.stream.release();
}

function stopListening(context: DdpContext, session: Session, stream: StreamSub): void {
	if (stream.listensTo !== null) context.fanout.remove(stream.listensTo, session);
	stream.listensTo = null;
}

/**
 * Judges a sub again after a change of rights.
 *
 * @param hold Keeps its events back until the answer: with a change that must be obeyed before the next event.
 */
export async function rejudge(context: DdpContext, session: Session, sub: Sub, hold: boolean): Promise<void> {
	const { stream } = sub;
	if (stream === null || sub.state === 'ended') return;
	stream.judged += 1;
	if (sub.state === 'pending') return;
	const { judged } = stream;
	if (hold && stream.listensTo !== null) context.fanout.hold(stream.listensTo, session);
	let allowed: boolean;
	try {
		allowed = await mayRead(context, session, stream);
	} catch (error) {
		context.log.warn({ err: error }, 'rights could not be judged: the socket is closed');
		session.giveUp(1013, 'TRY_AGAIN_LATER');
		return;
	}
	if (isOver(session, sub) || stream.judged !== judged) return;
	if (!allowed) return refuse(context, session, sub);
	if (stream.listensTo !== null) context.fanout.resume(stream.listensTo, session);
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
			const { stream } = sub;
			if (stream === null || sub.state !== 'active') return;
			if (stream.stream.name !== 'notify-user' && !needsMembership(stream)) {
				return rejudge(context, session, sub, true);
			}
			stopListening(context, session, stream);
			sub.state = 'pending';
			try {
				await activate(context, session, sub, stream, false);
			} catch (error) {
				context.log.warn({ err: error }, 'rights could not be judged: the socket is closed');
				session.giveUp(1013, 'TRY_AGAIN_LATER');
			}
		}),
	);
}
