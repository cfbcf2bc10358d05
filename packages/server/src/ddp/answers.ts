import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { toWireError } from '@rookery/protocol/errors.ts';
import type { StreamName } from '@rookery/protocol/events.ts';
import * as frames from '@rookery/protocol/server-frames.ts';
import { outFrame, type OutFrame } from './out-frame.ts';

/** The unusual first message. @see realtime contract 1.9 */
export function greeting(): OutFrame {
	return outFrame(frames.greetingFrame);
}

/** The answer to a method. @param result EJSON text, '' when the method returned nothing */
export function result(id: string, text: string): OutFrame {
	return outFrame(frames.resultFrame(id, text));
}

export function errorResult(id: string, error: unknown): OutFrame {
	return outFrame(frames.resultErrorFrame(id, toWireError(error)));
}

export function updated(id: string): OutFrame {
	return outFrame(frames.updatedFrame(id));
}

export function ready(id: string): OutFrame {
	return outFrame(frames.readyFrame(id));
}

/** @param error Absent: the client asked for the end itself. */
export function nosub(id: string, error?: unknown): OutFrame {
	return outFrame(error === undefined ? frames.nosubFrame(id) : frames.nosubFrame(id, toWireError(error)));
}

export function added(collection: string, id: string, fields: object): OutFrame {
	return outFrame(frames.addedFrame(collection, id, stringifyEjson(fields)));
}

export function changed(collection: string, id: string, fields: object): OutFrame {
	return outFrame(frames.changedFrame(collection, id, stringifyEjson(fields)));
}

export function removed(collection: string, id: string): OutFrame {
	return outFrame(frames.removedFrame(collection, id));
}

/** What `useCollection` subscribers get before `ready`. */
export function streamAdded(stream: StreamName, event: string): OutFrame {
	return outFrame(frames.streamAddedFrame(stream, event));
}

/**
 * One event of a stream.
 *
 * @param args The EJSON `args` array, as text or bytes in pieces; spliced in, never parsed.
 * @see realtime contract 4.1.3
 */
export function eventFrame(stream: StreamName, event: string, ...args: (string | Uint8Array)[]): OutFrame {
	return outFrame(frames.eventHead(stream, event), ...args, frames.eventTail);
}
