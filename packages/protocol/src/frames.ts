import { EjsonError, fromJsonValue, frameLimits } from './ejson.ts';

/**
 * A client's DDP frame once parsed. `id` is chosen by the client and echoed in the answer.
 *
 * `connect` is not judged here: `version` and `support` are null where they have not the right form (`agreeVersion`).
 */
export type ClientFrame =
	| { msg: 'connect'; version: string | null; support: string[] | null; session?: string }
	| { msg: 'ping'; id?: string }
	| { msg: 'pong'; id?: string }
	| { msg: 'method'; id: string; method: string; params: unknown[] }
	| { msg: 'sub'; id: string; name: string; params: unknown[] }
	| { msg: 'unsub'; id: string };

/** Reasons of the top-level `error` frame. Wire facts. @see realtime contract 2.7 */
export type FrameErrorReason =
	| 'Parse error'
	| 'Bad request'
	| 'Must connect first'
	| 'Already connected'
	| 'Malformed subscription'
	| 'Malformed method invocation';

/**
 * Why a text is no frame.
 *
 * `error`: answer `errorFrame(reason, offending)`. `params`: the frame is whole but its `params` hold what EJSON does not
 * know or break a limit: answer 400 "Match failed" to this `id` (a `result` with `updated`, or a `nosub`).
 */
export type FrameProblem =
	| { problem: 'error'; reason: FrameErrorReason; offending?: string }
	| { problem: 'params'; msg: 'method' | 'sub'; id: string };

/** Longest text that an `error` frame gives back to who sent it. */
const maxOffendingChars = 16_384;

/**
 * Reads one message of a client: the text of a WebSocket message, or one string of a SockJS frame.
 *
 * @param text JSON; the transport has already refused what is too long. Nesting and keys are bounded here.
 * @see realtime contract 2.1, 2.7
 */
export function parseFrame(text: string): ClientFrame | FrameProblem {
	let raw: unknown;
	try {
		raw = JSON.parse(text);
	} catch {
		return { problem: 'error', reason: 'Parse error' };
	}
	if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return offence('Bad request', text);
	const frame = raw as Record<string, unknown>;
	switch (frame['msg']) {
		case 'connect':
			return connectFrame(frame);
		case 'ping':
		case 'pong':
			return typeof frame['id'] === 'string' ? { msg: frame['msg'], id: frame['id'] } : { msg: frame['msg'] };
		case 'method':
			return methodFrame(frame, text);
		case 'sub':
			return subFrame(frame, text);
		case 'unsub':
			return typeof frame['id'] === 'string' ? { msg: 'unsub', id: frame['id'] } : offence('Bad request', text);
		default:
			return offence('Bad request', text);
	}
}

/** DDP versions this server speaks, best first. `pre2` equals `1`; `pre1` knows no ping. */
export const ddpVersions: readonly string[] = ['1', 'pre2', 'pre1'];

/**
 * Whether to accept a `connect`.
 *
 * @returns `agreed` false: answer `failedFrame(version)` and close.
 * @see realtime contract 2.2
 */
export function agreeVersion({ version, support }: { version: string | null; support: string[] | null }): {
	agreed: boolean;
	version: string;
} {
	if (version === null || support === null || !support.includes(version)) return { agreed: false, version: '1' };
	const best = support.find((offered) => ddpVersions.includes(offered)) ?? '1';
	return { agreed: best === version, version: best };
}

/** An `error` for a text that did parse, with that text as `offendingMessage` unless it is very long. */
function offence(reason: FrameErrorReason, text: string): FrameProblem {
	return text.length > maxOffendingChars ? { problem: 'error', reason } : { problem: 'error', reason, offending: text };
}

function connectFrame({ version, support, session }: Record<string, unknown>): ClientFrame {
	const frame: ClientFrame = {
		msg: 'connect',
		version: typeof version === 'string' ? version : null,
		support: isTexts(support) ? support : null,
	};
	if (typeof session === 'string') frame.session = session;
	return frame;
}

function isTexts(value: unknown): value is string[] {
	return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function methodFrame({ id, method, params }: Record<string, unknown>, text: string): ClientFrame | FrameProblem {
	if (typeof id !== 'string' || typeof method !== 'string' || !isArrayOrAbsent(params)) {
		return offence('Malformed method invocation', text);
	}
	const decoded = decodeParams(params);
	return decoded === null ? { problem: 'params', msg: 'method', id } : { msg: 'method', id, method, params: decoded };
}

function subFrame({ id, name, params }: Record<string, unknown>, text: string): ClientFrame | FrameProblem {
	if (typeof id !== 'string' || typeof name !== 'string' || !isArrayOrAbsent(params)) {
		return offence('Malformed subscription', text);
	}
	const decoded = decodeParams(params);
	return decoded === null ? { problem: 'params', msg: 'sub', id } : { msg: 'sub', id, name, params: decoded };
}

function isArrayOrAbsent(params: unknown): params is unknown[] | undefined {
	return params === undefined || Array.isArray(params);
}

function decodeParams(params: unknown[] | undefined): unknown[] | null {
	if (params === undefined) return [];
	try {
		return fromJsonValue(params, frameLimits, 1) as unknown[];
	} catch (error) {
		if (error instanceof EjsonError) return null;
		throw error;
	}
}
