import { errorCodes } from './error-codes.ts';

/** A code of the catalogue, or one of Meteor's own numbers (400, 401, 403, 404, 500). */
export type ErrorCode = keyof typeof errorCodes | 400 | 401 | 403 | 404 | 500;

/** What a client sees of an error in a DDP `result` or `nosub` and in the REST tunnel. */
export type WireError = {
	isClientSafe: true;
	error: string | number;
	reason?: string;
	details?: unknown;
	message: string;
	errorType: 'Meteor.Error';
};

/**
 * An expected refusal that the client may see. Everything else that is thrown is a bug: the client sees a bare 500.
 *
 * @param code Of the catalogue (`error-codes.ts`); wire facts, never renamed.
 * @param reason Text for people; absent where the original has none.
 * @param details Plain data, sent as it is.
 */
export class ClientError extends Error {
	readonly code: ErrorCode;
	readonly reason: string | undefined;
	readonly details: unknown;

	constructor(code: ErrorCode, reason?: string, details?: unknown) {
		super(errorMessage(code, reason));
		this.name = 'ClientError';
		this.code = code;
		this.reason = reason;
		this.details = details;
	}
}

/** `"<reason> [<code>]"`, or `"[<code>]"` where there is no reason. */
export function errorMessage(code: string | number, reason?: string): string {
	return reason === undefined ? `[${code}]` : `${reason} [${code}]`;
}

/** The error object of DDP and of the REST tunnel. @see Meteor, packages/meteor/errors.js */
export function toWireError(error: unknown): WireError {
	const known = error instanceof ClientError ? error : new ClientError(500, 'Internal server error');
	const wire: WireError = {
		isClientSafe: true,
		error: known.code,
		message: known.message,
		errorType: 'Meteor.Error',
	};
	if (known.reason !== undefined) wire.reason = known.reason;
	if (known.details !== undefined) wire.details = known.details;
	return wire;
}

/** Whether a text is a code of the catalogue: used where an error comes back over the bus. */
export function isErrorCode(code: unknown): code is ErrorCode {
	if (typeof code === 'number') return [400, 401, 403, 404, 500].includes(code);
	return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}

/** HTTP status of a code when a REST route answers it: the catalogue's; 400 for Meteor's numbers but 500. */
export function httpStatusOf(code: ErrorCode): number {
	if (typeof code === 'string') return errorCodes[code];
	return code === 500 ? 500 : 400;
}
