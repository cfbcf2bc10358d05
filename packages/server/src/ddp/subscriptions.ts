import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import { myMessages } from '../streams/room-messages.ts';
import { nosub, ready, streamAdded } from './answers.ts';
import type { DdpContext, Session, StreamSub, Sub } from './context.ts';
import { loginOrTimeout } from './login-wait.ts';
import { publications } from './publications.ts';
import { endWatch, watchPresence } from './presence-watch.ts';

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
	const asked = `${name}\n${stringifyEjson(params)}`;
	const present = session.subs.get(id);
	if (present !== undefined) {
		if (present.asked === asked) {
			if (present.state === 'active') session.send(ready(id), 'own');
			return;
		}
		endSub(context, session, present);
	}
	if (session.subs.size >= context.limits.maxSubs) throw new ClientError('too-many-requests', 'Too many subscriptions');
	const sub: Sub = { id, name, asked, state: 'pending', isAnnounced: false, stream: null };
	if (name.startsWith('stream-')) {
		sub.stream = readStreamParams(context, name, params);
		session.subs.set(id, sub);
		await activate(context, session, sub, sub.stream, true);
		return;
	}
	const publish = publications.get(name);
	if (publish === undefined) throw notFound(name);
	session.subs.set(id, sub);
	const documents = await publish(context);
	if (isOver(session, sub)) return;
	for (const document of documents) session.documents.put(document.collection, document.id, document.fields, id);
	sub.state = 'active';
	session.send(ready(id), 'own');
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
	return {
		stream,
		event,
		key: { ...stream.key.exec(event)?.groups },
		extra: typeof first === 'object' && first !== null ? { ...first } : {},
		useCollection: options === true || useCollection === true,
		judged: 0,
		listensTo: null,
		leases: [],
	};
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
		if (isOver(session, sub)) return release(stream);
		if (stream.judged !== judged || session.identity !== identity) continue;
		if (allowed) return begin(context, session, sub, stream);
		if (hasWaited || session.actor !== null || !stream.stream.waitsForLogin) break;
		hasWaited = true;
		await loginOrTimeout(context, session);
		if (isOver(session, sub)) return release(stream);
	}
	refuse(context, session, sub);
}

function isOver(session: Session, sub: Sub): boolean {
	return sub.state === 'ended' || session.state === 'closed';
}

function release(stream: StreamSub): void {
	for (const lease of stream.leases.splice(0)) lease.release();
}

/** Takes hold of the keys of the bus that carry the event, and waits until they are heard. */
async function hear(context: DdpContext, session: Session, stream: StreamSub): Promise<void> {
	const before = stream.leases;
	const { actor } = session;
	stream.leases = [];
	const key = stream.stream.busKey({ event: stream.event, key: stream.key, actor });
	if (key !== null) stream.leases.push(context.interest.acquire(key));
	if (actor !== null && needsMembership(stream)) {
		const { membership } = context;
		const { uid } = actor;
		stream.leases.push(stream.event === myMessages ? membership.followMessages(uid) : membership.follow(uid));
	}
	for (const lease of before) lease.release();
	await Promise.all(stream.leases.map((lease) => lease.ready));
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
function listenKey(session: Session, { stream, event }: StreamSub): string | null {
	if (stream.name !== 'room-messages' || event !== myMessages) return `${stream.name}/${event}`;
	return session.actor === null ? null : `room-messages/${myMessages}/${session.actor.uid}`;
}

function begin(context: DdpContext, session: Session, sub: Sub, stream: StreamSub): void {
	sub.state = 'active';
	stream.listensTo = listenKey(session, stream);
	if (stream.listensTo !== null) context.fanout.add(stream.listensTo, session);
	if (sub.isAnnounced) return;
	sub.isAnnounced = true;
	if (stream.useCollection) {
		session.send(streamAdded(stream.stream.name, stream.event), 'own');
	}
	session.send(ready(sub.id), 'own');
}

function refuse(context: DdpContext, session: Session, sub: Sub): void {
	endSub(context, session, sub);
	session.send(nosub(sub.id, new ClientError('not-allowed')), 'own');
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
	release(sub.stream);
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
		session.socket.close(1013, 'TRY_AGAIN_LATER');
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
				session.socket.close(1013, 'TRY_AGAIN_LATER');
			}
		}),
	);
}
