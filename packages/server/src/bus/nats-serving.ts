import type { Msg } from '@nats-io/transport-node';
import type { CallContext, CallHandler, ServiceName } from './bus.ts';
import { busLimits, encodeError, runHandler, unavailable, type Answer } from './call-wire.ts';
import type { BusLog, NatsLink } from './nats-connection.ts';
import type { NatsInbox } from './nats-inbox.ts';
import { microService } from './nats-micro.ts';
import { headerNames, headersOf, partCollector, partsOf } from './nats-parts.ts';
import { callSubject } from './subjects.ts';

type Deps = { connection: NatsLink; inbox: NatsInbox; namespace: string; version: string; log: BusLog };

/** A request as it arrived: whole, or with its parts still to come. */
type Request = { message: Msg; reply: string; method: string; deadlineMs: number };

/** How long calls in progress may keep a closing service. */
const drainMs = 20_000;

/** The side of calls over NATS that answers. */
export function natsServing({ connection, inbox, namespace, version, log }: Deps) {
	let running = 0;
	let incomingBytes = 0;
	let answered = 0;

	const reportBug = (error: unknown, method: string): void => {
		log.error({ event: 'unhandled', err: error, method }, 'a call failed unexpectedly');
	};

	/** Sends an answer in as many messages as it needs. Without a connection there is nobody to tell. */
	async function reply(subject: string, { failed, text }: Answer, kind = 'refused'): Promise<void> {
		const bytes = Buffer.from(text, 'utf8');
		const parts = partsOf(bytes);
		answered += 1;
		const sender = answered.toString(36);
		try {
			for (const [index, part] of parts.entries()) {
				await connection.roomToSend();
				const headers: Record<string, string> = failed ? { [headerNames.failed]: kind } : {};
				if (parts.length > 1) headers[headerNames.part] = `${sender}.${index}.${parts.length}`;
				const isPlain = !failed && parts.length === 1;
				connection.publish(subject, part, isPlain ? {} : { headers: headersOf(headers) });
			}
		} catch (error) {
			log.warn({ err: error }, 'an answer could not be sent: its caller will time out');
		}
	}

	/** Takes the parts of a large request, or null when they do not come in time or are wrong. */
	function receiveParts({ message, reply: to, deadlineMs }: Request): Promise<Uint8Array | null> {
		const total = Number(message.headers?.get(headerNames.bytes));
		const fits = total <= busLimits.requestBytes && incomingBytes + total <= busLimits.incomingBytes;
		if (!fits) return Promise.resolve(null);
		incomingBytes += total;
		return new Promise((resolve) => {
			const collect = partCollector(total);
			const finish = (whole: Uint8Array | null): void => {
				clearTimeout(timer);
				mailbox.close();
				incomingBytes -= total;
				resolve(whole);
			};
			const timer = setTimeout(() => finish(null), deadlineMs);
			const mailbox = inbox.open(({ headers, data }) => {
				const whole = collect.add(headers?.get(headerNames.part) ?? '', data);
				if (whole !== 'more') finish(whole === 'broken' ? null : whole);
			});
			try {
				connection.publish(to, new Uint8Array(0), { headers: headersOf({ [headerNames.ready]: mailbox.subject }) });
			} catch {
				finish(null);
			}
		});
	}

	async function answer(request: Request, methods: Record<string, CallHandler>): Promise<boolean> {
		const { message, method, deadlineMs } = request;
		const isLarge = message.headers?.has(headerNames.bytes) === true;
		const startedAt = performance.now();
		const body = isLarge ? await receiveParts(request) : message.data;
		if (body === null) {
			await reply(request.reply, refusal('The request did not arrive whole'), 'unavailable');
			return false;
		}
		const leftMs = deadlineMs - (performance.now() - startedAt);
		const result = await withinDeadline(leftMs, (context) => {
			running += 1;
			const work = runHandler(methods, method, Buffer.from(body).toString('utf8'), context, reportBug);
			return work.finally(() => (running -= 1));
		});
		if (result !== null) await reply(request.reply, result);
		return result?.failed === false;
	}

	return {
		/** @see Bus.serve */
		async serve(service: ServiceName, methods: Record<string, CallHandler>): Promise<() => Promise<void>> {
			const subject = callSubject(namespace, service);
			const micro = microService({ connection, service, subject, version, namespace });
			const mine = new Set<Promise<void>>();
			const take = (message: Msg): void => {
				const request = readRequest(message);
				if (request === null) return;
				if (running >= busLimits.pendingCalls) {
					void reply(request.reply, refusal('Too many calls are running'), 'unavailable');
					return;
				}
				const startedAt = performance.now();
				const work = answer(request, methods).then((succeeded) => {
					micro.count(performance.now() - startedAt, succeeded);
					mine.delete(work);
				});
				mine.add(work);
			};
			const interest = connection.subscribe(subject, { onMessage: take }, service);
			await interest.effective();
			return async () => {
				micro.stop();
				await interest.drain();
				await settled(mine);
			};
		},
	};
}

function refusal(reason: string): Answer {
	return { failed: true, text: encodeError(unavailable(reason)) };
}

/** null when nobody waits for an answer, or the message is none of ours. */
function readRequest(message: Msg): Request | null {
	const { headers, reply } = message;
	const method = headers?.get(headerNames.method) ?? '';
	const deadlineMs = Number(headers?.get(headerNames.deadline));
	if (reply === undefined || reply === '' || method === '' || !(deadlineMs > 0)) return null;
	return { message, reply, method, deadlineMs: Math.min(deadlineMs, 10 * 60_000) };
}

/** Runs a handler; null when the deadline passed before it ended: its caller is gone. */
function withinDeadline(ms: number, run: (context: CallContext) => Promise<Answer>): Promise<Answer | null> {
	const abort = new AbortController();
	return new Promise((resolve) => {
		const timer = setTimeout(() => {
			abort.abort();
			resolve(null);
		}, ms);
		void run({ signal: abort.signal, deadlineAt: Date.now() + ms }).then((answer) => {
			clearTimeout(timer);
			resolve(answer);
		});
	});
}

/** Waits for calls in progress, but not for ever. */
async function settled(work: Set<Promise<void>>): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const tooLong = new Promise<void>((resolve) => {
		timer = setTimeout(resolve, drainMs);
	});
	await Promise.race([Promise.allSettled(work), tooLong]);
	clearTimeout(timer);
}
