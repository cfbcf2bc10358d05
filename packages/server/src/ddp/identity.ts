import { createHash } from 'node:crypto';
import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import type { Actor, Connection, LoginResult } from '../services/contracts.ts';
import { changed, eventFrame } from './answers.ts';
import type { DdpContext, Session } from './context.ts';
import { wakeLoginWaiters } from './login-wait.ts';
import { endWatch } from './presence-watch.ts';
import { rejudgeAll } from './subscriptions.ts';

/** How accounts and core see this socket. */
export function connectionOf({ id, socket: { info } }: Session): Connection {
	return { id, clientAddress: info.clientAddress, userAgent: info.userAgent, transport: info.transport };
}

/**
 * Method `login`: any form. A wrong one leaves the previous identity untouched.
 *
 * @returns What the client is answered: `{id, token, tokenExpires, type}`.
 * @throws ClientError as accounts refuses
 * @see realtime contract 3.3.1
 */
export async function login(
	context: DdpContext,
	session: Session,
	options: unknown,
	twoFactor: { code: string } | undefined,
): Promise<object | undefined> {
	const wrapped = twoFactor === undefined ? options : { totp: { login: options, code: twoFactor.code } };
	const result = await prove(context, session, wrapped);
	if (session.state !== 'open') return undefined;
	const { id, token, tokenExpires, type } = result;
	const answer = { id, token, tokenExpires, type };
	if (session.claim !== null) {
		const resumed = await context.resumption.resumeAs(session, result);
		if (resumed === null) return undefined;
		guardToken(context, resumed, result);
		wakeLoginWaiters(session);
		return answer;
	}
	const { actor } = result;
	const before = session.actor;
	if (before !== null && before.uid !== actor.uid) leave(context, session, false);
	if (session.actor === null) {
		if (socketsOf(context, actor.uid) >= context.limits.maxSocketsPerUser) {
			session.giveUp(1013, 'TRY_AGAIN_LATER');
			return undefined;
		}
		enter(context, session, actor);
	}
	session.actor = actor;
	publishUser(session, result);
	guardToken(context, session, result);
	wakeLoginWaiters(session);
	if (before?.uid !== actor.uid) await rejudgeAll(context, session);
	return answer;
}

async function prove(context: DdpContext, session: Session, options: unknown): Promise<LoginResult> {
	try {
		return await context.admission.login(options, connectionOf(session), () => session.state === 'open');
	} catch (error) {
		if (isCrowded(error, options)) session.socket.close(1013, 'TRY_AGAIN_LATER');
		else context.resumption.loginFailed(session);
		throw error;
	}
}

/** Too many log in at once. Who only wants to go on would take a refusal for the end of his login: he is to come again. */
function isCrowded(error: unknown, options: unknown): boolean {
	const isResume = typeof options === 'object' && options !== null && 'resume' in options;
	return isResume && error instanceof ClientError && error.code === 'too-many-requests';
}

function socketsOf({ byUser }: DdpContext, uid: UserId): number {
	let count = 0;
	for (const { state } of byUser.get(uid) ?? []) if (state !== 'detached') count += 1;
	return count;
}

/** The connection is this user's from now on. */
export function enter(context: DdpContext, session: Session, actor: Actor): void {
	session.actor = actor;
	session.identity += 1;
	session.userLease = context.interest.acquire(`user:${actor.uid}`);
	session.socket.setMaxMessageBytes(context.limits.maxMessageBytes);
	let sessions = context.byUser.get(actor.uid);
	if (sessions === undefined) context.byUser.set(actor.uid, (sessions = new Set()));
	sessions.add(session);
	context.addresses.update(session);
	context.reporter.connected(session.id, actor.uid);
}

/** Makes the connection anonymous. Its subs are still to be judged. */
function leave(context: DdpContext, session: Session, isLogout: boolean): void {
	const { actor } = session;
	if (actor === null) return;
	session.actor = null;
	session.identity += 1;
	session.forgetTold();
	session.userLease?.release();
	session.userLease = null;
	context.addresses.update(session);
	session.socket.setMaxMessageBytes(context.limits.anonymousMessageBytes);
	const sessions = context.byUser.get(actor.uid);
	sessions?.delete(session);
	if (sessions?.size === 0) context.byUser.delete(actor.uid);
	context.reporter.disconnected(session.id, isLogout);
	session.documents.drop('users', actor.uid, '');
}

/** The `users` publication: sent before the `result` of the login. @see realtime contract 4.15.3 */
export function publishUser(session: Session, { actor, emails }: LoginResult): void {
	if (session.documents.has('users', actor.uid)) return;
	const fields = { username: actor.username, emails, ...(actor.name === undefined ? {} : { name: actor.name }) };
	session.documents.put('users', actor.uid, fields, '');
}

/**
 * A token may have been revoked between its proof and the moment from which revocations of this user are heard here: it
 * is proved once more then. Nobody waits for it.
 */
function guardToken(context: DdpContext, session: Session, { actor, token }: LoginResult): void {
	const { userLease } = session;
	if (userLease === null) return;
	void userLease.ready
		.then(() => context.proofs.prove(actor.uid, token))
		.then(
			(proved) => {
				if (proved === null && session.actor?.hashedToken === actor.hashedToken) revoke(context, session);
			},
			(error: unknown) => {
				context.log.warn({ err: error }, 'a login could not be confirmed: the socket is closed');
				session.giveUp(1013, 'TRY_AGAIN_LATER');
			},
		);
}

/**
 * Method `logout`: ends the connection's token; the socket stays, anonymous.
 *
 * @see realtime contract 3.3.2
 */
export async function logout(context: DdpContext, session: Session): Promise<void> {
	const { actor } = session;
	if (actor === null) return;
	const ending = { hashedToken: actor.hashedToken, isRevoked: false };
	session.loggingOut = ending;
	try {
		await context.accounts.logout(actor.uid, actor.hashedToken);
	} catch (error) {
		if (!ending.isRevoked) throw error;
	} finally {
		session.loggingOut = null;
	}
	if (session.state === 'detached') return context.resumption.discard(session);
	if (session.state !== 'open') return;
	leave(context, session, true);
	await rejudgeAll(context, session);
}

/** Method `getNewToken`: the connection holds the new one from now on. */
export async function newToken(context: DdpContext, session: Session): Promise<object> {
	const actor = requireLogin(session);
	const made = await context.accounts.newToken(actor.uid, actor.hashedToken);
	const hashedToken = createHash('sha256').update(made.token).digest('base64');
	// His record may have changed meanwhile: it is still the same login.
	if (session.actor?.hashedToken === actor.hashedToken) {
		session.actor = { ...session.actor, hashedToken, tokenExpires: made.tokenExpires };
	}
	return made;
}

/** Method `removeOtherTokens`. */
export async function removeOtherTokens(context: DdpContext, session: Session): Promise<void> {
	const actor = requireLogin(session);
	await context.accounts.logoutOthers(actor.uid, actor.hashedToken);
}

function requireLogin(session: Session): Actor {
	if (session.actor === null) throw new ClientError(401, 'You are not logged in.');
	return session.actor;
}

/**
 * Ends a login that was revoked: the client is told, its subs end, the socket is closed a moment later.
 *
 * @see realtime contract 4.6.6
 */
export function revoke(context: DdpContext, session: Session): void {
	const { actor } = session;
	if (session.state === 'detached') return context.resumption.discard(session);
	if (actor === null || session.state !== 'open') return;
	if (session.loggingOut?.hashedToken === actor.hashedToken) {
		session.loggingOut.isRevoked = true;
		return;
	}
	session.state = 'ending';
	session.work.stop();
	const event = `${actor.uid}/force_logout`;
	session.send(eventFrame('notify-user', event, '[]'), 'event');
	session.send(changed('stream-force_logout', 'id', { eventName: event, args: [] }), 'event');
	leave(context, session, true);
	endWatch(context, session);
	context.log.info({ event: 'session.revoked', uid: actor.uid }, 'a login was revoked');
	void rejudgeAll(context, session);
	setTimeout(() => session.giveUp(4403, 'LOGGED_OUT'), context.limits.revokeCloseMs).unref();
}

/** Revokes the sessions of a user. @param hashedTokens null: all of them */
export function revokeTokens(context: DdpContext, uid: UserId, hashedTokens: string[] | null): void {
	for (const session of context.byUser.get(uid) ?? []) {
		const hash = session.actor?.hashedToken;
		if (hash !== undefined && (hashedTokens === null || hashedTokens.includes(hash))) revoke(context, session);
	}
}

/** The connection is gone: nothing of its identity is kept. */
export function endIdentity(context: DdpContext, session: Session): void {
	leave(context, session, false);
}

/** Own status or record changed: `userData` to the user's sockets. */
export function deliverUserData(
	context: DdpContext,
	uid: UserId,
	diff: Record<string, unknown>,
	unset: Record<string, 1>,
): void {
	if (Object.keys(diff).length === 0 && Object.keys(unset).length === 0) return;
	const event = `${uid}/userData`;
	context.fanout.deliver(
		`notify-user/${event}`,
		() => eventFrame('notify-user', event, stringifyEjson([{ type: 'updated', id: uid, diff, unset }])),
		'event',
	);
}

/** A token ran out on an open socket. */
export function revokeExpired(context: DdpContext, session: Session): void {
	const expires = session.actor?.tokenExpires;
	if (expires !== null && expires !== undefined && expires.getTime() <= context.clock.now()) revoke(context, session);
}
