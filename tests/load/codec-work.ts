import { createRequire } from 'node:module';
import { parseEjson, stringifyEjson } from '@rookery/protocol/ejson.ts';
import { decodeEnvelope, encodeEnvelope } from '@rookery/protocol/envelope.ts';
import type { EventPart } from '@rookery/protocol/events.ts';
import { eventHead, eventTail } from '@rookery/protocol/server-frames.ts';
import { textFrame } from '../../packages/server/src/transport/framing.ts';
import { codecDocuments } from './codec-documents.ts';

/**
 * The work of the codec bench in a process of its own: `codec-work.ts <whose>`. Each message orders some of it.
 *
 * `relay` is what a streamer does with a message that comes from the bus until its bytes can be written. Ours splices the
 * encoded body into a frame; the model of the other decodes the bus message and encodes the frame anew.
 */

export type Codec = 'ours' | 'ejson' | 'json';
export type CodecOrder = { operation: 'encode' | 'parse' | 'relay'; document: number; times: number };

const ejson = createRequire(import.meta.url)('ejson') as {
	stringify(value: unknown): string;
	parse(text: string): unknown;
};

type Encoded = { value: unknown; text: string; envelope: Uint8Array; busText: string };
type Work = Record<CodecOrder['operation'], (document: Encoded) => unknown>;

const works: Record<Codec, Work> = {
	ours: {
		encode: ({ value }) => stringifyEjson(value),
		parse: ({ text }) => parseEjson(text),
		relay({ envelope }) {
			const { parts } = decodeEnvelope(envelope);
			const [part] = parts;
			if (part?.header.kind !== 'direct') throw new Error('the envelope holds no event');
			return textFrame([eventHead(part.header.stream, part.header.event), part.body, eventTail]);
		},
	},
	ejson: {
		encode: ({ value }) => ejson.stringify(value),
		parse: ({ text }) => ejson.parse(text),
		relay({ busText }) {
			const [eventName, ...args] = ejson.parse(busText) as [string, ...unknown[]];
			const fields = { eventName, args };
			return textFrame([ejson.stringify({ msg: 'changed', collection: 'stream-room-messages', id: 'id', fields })]);
		},
	},
	json: {
		encode: ({ value }) => JSON.stringify(value),
		parse: ({ text }) => JSON.parse(text) as unknown,
		relay: () => null,
	},
};

const room = 'GENERAL';

const documents = codecDocuments(stringifyEjson).map(({ value }): Encoded => {
	const part: EventPart = { kind: 'direct', stream: 'room-messages', event: room, args: [value] };
	return {
		value,
		text: stringifyEjson(value),
		envelope: encodeEnvelope({ key: `room:${room}`, parts: [part] }),
		busText: stringifyEjson([room, value]),
	};
});

const work = works[process.argv[2] as Codec];
/** What was made last: work whose result nobody uses may be left out. */
let last: unknown = null;

process.on('message', ({ operation, document, times }: CodecOrder) => {
	const subject = documents[document];
	if (subject === undefined) throw new Error(`no document ${document}`);
	const run = work[operation];
	for (let index = 0; index < times; index++) last = run(subject);
	process.send?.({ done: typeof last });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ done: 'start' });
