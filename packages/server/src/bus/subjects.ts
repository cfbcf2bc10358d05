import { createHash } from 'node:crypto';
import type { EventKey } from '@rookery/protocol/events.ts';
import type { ServiceName } from './bus.ts';

/**
 * Names on NATS.
 *
 * | subject | who publishes | who subscribes |
 * |---|---|---|
 * | `rookery.<namespace>.call.<service>` | callers, with a reply subject | replicas of the service, queue group = service |
 * | `rookery.<namespace>.inbox.<instance>.<token>` | who answers | the instance, as `inbox.<instance>.*` |
 * | `rookery.<namespace>.ev.<kind>.<shard>.<token>` | hub and services | who needs the key |
 *
 * An event is published once, on a subject that holds the kind of its key (`room`, `user`, `all`), the shard (1 of 4,096, a
 * hash of the key) and the key as one token. A receiver subscribes to the exact subject while it needs at most 10,000
 * keys; for keys beyond that it subscribes to `ev.<kind>.<shard>.*`, which the same publication matches, and leaves out
 * locally what it did not ask for; and to `ev.room.>` when it wants all rooms. So publishers need not know what a receiver
 * hears.
 */

/** Keys of one process that get a subject of their own. Those beyond share the subscription of their shard. */
export const maxExactKeys = 10_000;

/** Longest key that stands in a subject as it is; longer ones are hashed. NATS takes a control line of 4,096 bytes. */
const maxTokenLength = 240;

const shardCount = 4096;

/** Where calls to a service go. */
export function callSubject(namespace: string, service: ServiceName): string {
	return `rookery.${tokenOf(namespace)}.call.${service}`;
}

/** Everything that is sent to one instance alone: answers, parts of large requests. */
export function inboxSubject(namespace: string, instance: string, token: string): string {
	return `rookery.${tokenOf(namespace)}.inbox.${tokenOf(instance)}.${token}`;
}

/** Where events of a key are published, and what an exact subscription names. */
export function eventSubject(namespace: string, key: EventKey): string {
	return `${shardPrefix(namespace, key)}.${tokenOf(key)}`;
}

/** All events of the keys that share the shard of this key. */
export function shardSubject(namespace: string, key: EventKey): string {
	return `${shardPrefix(namespace, key)}.*`;
}

/** All events of all rooms. */
export function roomsSubject(namespace: string): string {
	return `rookery.${tokenOf(namespace)}.ev.room.>`;
}

function shardPrefix(namespace: string, key: EventKey): string {
	return `rookery.${tokenOf(namespace)}.ev.${key.slice(0, key.indexOf(':'))}.${shardOf(key)}`;
}

/** The shard of a key: 3 lower-case hex digits, by FNV-1a over its UTF-16 code units. */
export function shardOf(key: string): string {
	let hash = 0x811c9dc5;
	for (let index = 0; index < key.length; index++) {
		hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
	}
	return ((hash ^ (hash >>> 16)) & (shardCount - 1)).toString(16).padStart(3, '0');
}

/**
 * Any text as one token of a subject: letters, digits, `-` and `_` stand for themselves, every other byte of its UTF-8
 * form is `=` and two hex digits. Texts too long for a subject become `=x` and their SHA-256.
 */
export function tokenOf(text: string): string {
	if (/^[\w-]{1,240}$/.test(text)) return text;
	let token = '';
	for (const byte of Buffer.from(text, 'utf8')) {
		token += isPlain(byte) ? String.fromCharCode(byte) : `=${byte.toString(16).padStart(2, '0')}`;
	}
	if (token === '') return '=';
	return token.length <= maxTokenLength ? token : `=x${createHash('sha256').update(text).digest('hex')}`;
}

/** `0-9 A-Z a-z - _` */
function isPlain(byte: number): boolean {
	return (
		(byte >= 48 && byte <= 57) ||
		(byte >= 65 && byte <= 90) ||
		(byte >= 97 && byte <= 122) ||
		byte === 45 ||
		byte === 95
	);
}
