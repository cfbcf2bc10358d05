import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import type { CountedApart, Room, RoomType, Subscription } from './records.ts';
import {
	countApart,
	countersOf,
	countsGroupMentions,
	countsUserMentions,
	effectiveSubscription,
	foldSubscription,
	hideSubscription,
	maxCountedApart,
	mentionEntry,
	ownEntry,
	readBases,
	readSubscription,
	type PostKind,
	type UnreadMode,
} from './unread.ts';

const start = new Date('2026-01-01T00:00:00Z');
const users = ['ana', 'bob', 'cleo'] as const;
type Name = (typeof users)[number];

/** What a member sees, kept by the letter of data model 6: every post writes every member. */
type Plain = {
	open: boolean;
	alert: boolean;
	unread: number;
	userMentions: number;
	groupMentions: number;
	threads: number;
};

type Step =
	| { do: 'post'; by: Name; kind: PostKind; mentions: Name[]; all: boolean }
	| { do: 'burst'; by: Name; posts: number; mentions: Name[] }
	| { do: 'reply'; by: Name; follower: Name }
	| { do: 'read' | 'readLater' | 'hide' | 'markUnread' | 'leave' | 'join' | 'fold'; who: Name }
	| { do: 'mode'; mode: UnreadMode }
	| { do: 'deliver' };

const who = fc.constantFrom(...users);
const some = fc.subarray([...users]);
const modes: UnreadMode[] = [
	'all_messages',
	'user_mentions_only',
	'group_mentions_only',
	'user_and_group_mentions_only',
];
const kinds = fc.constantFrom<PostKind[]>('ordinary', 'ordinary', 'ordinary', 'thread', 'system', 'imported');
const steps: fc.Arbitrary<Step[]> = fc.array(
	fc.oneof(
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constant('post' as const),
				by: who,
				kind: kinds,
				mentions: some,
				all: fc.boolean(),
			}),
		},
		{
			weight: 2,
			arbitrary: fc.record({
				do: fc.constant('burst' as const),
				by: who,
				posts: fc.integer({ min: 20, max: 70 }),
				mentions: some,
			}),
		},
		{ weight: 1, arbitrary: fc.record({ do: fc.constant('reply' as const), by: who, follower: who }) },
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constantFrom('read', 'readLater', 'readLater', 'hide', 'markUnread', 'leave', 'join', 'fold', 'fold'),
				who,
			}) as fc.Arbitrary<Step>,
		},
		{ weight: 1, arbitrary: fc.record({ do: fc.constant('mode' as const), mode: fc.constantFrom(...modes) }) },
		{ weight: 2, arbitrary: fc.constant<Step>({ do: 'deliver' }) },
	),
	{ maxLength: 40, size: 'max' },
);

/** The room as stored, subscriptions as stored, what is still on its way, and beside them the plain model. */
function world(t: RoomType, random: () => number) {
	const room: Pick<Room, 'rk' | 'lm'> & { rk: { s: number; n: number; u: number; g: number } } = {
		rk: { s: 0, n: 0, u: 0, g: 0 },
	};
	const stored = new Map<Name, Subscription>();
	const plain = new Map<Name, Plain>();
	let mode: UnreadMode = t === 'd' ? 'mentions_only' : 'all_messages';
	let entries: { who: Name; entry: CountedApart }[] = [];
	let reads: { who: Name; room: Pick<Room, 'rk'> }[] = [];

	function change(who: Name, to: (subscription: Subscription) => Subscription): void {
		const subscription = stored.get(who);
		if (subscription !== undefined) stored.set(who, to(subscription));
	}

	function join(who: Name): void {
		if (stored.has(who)) return;
		const values = { open: true, alert: true, unread: 1, userMentions: 1, groupMentions: 0 };
		stored.set(who, { _id: who, rid: 'r', u: { _id: who }, t, ...values, _updatedAt: start, rk: readBases(room) });
		plain.set(who, { ...values, threads: 0 });
	}

	function post(by: Name, kind: PostKind, mentions: Name[], all: boolean): void {
		const moved = countersOf({ kind, isGroupMention: all, t, mode });
		const { rk } = room;
		room.rk = { s: rk.s + moved.s, n: rk.n + moved.n, u: rk.u + moved.u, g: rk.g + moved.g };
		entries.push({ who: by, entry: ownEntry(room.rk.s, moved) });
		if (kind !== 'ordinary') return;
		const named = mentions.filter((name) => name !== by);
		for (const name of named) entries.push({ who: name, entry: mentionEntry(room.rk.s, moved, t, mode) });
		for (const [name, member] of plain) {
			if (name === by) continue;
			const isCountedForAll = all ? countsGroupMentions(t, mode) : mode === 'all_messages';
			if (named.includes(name)) {
				member.userMentions += 1;
				if (countsUserMentions(t, mode) || isCountedForAll) member.unread += 1;
			} else {
				if (all) member.groupMentions += 1;
				if (isCountedForAll) member.unread += 1;
			}
			member.alert = true;
			member.open = true;
		}
	}

	function applyReads(): void {
		for (const { who, room } of shuffled(reads, random)) change(who, (stored) => readSubscription(stored, room, start));
		reads = [];
	}

	/** Some of what is on its way arrives: out of order, and some of it twice. */
	function deliver(share: number): void {
		const kept: typeof entries = [];
		for (const item of shuffled(entries, random)) {
			const arrives = share === 1 || random() < share;
			if (arrives) change(item.who, (stored) => countApart(stored, item.entry));
			if (!arrives || (share < 1 && random() < 0.3)) kept.push(item);
		}
		entries = kept;
	}

	function fold(who: Name): void {
		const openFrom = Math.min(room.rk.s + 1, ...entries.map(({ entry }) => entry.s));
		change(who, (stored) => foldSubscription(stored, openFrom));
	}

	function run(step: Step): void {
		if (step.do !== 'post' && step.do !== 'burst' && step.do !== 'readLater' && step.do !== 'deliver') applyReads();
		switch (step.do) {
			case 'post':
				return post(step.by, step.kind, step.mentions, step.all);
			case 'burst':
				for (let count = 0; count < step.posts; count++) post(step.by, 'ordinary', step.mentions, count % 7 === 0);
				return;
			case 'reply': {
				post(step.by, 'thread', [], false);
				const member = plain.get(step.follower);
				if (member === undefined || step.by === step.follower) return;
				Object.assign(member, { alert: true, open: true, threads: 1 });
				return change(step.follower, (stored) => ({ ...stored, alert: true, open: true, tunread: ['thread'] }));
			}
			case 'readLater':
			case 'read': {
				const member = plain.get(step.who);
				if (member === undefined) return;
				Object.assign(member, { open: true, alert: member.threads > 0, unread: 0, userMentions: 0, groupMentions: 0 });
				reads.push({ who: step.who, room: { rk: { ...room.rk } } });
				if (step.do === 'read') applyReads();
				return;
			}
			case 'hide': {
				const member = plain.get(step.who);
				if (member !== undefined) Object.assign(member, { open: false, alert: false });
				return change(step.who, (stored) => hideSubscription(stored, room, start));
			}
			case 'markUnread': {
				const member = plain.get(step.who);
				if (member !== undefined) Object.assign(member, { open: true, alert: true });
				return change(step.who, (stored) => ({ ...stored, open: true, alert: true }));
			}
			case 'leave':
				stored.delete(step.who);
				plain.delete(step.who);
				return;
			case 'join':
				return join(step.who);
			case 'fold':
				return fold(step.who);
			case 'mode':
				if (t !== 'd') ({ mode } = step);
				return;
			case 'deliver':
				return deliver(0.5);
		}
	}

	function settle(): void {
		applyReads();
		deliver(1);
	}

	function compare(): void {
		assert.deepEqual([...stored.keys()].sort(), [...plain.keys()].sort());
		for (const [name, { threads: _, ...member }] of plain) {
			const subscription = stored.get(name);
			assert.ok(subscription);
			const { open, alert, unread, userMentions, groupMentions } = effectiveSubscription(subscription, room);
			assert.deepEqual({ open, alert, unread, userMentions, groupMentions }, member, name);
		}
	}

	for (const name of users) join(name);
	return { run, settle, compare, fold, stored };
}

function shuffled<T>(items: T[], random: () => number): T[] {
	return items
		.map((item) => ({ item, order: random() }))
		.sort((one, other) => one.order - other.order)
		.map(({ item }) => item);
}

/** A small generator, so that a counterexample can be run again. */
function generator(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}

test('what is shown equals a plain model that writes every member, whatever comes late, twice or out of order', () => {
	const rooms = fc.constantFrom<RoomType[]>('c', 'p', 'd');
	const property = fc.property(steps, rooms, fc.nat(), (list, t, seed) => {
		const { run, settle, compare } = world(t, generator(seed));
		for (const step of list) run(step);
		settle();
		compare();
	});
	fc.assert(property, { numRuns: 3_000 });
});

test('it also holds at every step when nothing is late', () => {
	const property = fc.property(steps, fc.constantFrom<RoomType[]>('c', 'd'), (list, t) => {
		const { run, settle, compare } = world(t, generator(1));
		for (const step of list) {
			run(step);
			settle();
			compare();
		}
	});
	fc.assert(property, { numRuns: 500 });
});

test('folding shortens the list and changes nothing that is shown', () => {
	const { run, settle, compare, fold, stored } = world('c', generator(7));
	run({ do: 'read', who: 'bob' });
	run({ do: 'hide', who: 'bob' });
	for (let round = 0; round < 4; round++) run({ do: 'burst', by: 'ana', posts: 40, mentions: ['bob'] });
	settle();
	assert.equal(stored.get('ana')?.rk?.x?.length, 160);
	fold('ana');
	fold('bob');
	assert.equal(stored.get('ana')?.rk?.x?.length, 110);
	fold('bob');
	fold('bob');
	assert.equal(stored.get('bob')?.rk?.x?.length, 60);
	assert.ok(60 <= maxCountedApart);
	compare();
	run({ do: 'hide', who: 'bob' });
	compare();
	run({ do: 'read', who: 'bob' });
	compare();
});

test('a taken-over database counts exactly from the first post, and stored values stand until the next read', () => {
	const subscription: Subscription = {
		_id: 'x',
		rid: 'r',
		u: { _id: 'u' },
		t: 'c',
		open: true,
		alert: true,
		_updatedAt: start,
		unread: 3,
		userMentions: 1,
		groupMentions: 2,
	};
	assert.deepEqual(effectiveSubscription(subscription, { lm: start }), subscription);
	const shown = effectiveSubscription(subscription, { rk: { s: 2, n: 2, u: 2, g: 1 } });
	assert.deepEqual([shown.unread, shown.userMentions, shown.groupMentions], [5, 1, 3]);
});

test('the counters of a subscription that lacks them are numbers, and rk is never shown', () => {
	const bare = {
		_id: 'x',
		rid: 'r',
		u: { _id: 'u' },
		t: 'c',
		_updatedAt: start,
		rk: { s: 1 },
	} as unknown as Subscription;
	const shown = effectiveSubscription(bare, null);
	assert.deepEqual(shown, {
		_id: 'x',
		rid: 'r',
		u: { _id: 'u' },
		t: 'c',
		_updatedAt: start,
		alert: false,
		open: false,
		unread: 0,
		userMentions: 0,
		groupMentions: 0,
	});
});

test('an entry that a room version does not know yet takes nothing away; a room older than the read shows nothing', () => {
	const base: Subscription = {
		_id: 'x',
		rid: 'r',
		u: { _id: 'u' },
		t: 'c',
		open: true,
		alert: false,
		_updatedAt: start,
		unread: 0,
		userMentions: 0,
		groupMentions: 0,
		rk: { s: 4, n: 4, u: 4, g: 0 },
	};
	const own = countApart(base, ownEntry(6, { s: 1, n: 1, u: 1, g: 0 }));
	assert.equal(effectiveSubscription(own, { rk: { s: 5, n: 5, u: 5, g: 0 } }).unread, 1);
	assert.equal(effectiveSubscription(own, { rk: { s: 6, n: 6, u: 6, g: 0 } }).unread, 1);
	assert.equal(countApart(base, ownEntry(4, { s: 1, n: 1, u: 1, g: 0 })), base, 'a post that was read stays away');
	const early = effectiveSubscription(own, { rk: { s: 3, n: 3, u: 3, g: 0 } });
	assert.deepEqual([early.unread, early.alert], [0, false]);
});

test('the date follows the last message of the room and the counting settings', () => {
	const subscription: Subscription = {
		_id: 'x',
		rid: 'r',
		u: { _id: 'u' },
		t: 'c',
		open: true,
		alert: false,
		_updatedAt: new Date(2_000),
		unread: 0,
		userMentions: 0,
		groupMentions: 0,
	};
	const dateOf = (lm?: Date, settingsUpdatedAt?: Date) =>
		effectiveSubscription(subscription, lm === undefined ? {} : { lm }, { settingsUpdatedAt })._updatedAt.getTime();
	assert.equal(dateOf(), 2_000);
	assert.equal(dateOf(new Date(1_000)), 2_000);
	assert.equal(dateOf(new Date(3_000)), 3_000);
	assert.equal(dateOf(new Date(3_000), new Date(4_000)), 4_000);
});

test('which counters a message moves', () => {
	const cases: [PostKind, RoomType, UnreadMode, boolean, number[]][] = [
		['ordinary', 'c', 'all_messages', false, [1, 1, 1, 0]],
		['ordinary', 'c', 'all_messages', true, [1, 1, 1, 1]],
		['ordinary', 'c', 'user_mentions_only', false, [1, 1, 0, 0]],
		['ordinary', 'c', 'user_mentions_only', true, [1, 1, 0, 1]],
		['ordinary', 'p', 'group_mentions_only', true, [1, 1, 1, 1]],
		['ordinary', 'p', 'user_and_group_mentions_only', true, [1, 1, 1, 1]],
		['ordinary', 'd', 'mentions_only', false, [1, 1, 0, 0]],
		['ordinary', 'd', 'mentions_only', true, [1, 1, 1, 1]],
		['thread', 'c', 'all_messages', true, [1, 0, 0, 0]],
		['system', 'c', 'all_messages', false, [1, 0, 0, 0]],
		['imported', 'c', 'all_messages', true, [1, 0, 0, 0]],
	];
	for (const [kind, t, mode, isGroupMention, expected] of cases) {
		const { s, n, u, g } = countersOf({ kind, isGroupMention, t, mode });
		assert.deepEqual([s, n, u, g], expected, `${kind} ${t} ${mode} ${isGroupMention}`);
	}
});
