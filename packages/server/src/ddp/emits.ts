import { ClientError } from '@rookery/protocol/errors.ts';
import type { Publication } from '@rookery/protocol/events.ts';
import type { Emit, StreamKey } from '../streams/stream.ts';
import type { DdpContext, Session } from './context.ts';
import { provenTokens } from './proven-tokens.ts';

/** Longest event name that is looked at. */
const maxEventLength = 512;

/**
 * Methods `stream-<name>(event, ...args)`: what a client says to other subscribers. What the stream allows is published,
 * and reaches everybody but the connection it came from; everything else does nothing. The answer is always empty.
 *
 * @see realtime contract 3.10, 4.14
 */
export async function emitFromClient(
	context: DdpContext,
	session: Session,
	name: string,
	params: unknown[],
): Promise<void> {
	const [event, ...args] = params;
	const stream = context.streams.get(name);
	if (stream === undefined || typeof event !== 'string' || event.length > maxEventLength) return;
	const key: StreamKey = { ...stream.key.exec(event)?.groups };
	const emit = stream.emits.get(key['event'] ?? '');
	if (emit === undefined || (stream.write === 'user' && session.actor === null)) return;
	if (emit.isThrottled && !context.rates.mayEmit(session, `${name}/${key['rid'] ?? event}`)) return;
	for (const publication of await judge(context, session, emit, key, args)) {
		try {
			context.bus.publish({ ...publication, origin: session.id });
		} catch (error) {
			// It is told at most once; the next one may come through.
			if (!(error instanceof ClientError)) throw error;
		}
	}
}

async function judge(
	context: DdpContext,
	session: Session,
	emit: Emit,
	key: StreamKey,
	args: unknown[],
): Promise<Publication[]> {
	const { actor, identity } = session;
	const { authorization, settings } = context;
	const tokens = provenTokens(session, key['rid']);
	try {
		const publications = await emit.publish({ actor, key, args, tokens, services: { authorization, settings } });
		return session.identity === identity ? publications : [];
	} catch (error) {
		// Who cannot be asked allows nothing.
		if (error instanceof ClientError) return [];
		throw error;
	}
}
