import type { StreamName } from './events.ts';
import type { WireError } from './errors.ts';
import type { FrameErrorReason } from './frames.ts';

/**
 * Frames of the server as text. Parameters named `encoded...` are EJSON text already and are spliced in as they are.
 *
 * @see realtime contract 2.1
 */

/** The first text on every socket, before anything was received. ddp.js compares it byte for byte. */
export const greetingFrame = '{"server_id":"0"}';

export function connectedFrame(session: string): string {
	return `{"msg":"connected","session":${JSON.stringify(session)}}`;
}

/** The version the client should offer; the socket is closed after it. */
export function failedFrame(version: string): string {
	return `{"msg":"failed","version":${JSON.stringify(version)}}`;
}

export function pingFrame(id?: string): string {
	return id === undefined ? '{"msg":"ping"}' : `{"msg":"ping","id":${JSON.stringify(id)}}`;
}

/** @param id Of the ping; absent when it had none. */
export function pongFrame(id?: string): string {
	return id === undefined ? '{"msg":"pong"}' : `{"msg":"pong","id":${JSON.stringify(id)}}`;
}

/** @param encodedResult '' or absent when the method returned nothing: then there is no key `result`. */
export function resultFrame(id: string, encodedResult = ''): string {
	const head = `{"msg":"result","id":${JSON.stringify(id)}`;
	return encodedResult === '' ? `${head}}` : `${head},"result":${encodedResult}}`;
}

export function resultErrorFrame(id: string, error: WireError): string {
	return `{"msg":"result","id":${JSON.stringify(id)},"error":${JSON.stringify(error)}}`;
}

/** @param methodId Sent exactly once per method id received. */
export function updatedFrame(methodId: string): string {
	return `{"msg":"updated","methods":[${JSON.stringify(methodId)}]}`;
}

/** One id per frame: two SDKs look only at the first. */
export function readyFrame(subId: string): string {
	return `{"msg":"ready","subs":[${JSON.stringify(subId)}]}`;
}

/** @param error Absent: the answer to `unsub`, or to a delta of the presence watch set. */
export function nosubFrame(subId: string, error?: WireError): string {
	const head = `{"msg":"nosub","id":${JSON.stringify(subId)}`;
	return error === undefined ? `${head}}` : `${head},"error":${JSON.stringify(error)}}`;
}

/** @param encodedFields An EJSON object; absent when the document has no field. */
export function addedFrame(collection: string, id: string, encodedFields?: string): string {
	return documentFrame('added', collection, id, encodedFields);
}

/** @param cleared Names of fields that went. */
export function changedFrame(collection: string, id: string, encodedFields?: string, cleared: string[] = []): string {
	return documentFrame('changed', collection, id, encodedFields, cleared);
}

export function removedFrame(collection: string, id: string): string {
	return documentFrame('removed', collection, id);
}

/** @param offending JSON text of the client, as it came; absent when it did not parse. */
export function errorFrame(reason: FrameErrorReason, offending?: string): string {
	const head = `{"msg":"error","reason":${JSON.stringify(reason)}`;
	return offending === undefined ? `${head}}` : `${head},"offendingMessage":${offending}}`;
}

/** What `useCollection` subscribers get before `ready`. @see realtime contract 4.1.2 */
export function streamAddedFrame(stream: StreamName, eventName: string): string {
	return addedFrame(`stream-${stream}`, 'id', `{"eventName":${JSON.stringify(eventName)}}`);
}

/**
 * Everything of an event's frame before the EJSON `args` array. `head + args + eventTail` is the frame.
 *
 * @see realtime contract 4.1.3
 */
export function eventHead(stream: StreamName, eventName: string): string {
	return `{"msg":"changed","collection":"stream-${stream}","id":"id","fields":{"eventName":${JSON.stringify(eventName)},"args":`;
}

/** Everything of an event's frame behind the `args` array. */
export const eventTail = '}}';

/** As `eventHead` for `stream-user-presence`, whose frames carry the user's id. @see realtime contract 4.8 */
export function presenceHead(uid: string): string {
	const id = JSON.stringify(uid);
	return `{"msg":"changed","collection":"stream-user-presence","id":${id},"fields":{"uid":${id},"eventName":${id},"args":`;
}

/** Characters that some browsers mangle. JSON itself escapes U+0000 to U+001F and lone surrogates. */
const fragile = /[\u17b4-\u17b5\u00ad\u0600-\u0604\u070f\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff]/g;

/**
 * A SockJS message frame: an array of DDP messages, each as a JSON string.
 *
 * @see realtime contract 1.4
 */
export function sockjsFrame(...texts: string[]): string {
	return `a[${texts.map(quote).join(',')}]`;
}

/** A SockJS close frame; the transport is closed behind it. */
export function sockjsCloseFrame(code: number, reason: string): string {
	return `c[${code},${quote(reason)}]`;
}

function quote(text: string): string {
	const quoted = JSON.stringify(text);
	return quoted.search(fragile) === -1 ? quoted : quoted.replace(fragile, escapeUnit);
}

function escapeUnit(unit: string): string {
	return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function documentFrame(
	msg: string,
	collection: string,
	id: string,
	encodedFields?: string,
	cleared: string[] = [],
): string {
	let frame = `{"msg":"${msg}","collection":${JSON.stringify(collection)},"id":${JSON.stringify(id)}`;
	if (encodedFields !== undefined && encodedFields !== '{}') frame += `,"fields":${encodedFields}`;
	if (cleared.length > 0) frame += `,"cleared":${JSON.stringify(cleared)}`;
	return `${frame}}`;
}
