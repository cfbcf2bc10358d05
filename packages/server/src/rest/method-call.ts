import { z } from 'zod';
import { frameLimits, parseEjson, stringifyEjson } from '@rookery/protocol/ejson.ts';
import { ClientError, toWireError } from '@rookery/protocol/errors.ts';
import type { Actor, Connection } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { RestFailure, route } from './route.ts';

const body = z.object({ message: z.string() });

/** The frame inside `message`. Keys beyond these are tolerated (`randomSeed`). */
const frame = z.object({
	msg: z.literal('method'),
	id: z.union([z.string(), z.number(), z.null()]).optional(),
	method: z.string().min(1).max(200),
	params: z.array(z.unknown()).nullish(),
});

/**
 * The tunnel of the setting "Use REST instead of websocket for Meteor calls": DDP methods over HTTP.
 * A refused method is HTTP 200 with the error inside `message`: a 4xx would leave clients hanging.
 *
 * @see realtime contract, 3.2
 */
export const methodCall = route({
	post: 'method.call/:method',
	summary: 'Run a method as the caller',
	auth: 'user',
	rate: 'none',
	maxBodyBytes: 8 * 1024 * 1024,
	body,
	run: ({ actor, body, connection, headers, services }) => runFrame(body.message, actor, connection, headers, services),
});

/** The same for anonymous callers; a token is ignored. */
export const methodCallAnon = route({
	post: 'method.callAnon/:method',
	summary: 'Run a method anonymously',
	auth: 'public',
	rate: 'none',
	body,
	run: ({ body, connection, headers, services }) => runFrame(body.message, null, connection, headers, services),
});

async function runFrame(
	text: string,
	actor: Actor | null,
	connection: Connection,
	headers: Record<string, string | undefined>,
	services: CoreServices,
): Promise<{ message: string }> {
	const call = readFrame(text);
	const id = call.id === undefined ? {} : { id: call.id };
	const code = headers['x-2fa-code'];
	const twoFactor = code === undefined ? {} : { twoFactor: { code, method: headers['x-2fa-method'] ?? '' } };
	try {
		const result = await services.runMethod({
			method: call.method,
			params: call.params ?? [],
			actor,
			connection,
			...twoFactor,
		});
		return { message: stringifyEjson({ msg: 'result', ...id, ...(result === undefined ? {} : { result }) }) };
	} catch (error) {
		return { message: stringifyEjson({ msg: 'result', ...id, error: tunnelError(error, services) }) };
	}
}

function readFrame(text: string): z.infer<typeof frame> {
	let value: unknown;
	try {
		value = parseEjson(text, frameLimits);
	} catch {
		throw new RestFailure(400, 'Invalid method call');
	}
	const parsed = frame.safeParse(value);
	if (!parsed.success) throw new RestFailure(400, 'Invalid method call');
	return parsed.data;
}

/** A shape failure carries Meteor's `sanitizedError` beside the usual fields: tests of Rocket.Chat read it. */
function tunnelError(error: unknown, services: CoreServices): object {
	if (!(error instanceof ClientError)) services.reportBug(error, 'a method failed in the tunnel');
	const wire = toWireError(error);
	if (wire.error !== 400) return wire;
	const { details: _details, ...sanitizedError } = wire;
	return { ...wire, sanitizedError };
}
