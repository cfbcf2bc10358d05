import type { Msg } from '@nats-io/transport-node';
import type { ClientError } from '@rookery/protocol/errors.ts';
import type { CallOptions } from './bus.ts';
import {
	busLimits,
	callInTries,
	decodeError,
	encodeArgs,
	NoAnswer,
	splitTarget,
	timedOut,
	unavailable,
} from './call-wire.ts';
import type { NatsLink } from './nats-connection.ts';
import type { NatsInbox } from './nats-inbox.ts';
import { headerNames, headersOf, partCollector, partsOf } from './nats-parts.ts';
import { callSubject } from './subjects.ts';

type Deps = { connection: NatsLink; inbox: NatsInbox; namespace: string; onCall: () => void };

/** The caller's side of calls over NATS. */
export function natsCalls({ connection, inbox, namespace, onCall }: Deps) {
	const pending = new Set<(error: ClientError) => void>();
	const forget = connection.box.onState((event) => {
		if (event === 'disconnected') failAll(timedOut('The connection was lost: whether the call took effect is unknown'));
		if (event === 'closed') failAll(unavailable('The bus was closed'));
	});

	function failAll(error: ClientError): void {
		for (const fail of pending) fail(error);
	}

	/** One try: sends the request and waits for the answer. */
	function attempt(target: string, body: Uint8Array, deadlineMs: number): Promise<string> {
		const { service, method } = splitTarget(target);
		return new Promise((resolve, reject) => {
			connection.box.requireConnection();
			if (pending.size >= busLimits.pendingCalls) throw unavailable('Too many calls are waiting');
			onCall();
			const finish = (settle: () => void): void => {
				if (!pending.delete(fail)) return;
				clearTimeout(timer);
				mailbox.close();
				settle();
			};
			const fail = (error: Error): void => finish(() => reject(error));
			const timer = setTimeout(() => fail(timedOut(`'${target}' did not answer in time`)), deadlineMs);
			const collect = partCollector(busLimits.resultBytes + busLimits.messageBytes);
			const mailbox = inbox.open((message) => {
				const ready = message.headers?.get(headerNames.ready) ?? '';
				if (ready !== '') {
					sendParts(ready, body, () => pending.has(fail)).catch((error: unknown) => fail(error as Error));
					return;
				}
				readAnswer(message, collect, service, { done: (text) => finish(() => resolve(text)), fail });
			});
			pending.add(fail);
			try {
				sendRequest(callSubject(namespace, service), mailbox.subject, method, body, deadlineMs);
			} catch (error) {
				fail(error as Error);
			}
		});
	}

	function sendRequest(subject: string, reply: string, method: string, body: Uint8Array, deadlineMs: number): void {
		const isLarge = body.length > busLimits.messageBytes;
		const headers = headersOf({
			[headerNames.method]: method,
			[headerNames.deadline]: String(Math.max(1, Math.floor(deadlineMs))),
			...(isLarge ? { [headerNames.bytes]: String(body.length) } : {}),
		});
		connection.publish(subject, isLarge ? new Uint8Array(0) : body, { reply, headers });
	}

	/** The parts of a large request, no faster than the server takes them. */
	async function sendParts(subject: string, body: Uint8Array, isWanted: () => boolean): Promise<void> {
		const parts = partsOf(body);
		for (const [index, part] of parts.entries()) {
			await connection.roomToSend();
			if (!isWanted()) return;
			const headers = headersOf({ [headerNames.part]: `c.${index}.${parts.length}` });
			connection.publish(subject, part, { headers });
		}
	}

	return {
		/** @see Bus.callRaw */
		async callRaw(target: string, args: unknown[], options: CallOptions = {}): Promise<string> {
			const body = Buffer.from(encodeArgs(args), 'utf8');
			return callInTries((deadlineMs) => attempt(target, body, deadlineMs), options);
		},
		stop: forget,
	};
}

type Outcome = { done: (text: string) => void; fail: (error: Error) => void };

function readAnswer(
	message: Msg,
	collect: ReturnType<typeof partCollector>,
	service: string,
	{ done, fail }: Outcome,
): void {
	const { headers, data } = message;
	if (headers === undefined) return done(textOf(data));
	if (headers.code === 503) return fail(unavailable(`Nobody answers to '${service}'`));
	const part = headers.get(headerNames.part);
	const whole = part === '' ? data : collect.add(part, data);
	if (whole === 'more') return;
	if (whole === 'broken') return fail(timedOut('The answer arrived broken'));
	const kind = headers.get(headerNames.failed);
	if (kind === '') return done(textOf(whole));
	const error = decodeError(textOf(whole));
	fail(kind === 'unavailable' ? new NoAnswer(error.code, error.reason) : error);
}

function textOf(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
