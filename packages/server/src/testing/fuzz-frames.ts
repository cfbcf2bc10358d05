import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One WebSocket message that a client might send by mistake or by malice. */
export type FuzzMessage = {
	text: string | Buffer;
	/** Whether it already has SockJS framing: only sent to SockJS sockets. */
	isFramed: boolean;
};

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Names that a careless table would find in every object. */
export const inheritedNames: readonly string[] = [
	'__proto__',
	'constructor',
	'prototype',
	'toString',
	'valueOf',
	'hasOwnProperty',
	'__defineGetter__',
];

const streamNames = [
	'room-messages',
	'notify-user',
	'notify-all',
	'notify-logged',
	'notify-room',
	'notify-room-users',
	'user-presence',
	'roles',
	'room-data',
	'livechat-room',
	'livechat-inquiry-queue-observer',
	'canned-responses',
	'integrationHistory',
	'importers',
	'stdout',
	'apps',
	'apps-engine',
	'local',
	'nothing',
	'',
	...inheritedNames,
];

const events = [
	'GENERAL',
	'__my_messages__',
	'GENERAL/typing',
	'GENERAL/user-activity',
	'GENERAL/webrtc',
	'ana/message',
	'ana/rooms-changed',
	'ana/subscriptions-changed',
	'ana/notification',
	'ben/userData',
	'public-settings-changed',
	'private-settings-changed',
	'agent/ana',
	'department/x',
	'',
	'/',
	'//',
	'a/b/c',
	' ',
	'.',
	'*',
	'>',
	'a.*.>',
	'\u0000',
	'\ud800',
	'x'.repeat(600),
	...inheritedNames,
];

const methods = [
	'login',
	'logout',
	'getNewToken',
	'removeOtherTokens',
	'UserPresence:online',
	'UserPresence:away',
	'UserPresence:setDefaultStatus',
	'setUserStatus',
	'sendMessage',
	'setReaction',
	'readMessages',
	'joinRoom',
	'rooms/get',
	'',
	...streamNames.map((name) => `stream-${name}`),
	...inheritedNames,
];

/** What stands in place of anything else. */
const poisons: Json[] = [
	null,
	true,
	false,
	0,
	-1,
	1.5,
	1e308,
	'',
	'x',
	'\u0000',
	'\ud800\udc00\ud800',
	[],
	{},
	[null],
	[[[[]]]],
	{ $ne: null },
	{ $where: 'sleep(1)' },
	{ $date: 5 },
	{ $date: 'x' },
	{ $date: 1e300 },
	{ $binary: 'AAEC' },
	{ $binary: '=' },
	{ $InfNaN: 1 },
	{ $regexp: '(a+)+$', $flags: 'g' },
	{ $type: 'oid', $value: 'x' },
	{ $type: 'nobody', $value: {} },
	{ $escape: { $date: 1 } },
	{ $escape: 5 },
	{ useCollection: true, args: [{ token: 'x' }] },
	{ added: ['ana', 'ben', 5], removed: ['ana'] },
	{ twoFactorCode: '1', twoFactorMethod: 'totp' },
];

/** Messages that were hard on somebody once. More may be added at any time. */
const corpus: string[] = JSON.parse(readFileSync(join(import.meta.dirname, 'fuzz-corpus.json'), 'utf8')) as string[];

/** Random choices that a seed repeats. */
export function choices(seed: number) {
	let state = seed | 0;
	const next = (): number => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
	const below = (count: number): number => Math.floor(next() * count);
	return {
		below,
		/** True in this share of cases. */
		chance: (share: number): boolean => next() < share,
		one<T>(list: readonly T[]): T {
			const found = list[below(list.length)];
			if (found === undefined) throw new Error('nothing to choose from');
			return found;
		},
	};
}

export type Choices = ReturnType<typeof choices>;

/**
 * Makes messages without end: valid frames, valid frames with something wrong in them, frames with wrong bytes, and the
 * corpus. What ends a connection is rare, so that each lives for some hundred messages. The same choices give the same
 * messages.
 */
export function fuzzMessages(pick: Choices): () => FuzzMessage {
	return () => {
		if (pick.chance(0.03)) return { text: framed(pick), isFramed: true };
		if (pick.chance(0.001)) return { text: wrongBytes(pick, JSON.stringify(validFrame(pick))), isFramed: false };
		return { text: fuzzText(pick), isFramed: false };
	};
}

function fuzzText(pick: Choices): string {
	if (pick.chance(0.04)) return wrongText(pick, pick.one(corpus), pick.chance(0.1) ? 1 : 0);
	const frame = validFrame(pick);
	for (let count = pick.below(4); count > 0; count -= 1) mutate(pick, frame);
	const text = JSON.stringify(frame);
	return pick.chance(0.01) ? wrongText(pick, text, 1 + pick.below(4)) : text;
}

function validFrame(pick: Choices): { [key: string]: Json } {
	const id = pick.chance(0.05) ? pick.one(inheritedNames) : String(pick.below(40));
	switch (pick.below(8)) {
		case 0:
			return { msg: pick.one(['ping', 'pong']), ...(pick.chance(0.5) ? { id } : {}) };
		case 1:
			return { msg: 'unsub', id };
		case 2:
		case 3:
		case 4:
			return { msg: 'sub', id, name: subName(pick), params: subParams(pick) };
		case 5:
			return pick.chance(0.1)
				? { msg: 'connect', version: '1', support: ['1'], session: pick.one(['x', id, '']) }
				: { msg: 'method', id, method: 'stream-notify-room', params: [pick.one(events), 'ana', ['user-typing'], {}] };
		default:
			return { msg: 'method', id, method: pick.one(methods), params: anything(pick, pick.below(4)) };
	}
}

function subName(pick: Choices): string {
	if (pick.chance(0.9)) return `stream-${pick.one(streamNames)}`;
	return pick.one(['meteor.loginServiceConfiguration', 'activeUsers', 'userData', ...inheritedNames]);
}

function subParams(pick: Choices): Json[] {
	const event = pick.one(events);
	return [event, ...anything(pick, pick.below(4))];
}

/** Values that may be changed. */
function anything(pick: Choices, count: number): Json[] {
	return Array.from({ length: count }, () => structuredClone(pick.one([...poisons, ...events])));
}

/** Puts something wrong in one place of a value. */
function mutate(pick: Choices, frame: { [key: string]: Json }): void {
	let place: Json[] | { [key: string]: Json } = frame;
	for (;;) {
		const inner: Json = pick.one([place, ...Object.values(place)]);
		if (typeof inner !== 'object' || inner === null || inner === place) break;
		place = inner;
	}
	if (Array.isArray(place)) return mutateList(pick, place);
	const keys = Object.keys(place);
	if (keys.length > 0 && pick.chance(0.3)) delete place[pick.one(keys)];
	else if (keys.length > 0 && pick.chance(0.6)) place[pick.one(keys)] = structuredClone(pick.one(poisons));
	else set(place, pick.one([...inheritedNames, 'extra', '$set', 'a.b', '']), structuredClone(pick.one(poisons)));
}

/** Also under `__proto__`, which an assignment would not make a key of. */
function set(place: { [key: string]: Json }, key: string, value: Json): void {
	Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true });
}

function mutateList(pick: Choices, list: Json[]): void {
	switch (pick.below(20)) {
		case 0:
			list.push(...Array.from({ length: 200 }, () => null));
			break;
		case 1:
			list.push(nested(1 + pick.below(60)));
			break;
		case 2:
		case 3:
		case 4:
			list.splice(pick.below(list.length + 1), 1);
			break;
		default:
			list.splice(pick.below(list.length + 1), 0, structuredClone(pick.one(poisons)));
	}
}

function nested(levels: number): Json {
	let value: Json = 1;
	for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
	return value;
}

/** Drops, doubles, changes and inserts characters. */
function wrongText(pick: Choices, text: string, changes: number): string {
	let result = text;
	for (let count = 0; count < changes; count += 1) {
		const at = pick.below(result.length + 1);
		const length = 1 + pick.below(5);
		const head = result.slice(0, at);
		switch (pick.below(4)) {
			case 0:
				result = head + result.slice(at + length);
				break;
			case 1:
				result = head + result.slice(at, at + length) + result.slice(at);
				break;
			case 2:
				result =
					head + pick.one(['"', '{', '}', '[', ']', ',', ':', '\\', '\\u', '\u2028', '0', 'e']) + result.slice(at);
				break;
			default:
				result = head + String.fromCharCode(pick.below(0x250)) + result.slice(at + 1);
		}
	}
	return result;
}

/** Bytes that may not even be UTF-8. */
function wrongBytes(pick: Choices, text: string): Buffer {
	const bytes = Buffer.from(text);
	for (let count = 1 + pick.below(3); count > 0; count -= 1) bytes[pick.below(bytes.length)] = pick.below(256);
	return bytes;
}

/** SockJS messages that are arrays of something, or not even that. */
function framed(pick: Choices): string {
	const list = Array.from({ length: pick.below(6) }, () => fuzzText(pick));
	if (pick.chance(0.95)) return JSON.stringify(list);
	return pick.one([
		'',
		'[]',
		'[[]]',
		'{}',
		'"',
		'["x"',
		'[1]',
		'null',
		JSON.stringify(fuzzText(pick)),
		'[""]',
		'["",""]',
	]);
}
