import { ClientError } from '@rookery/protocol/errors.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import { presenceCodes, type PresenceChange } from '@rookery/protocol/events.ts';
import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { presenceHead, eventTail } from '@rookery/protocol/server-frames.ts';
import { nosub, ready } from './answers.ts';
import type { PresenceWatch } from './client-session.ts';
import type { DdpContext, Session } from './context.ts';
import { outFrame, type OutFrame } from './out-frame.ts';
import { loginOrTimeout } from './login-wait.ts';

/**
 * `sub stream-user-presence`: the first of a connection is its main sub, later ones only change the set of users it
 * watches and end with `nosub` without an error.
 *
 * @see realtime contract 4.8
 */
export async function watchPresence(
	context: DdpContext,
	session: Session,
	id: string,
	params: unknown[],
): Promise<void> {
	let may = await mayWatch(context, session);
	if (!may) {
		await loginOrTimeout(context, session);
		// The login gave the client its old session back.
		if (session.successor !== null) return watchPresence(context, session.successor, id, params);
		may = session.state !== 'closed' && (await mayWatch(context, session));
	}
	if (session.state === 'closed') return;
	if (!may) throw new ClientError('not-allowed');
	if (session.watch !== null && session.watch.mainId !== id) {
		changeWatch(context, session, params[1]);
		session.send(nosub(id), 'own');
		return;
	}
	session.watch ??= newWatch(context, id);
	const { watch } = session;
	changeWatch(context, session, params[1]);
	try {
		await watch.lease.ready;
	} catch (error) {
		endWatch(context, session);
		throw error;
	}
	if (session.watch === watch) session.send(ready(id), 'own');
}

function mayWatch(context: DdpContext, session: Session): Promise<boolean> {
	const stream = context.streams.get('user-presence');
	const services = { authorization: context.authorization, settings: context.settings };
	if (stream === undefined) return Promise.resolve(false);
	return stream.mayRead({ actor: session.actor, event: '', key: {}, extra: {}, services });
}

/** `added` first, so that a user in both lists ends up removed. Unknown and surplus ones are ignored. */
export function changeWatch(context: DdpContext, session: Session, delta: unknown): void {
	const { watch } = session;
	if (watch === null || typeof delta !== 'object' || delta === null) return;
	const { added, removed } = delta as { added?: unknown; removed?: unknown };
	for (const uid of userIds(added)) {
		if (watch.uids.size >= context.limits.maxWatchedUsers) break;
		watch.uids.add(uid);
		let sessions = context.watchers.get(uid);
		if (sessions === undefined) context.watchers.set(uid, (sessions = new Set()));
		sessions.add(session);
	}
	for (const uid of userIds(removed)) {
		if (watch.uids.delete(uid)) forget(context, session, uid);
	}
}

function userIds(value: unknown): string[] {
	return Array.isArray(value) ? value.filter((uid) => typeof uid === 'string' && uid !== '' && uid.length <= 128) : [];
}

function forget(context: DdpContext, session: Session, uid: string): void {
	const sessions = context.watchers.get(uid);
	sessions?.delete(session);
	if (sessions?.size === 0) context.watchers.delete(uid);
}

/** The main sub ended, or the connection: nobody is watched any more. */
export function endWatch(context: DdpContext, session: Session): void {
	const { watch } = session;
	if (watch === null) return;
	session.watch = null;
	watch.lease.release();
	for (const uid of watch.uids) forget(context, session, uid);
}

/** Tells those who watch a user of his new status. Anonymous watchers get nothing. */
export function deliverPresence(context: DdpContext, change: PresenceChange): void {
	const sessions = context.watchers.get(change.uid);
	if (sessions === undefined) return;
	const frame = presenceFrame(change);
	const kind = { coalesce: () => `user-presence/${change.uid}` };
	const index = context.recent.append(watchKey(change.uid), frame);
	for (const session of sessions) {
		if (session.actor !== null) session.deliver(frame, kind, index);
	}
}

/** Where a user's presence stands in the log. */
export function watchKey(uid: UserId): string {
	return `user-presence/${uid}`;
}

/** A watch set without anybody in it yet. */
export function newWatch({ interest, recent }: DdpContext, mainId: string): PresenceWatch {
	return { mainId, lease: interest.acquire('all:presence'), uids: new Set(), since: recent.nextIndex };
}

function presenceFrame({ uid, username, status, statusText }: PresenceChange): OutFrame {
	const args = stringifyEjson([[username, presenceCodes[status], statusText]]);
	return outFrame(presenceHead(uid), args, eventTail);
}
