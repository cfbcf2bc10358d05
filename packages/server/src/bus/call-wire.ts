import { parseEjson, stringifyEjson, EjsonError } from '@rookery/protocol/ejson.ts';
import { ClientError, isErrorCode, type ErrorCode } from '@rookery/protocol/errors.ts';
import { EncodedJson, type CallContext, type CallHandler, type ServiceName } from './bus.ts';

/** What a call looks like in every driver: sizes, the texts of arguments, results and errors, and repeating it. */

const kib = 1024;
const mib = 1024 * kib;

/** Bounds of the bus. @see security contract 4, "Bus payload" and "Bus request deadline" */
export const busLimits = {
	/** One message on the wire. Larger requests and results travel in parts, larger events are refused. */
	messageBytes: 512 * kib,
	/** Arguments of one call: the largest REST body (8 MiB) and its surroundings. */
	requestBytes: 9 * mib,
	resultBytes: 16 * mib,
	/** Calls of this process that wait for an answer, and calls it is answering. */
	pendingCalls: 10_000,
	/** Bytes given to the connection that the server has not confirmed. */
	outgoingBytes: 8 * mib,
	/** Bytes of large requests that are being put together here. */
	incomingBytes: 64 * mib,
	deadlineMs: 5000,
	tries: 3,
} as const;

/** How a handler ended: EJSON text of its result ('' = nothing), or of its error. */
export type Answer = { failed: boolean; text: string };

/** Nobody answered: the call may be repeated when it is idempotent. */
export class NoAnswer extends ClientError {}

/** Nobody serves the name, or the bus is not connected. */
export function unavailable(reason: string): NoAnswer {
	return new NoAnswer('error-service-unavailable', reason);
}

/** The deadline passed, or the connection went: whether the call took effect is unknown. */
export function timedOut(reason: string): NoAnswer {
	return new NoAnswer('error-timeout', reason);
}

/** `accounts.login` as service and method. */
export function splitTarget(target: string): { service: ServiceName; method: string } {
	const dot = target.indexOf('.');
	if (dot <= 0) throw new TypeError(`bus: '${target}' is not <service>.<method>`);
	return { service: target.slice(0, dot) as ServiceName, method: target.slice(dot + 1) };
}

/**
 * Arguments as text. Missing ones at the end are cut, so that they arrive as missing; one in the middle arrives as null.
 *
 * @throws ClientError `error-invalid-payload` over 9 MiB
 */
export function encodeArgs(args: unknown[]): string {
	let length = args.length;
	while (length > 0 && args[length - 1] === undefined) length -= 1;
	const text = stringifyEjson(args.slice(0, length));
	if (text.length > busLimits.requestBytes / 4 && Buffer.byteLength(text) > busLimits.requestBytes) {
		throw new ClientError('error-invalid-payload', 'The request is too large');
	}
	return text;
}

/** The result of a call: '' = the handler returned nothing. */
export function decodeResult(text: string): unknown {
	return text === '' ? undefined : parseEjson(text);
}

/** The error that a handler threw, as the caller throws it again. */
export function decodeError(text: string): ClientError {
	const { code, reason, details } = parseEjson(text) as { code: unknown; reason?: unknown; details?: unknown };
	const known: ErrorCode = isErrorCode(code) ? code : 500;
	return new ClientError(known, typeof reason === 'string' ? reason : undefined, details);
}

/** Text of a refusal. */
export function encodeError({ code, reason, details }: ClientError): string {
	return stringifyEjson({ code, reason, details });
}

/**
 * Runs the handler of a method on encoded arguments. Never rejects.
 *
 * @param reportBug Hears what is thrown and is no ClientError: the caller only learns 500.
 */
export async function runHandler(
	methods: Record<string, CallHandler>,
	method: string,
	argsText: string,
	context: CallContext,
	reportBug: (error: unknown, method: string) => void,
): Promise<Answer> {
	try {
		const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
		if (handler === undefined) throw new ClientError(404, `Method '${method.slice(0, 200)}' not found`);
		const result = await handler(parseArgs(argsText), context);
		const text = resultText(result);
		if (text.length > busLimits.resultBytes / 4 && Buffer.byteLength(text) > busLimits.resultBytes) {
			throw new RangeError(`result of ${text.length} characters is over the limit of the bus`);
		}
		return { failed: false, text };
	} catch (error) {
		if (error instanceof ClientError) return { failed: true, text: encodeError(error) };
		reportBug(error, method);
		return { failed: true, text: encodeError(new ClientError(500, 'Internal server error')) };
	}
}

function parseArgs(text: string): unknown[] {
	try {
		const args = parseEjson(text);
		if (Array.isArray(args)) return args;
	} catch (error) {
		if (!(error instanceof EjsonError)) throw error;
	}
	throw new ClientError(400, 'Match failed');
}

function resultText(result: unknown): string {
	if (result === undefined) return '';
	return result instanceof EncodedJson ? result.text : stringifyEjson(result);
}

/**
 * Makes a call, again when it is idempotent and nobody answered: at most 3 tries within the deadline, each with a random
 * pause. An earlier try stays open, so a late answer to it still counts.
 *
 * @param attempt One try, with the ms it may take. Rejects with `NoAnswer` when there was none.
 */
export async function callInTries(
	attempt: (deadlineMs: number) => Promise<string>,
	{ deadlineMs = busLimits.deadlineMs, idempotent = false }: { deadlineMs?: number; idempotent?: boolean },
): Promise<string> {
	if (!idempotent) return attempt(deadlineMs);
	return new Promise((resolve, reject) => {
		const startedAt = performance.now();
		let started = 0;
		let open = 0;
		let timer: NodeJS.Timeout | undefined;
		const settle = (finish: () => void) => {
			clearTimeout(timer);
			started = busLimits.tries;
			finish();
		};
		const again = (afterMs: number) => {
			clearTimeout(timer);
			if (started < busLimits.tries) timer = setTimeout(start, afterMs);
		};
		const start = () => {
			const leftMs = deadlineMs - (performance.now() - startedAt);
			if (leftMs < 1) {
				if (open === 0) settle(() => reject(timedOut('Nobody answered in time')));
				return;
			}
			started += 1;
			open += 1;
			again((deadlineMs / busLimits.tries) * (0.8 + Math.random() * 0.4));
			attempt(leftMs).then(
				(text) => settle(() => resolve(text)),
				(error: unknown) => {
					open -= 1;
					if (!(error instanceof NoAnswer)) return settle(() => reject(error as Error));
					const pauseMs = (50 + Math.random() * 100) * 2 ** (started - 1);
					const mayRepeat = started < busLimits.tries && performance.now() - startedAt + pauseMs < deadlineMs;
					if (mayRepeat) return again(pauseMs);
					if (open === 0) settle(() => reject(error));
				},
			);
		};
		start();
	});
}
