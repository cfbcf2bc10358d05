import { EjsonError, parseEjson, stringifyEjson } from './ejson.ts';
import type { EnvelopeHeader, EventKey, EventPart, PartHeader, Publication } from './events.ts';

/**
 * The bytes of an event on the bus: length of the header (unsigned, 32 bit, big-endian), header as JSON, then the bodies
 * of its parts one behind the other. Each body is EJSON encoded exactly once for the whole cluster.
 */

/** Where the event stands in the change stream. Absent fields: an event of no stored change. */
export type EnvelopePosition = Partial<Pick<EnvelopeHeader, 'epoch' | 'pos' | 'prev'>>;

/** One part as it arrived: its body is a view of the received bytes. */
export type DecodedPart = { header: PartHeader; body: Uint8Array };

/** Bytes that are no envelope. The receiver counts and drops them. */
export class EnvelopeError extends Error {
	override name = 'EnvelopeError';
}

const maxHeaderBytes = 1 << 20;
const maxParts = 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Encodes what one change says on one key.
 *
 * @throws EjsonError when a body cannot be encoded
 */
export function encodeEnvelope(publication: Publication, position: EnvelopePosition = {}): Uint8Array {
	const bodies = publication.parts.map((part) => encoder.encode(stringifyEjson(bodyOf(part))));
	const header: EnvelopeHeader = {
		key: publication.key,
		epoch: position.epoch ?? 0,
		pos: position.pos ?? null,
		prev: position.prev ?? null,
		parts: publication.parts.map((part, index) => partHeader(part, bodies[index]?.length ?? 0)),
	};
	if (publication.origin !== undefined) header.origin = publication.origin;
	return join(encoder.encode(JSON.stringify(header)), bodies);
}

/**
 * Reads an envelope; bodies are not decoded. What it holds beyond the fields we know is kept.
 *
 * @throws EnvelopeError for bytes that are none
 */
export function decodeEnvelope(bytes: Uint8Array): { header: EnvelopeHeader; parts: DecodedPart[] } {
	if (bytes.length < 4) throw new EnvelopeError('Too short');
	const headerBytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
	if (headerBytes > maxHeaderBytes || 4 + headerBytes > bytes.length) throw new EnvelopeError('Wrong header length');
	const header = readHeader(bytes.subarray(4, 4 + headerBytes));
	const parts: DecodedPart[] = [];
	let offset = 4 + headerBytes;
	for (const part of header.parts) {
		if (offset + part.bytes > bytes.length) throw new EnvelopeError('Body cut off');
		parts.push({ header: part, body: bytes.subarray(offset, offset + part.bytes) });
		offset += part.bytes;
	}
	if (offset !== bytes.length) throw new EnvelopeError('Bytes behind the last body');
	return { header, parts };
}

/**
 * The decoded body of a part: the `args` array of a `direct` part, the record body of a `record` part.
 *
 * @throws EnvelopeError for a body that is no EJSON
 */
export function decodeBody(part: { body: Uint8Array }): unknown {
	try {
		return parseEjson(decoder.decode(part.body));
	} catch (error) {
		if (error instanceof EjsonError || error instanceof TypeError) throw new EnvelopeError('Body is no EJSON');
		throw error;
	}
}

function bodyOf(part: EventPart): unknown {
	return part.kind === 'direct' ? part.args : part.body;
}

function partHeader(part: EventPart, bytes: number): PartHeader {
	if (part.kind === 'record') return { kind: 'record', record: part.record, action: part.action, bytes };
	const header: PartHeader = { kind: 'direct', stream: part.stream, event: part.event, bytes };
	if (part.version !== undefined) header.version = part.version;
	return header;
}

function join(header: Uint8Array, bodies: Uint8Array[]): Uint8Array {
	if (header.length > maxHeaderBytes || bodies.length > maxParts) throw new EnvelopeError('Too large');
	const total = bodies.reduce((sum, body) => sum + body.length, 4 + header.length);
	const bytes = new Uint8Array(total);
	new DataView(bytes.buffer).setUint32(0, header.length);
	bytes.set(header, 4);
	let offset = 4 + header.length;
	for (const body of bodies) {
		bytes.set(body, offset);
		offset += body.length;
	}
	return bytes;
}

function readHeader(bytes: Uint8Array): EnvelopeHeader {
	let header: unknown;
	try {
		header = JSON.parse(decoder.decode(bytes));
	} catch {
		throw new EnvelopeError('Header is no JSON');
	}
	if (!isHeader(header)) throw new EnvelopeError('Header without its fields');
	return header;
}

function isHeader(value: unknown): value is EnvelopeHeader {
	if (!isRecord(value)) return false;
	const { key, epoch, pos, prev, origin, parts } = value;
	return (
		isKey(key) &&
		typeof epoch === 'number' &&
		isTextOrNull(pos) &&
		isTextOrNull(prev) &&
		(origin === undefined || typeof origin === 'string') &&
		Array.isArray(parts) &&
		parts.length <= maxParts &&
		parts.every(isPartHeader)
	);
}

function isKey(key: unknown): key is EventKey {
	return typeof key === 'string' && /^(?:room|user|all):/.test(key);
}

function isPartHeader(value: unknown): value is PartHeader {
	if (!isRecord(value)) return false;
	const { kind, bytes, stream, event, version, record, action } = value;
	if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) return false;
	if (kind === 'record') return typeof record === 'string' && typeof action === 'string';
	const isVersion = version === undefined || typeof version === 'number';
	return kind === 'direct' && typeof stream === 'string' && typeof event === 'string' && isVersion;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextOrNull(value: unknown): value is string | null {
	return value === null || typeof value === 'string';
}
