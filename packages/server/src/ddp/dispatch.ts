import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { UserStatus } from '@rookery/protocol/records.ts';
import type { MethodCall } from '../services/contracts.ts';
import { errorResult, result, updated } from './answers.ts';
import type { Call } from './client-session.ts';
import type { DdpContext, Session } from './context.ts';
import { emitFromClient } from './emits.ts';
import type { OutFrame } from './out-frame.ts';
import { connectionOf, login, logout, newToken, removeOtherTokens } from './identity.ts';

export type MethodFrame = { id: string; method: string; params: unknown[] };

/** A method's result: undefined = it returned nothing. */
type LocalMethod = (context: DdpContext, session: Session, params: unknown[]) => Promise<unknown>;

const statuses: readonly string[] = ['online', 'away', 'busy', 'offline'] satisfies UserStatus[];

/** Methods that change who the caller is: barriers in the order of a connection. */
export const identityMethods: ReadonlySet<string> = new Set(['login', 'logout', 'getNewToken', 'removeOtherTokens']);

/**
 * Methods that are answered here because they concern the connection itself. All others are core's.
 *
 * @see realtime contract 3.3, 3.9
 */
const localMethods: ReadonlyMap<string, LocalMethod> = new Map<string, LocalMethod>([
	[
		'login',
		(context, session, params) => login(context, session, params[0] ?? {}, twoFactorOf(session, params.at(-1))),
	],
	['logout', logout],
	['getNewToken', newToken],
	['removeOtherTokens', removeOtherTokens],
	['UserPresence:online', async (context, session) => reportStatus(context, session, 'online')],
	['UserPresence:connect', async (context, session) => reportStatus(context, session, 'online')],
	['UserPresence:away', async (context, session) => reportStatus(context, session, 'away')],
	['UserPresence:setDefaultStatus', setDefaultStatus],
	['setUserStatus', setUserStatus],
]);

/** Clients' time for a method that core runs, in ms. */
const methodDeadlineMs = 15_000;

/** A method that is to be run; null: it is on its way on the same socket already. */
export function takeCall(session: Session, id: string, asked: string): Call | null {
	if (session.openMethods?.has(id) === true) return null;
	const call = { asked, isBegun: false, isEarlier: false, isAskedAgain: false };
	(session.openMethods ??= new Map<string, Call>()).set(id, call);
	return call;
}

/**
 * Runs one method and answers it: `result`, then `updated`, each exactly once.
 *
 * A client that came back on another socket asks again for what it was not answered: it gets the answer that was kept, or
 * that of the call which is still on its way. Who somebody is, is always proven anew.
 *
 * @see realtime contract 2.4; architecture 3
 */
export async function runMethod(context: DdpContext, session: Session, frame: MethodFrame, call: Call): Promise<void> {
	const { id, method } = frame;
	const isIdentity = identityMethods.has(method);
	// One whose socket went before its turn came is the call that others ask for again.
	if (!isIdentity && !call.isEarlier && answerAgain(session, id, call.asked)) return;
	call.isBegun = true;
	let answer: OutFrame;
	try {
		answer = result(id, await perform(context, session, frame));
	} catch (error) {
		if (!(error instanceof ClientError)) context.log.error({ err: error, method }, 'a method failed');
		answer = errorResult(id, error);
	}
	const owner = session.successor ?? session;
	const isAwaited = !call.isEarlier || takeEarlier(owner, id, call);
	if (!isIdentity) owner.keepAnswer(id, call.asked, answer, isAwaited);
	if (!isAwaited) return;
	owner.send(answer, 'own');
	finish(owner, id);
}

/** @returns true when the call was made before: it is answered, or will be. */
function answerAgain(session: Session, id: string, asked: string): boolean {
	const earlier = session.earlierMethods?.get(id);
	if (earlier?.asked === asked) {
		earlier.isAskedAgain = true;
		return true;
	}
	const kept = session.answers?.find(id, asked, session.sockets) ?? null;
	if (kept === null) return false;
	session.send(kept, 'own');
	finish(session, id);
	return true;
}

/** A call of an earlier socket has ended. @returns Whether the client asked for it again and waits */
function takeEarlier(session: Session, id: string, { asked }: Call): boolean {
	const earlier = session.earlierMethods?.get(id);
	if (earlier?.asked !== asked) return false;
	session.earlierMethods?.delete(id);
	return earlier.isAskedAgain;
}

/** Answers a method with a refusal without running it. */
export function refuseMethod(session: Session, id: string, error: unknown): void {
	session.send(errorResult(id, error), 'own');
	finish(session, id);
}

function finish(session: Session, id: string): void {
	session.openMethods?.delete(id);
	if (session.openMethods?.size === 0) session.openMethods = null;
	session.send(updated(id), 'own');
}

/** @returns EJSON text of the result, '' for none. */
async function perform(context: DdpContext, session: Session, { method, params }: MethodFrame): Promise<string> {
	context.rates.method(session);
	const isEmit = method.startsWith('stream-');
	const local = localMethods.get(method);
	if (local === undefined && !isEmit) return forward(context, session, method, params);
	context.rates.localMethod(session, method);
	const cut = cutSurplus(params);
	const value = isEmit
		? await emitFromClient(context, session, method.slice('stream-'.length), cut)
		: await local?.(context, session, method === 'login' ? params : cut);
	return value === undefined ? '' : stringifyEjson(value);
}

async function forward(context: DdpContext, session: Session, method: string, params: unknown[]): Promise<string> {
	const { twoFactor } = session.socket.info;
	const call: MethodCall = {
		method,
		params,
		actor: session.actor,
		connection: connectionOf(session),
		...(twoFactor === undefined ? {} : { twoFactor }),
	};
	return context.bus.callRaw('core.method', [call], { deadlineMs: methodDeadlineMs });
}

/** What the mobile app appends to every call: an empty text, or a second factor. Nulls count as absent. */
function cutSurplus(params: unknown[]): unknown[] {
	const last = params.at(-1);
	const list = last === '' || secondFactor(last) !== null ? params.slice(0, -1) : [...params];
	return list.map((value) => value ?? undefined);
}

function twoFactorOf(session: Session, last: unknown): { code: string } | undefined {
	return secondFactor(last) ?? session.socket.info.twoFactor;
}

function secondFactor(value: unknown): { code: string } | null {
	if (typeof value !== 'object' || value === null) return null;
	const { twoFactorCode, twoFactorMethod } = value as Record<string, unknown>;
	if (typeof twoFactorCode !== 'string' || typeof twoFactorMethod !== 'string') return null;
	return { code: twoFactorCode };
}

function reportStatus({ reporter }: DdpContext, session: Session, status: 'online' | 'away'): void {
	if (session.actor !== null) reporter.status(session.id, status);
}

async function setUserStatus(context: DdpContext, session: Session, [status, text]: unknown[]): Promise<void> {
	const uid = requireUser(session, 'setUserStatus');
	if (text !== undefined && typeof text !== 'string') throw new ClientError(400, 'Match failed');
	await context.presence.setStatus(uid, status === undefined ? null : readStatus(status), text ?? null);
}

/** `(status)` or, as an old package of Meteor's sends it, `(uid, status)`. */
async function setDefaultStatus(context: DdpContext, session: Session, [first, second]: unknown[]): Promise<void> {
	const uid = requireUser(session, 'UserPresence:setDefaultStatus');
	const isOther = second !== undefined && first !== undefined && first !== uid;
	if (isOther) throw new ClientError('cannot-change-other-users-status');
	await context.presence.setStatus(uid, readStatus(second ?? first), null);
}

function requireUser({ actor }: Session, method: string): string {
	if (actor === null) throw new ClientError('error-invalid-user', 'Invalid user', { method });
	return actor.uid;
}

function readStatus(value: unknown): UserStatus {
	if (typeof value !== 'string' || !statuses.includes(value)) throw new ClientError(400, 'Match failed');
	return value as UserStatus;
}
