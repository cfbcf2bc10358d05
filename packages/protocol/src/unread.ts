import type { CountedApart, Room, RoomType, Subscription, UnreadCounters } from './records.ts';

/**
 * Unread is a difference: a post moves its room's counters and touches no member's subscription but those of its author
 * and of the users it mentions. What a member sees is computed from both records, here and nowhere else.
 *
 * @see architecture 5, "Unread is a difference"; data model 6.2 and 6.4 for what has to come out
 */

/** Values of the settings `Unread_Count` and `Unread_Count_DM` (the latter: `all_messages`, `mentions_only`). */
export type UnreadMode =
	| 'all_messages'
	| 'user_mentions_only'
	| 'group_mentions_only'
	| 'user_and_group_mentions_only'
	| 'mentions_only';

/** What of the settings a shown subscription depends on. */
export type UnreadSettings = {
	/** The later `_updatedAt` of `Unread_Count` and `Unread_Count_DM`: `updatedSince` follows it. */
	settingsUpdatedAt?: Date;
};

/** A subscription as its user sees it. */
export type ShownSubscription = Omit<Subscription, 'rk'>;

/**
 * Kinds of stored messages: `ordinary` ones and replies also shown in the room raise alerts; `thread` replies, `system`
 * messages and those stored more than 60 s away from their `ts` (`imported`) only count as stored.
 */
export type PostKind = 'ordinary' | 'thread' | 'system' | 'imported';

/** Which counters of its room a stored message moves. @see data model 6.2 */
export function countersOf(post: {
	kind: PostKind;
	isGroupMention: boolean;
	t: RoomType;
	mode: UnreadMode;
}): UnreadCounters {
	if (post.kind !== 'ordinary') return { s: 1, n: 0, u: 0, g: 0 };
	const isCounted = post.isGroupMention ? countsGroupMentions(post.t, post.mode) : post.mode === 'all_messages';
	return { s: 1, n: 1, u: isCounted ? 1 : 0, g: post.isGroupMention ? 1 : 0 };
}

/** Whether a mention of a person counts as unread for him. */
export function countsUserMentions(t: RoomType, mode: UnreadMode): boolean {
	return (
		t === 'd' || mode === 'all_messages' || mode === 'user_mentions_only' || mode === 'user_and_group_mentions_only'
	);
}

/** Whether `@all` and `@here` count as unread for everybody. */
export function countsGroupMentions(t: RoomType, mode: UnreadMode): boolean {
	return (
		t === 'd' || mode === 'all_messages' || mode === 'group_mentions_only' || mode === 'user_and_group_mentions_only'
	);
}

/**
 * The entry of `rk.x` for the author of a post: nothing it moved is unread for him.
 *
 * @param s Number of the post: the room's `rk.s` behind it.
 */
export function ownEntry(s: number, moved: UnreadCounters): CountedApart {
	return { s, n: moved.n, u: moved.u, g: moved.g };
}

/**
 * The entry of `rk.x` for a user whom an ordinary post mentions or whose highlight word it holds: a mention of him, and
 * unread if the mode counts such mentions or the post counts for everybody.
 */
export function mentionEntry(s: number, moved: UnreadCounters, t: RoomType, mode: UnreadMode): CountedApart {
	const isUnread = moved.u === 1 || countsUserMentions(t, mode);
	return { ...ownEntry(s, moved), m: 1, ...(isUnread ? { c: 1 as const } : {}) };
}

/**
 * A subscription as its user sees it now.
 *
 * Holds for any pair of versions of the two records: an entry whose post the room's version does not know yet takes
 * nothing from the room's counters, and a room older than the last read gives nothing unread.
 *
 * @param room null: the room is gone, stored values stand.
 */
export function effectiveSubscription(
	subscription: Subscription,
	room: Pick<Room, 'rk' | 'lm'> | null,
	settings: UnreadSettings = {},
): ShownSubscription {
	const { rk: _, ...shown } = subscription;
	Object.assign(shown, shownCounters(subscription, room));
	shown._updatedAt = latest(subscription._updatedAt, room?.lm, settings.settingsUpdatedAt);
	return shown;
}

/** What of `effectiveSubscription` the posts of a room move, alone. */
export function shownCounters(
	subscription: Subscription,
	room: Pick<Room, 'rk'> | null,
): Pick<ShownSubscription, 'alert' | 'open' | 'unread' | 'userMentions' | 'groupMentions'> {
	const { n, u, g, mentions, unreadMentions, alertingMentions } = unseen(subscription, room);
	const isAlerting = n > 0 || alertingMentions > 0;
	return {
		alert: subscription.alert || isAlerting,
		open: subscription.open || isAlerting,
		unread: (subscription.unread ?? 0) + u + unreadMentions,
		userMentions: (subscription.userMentions ?? 0) + mentions,
		groupMentions: (subscription.groupMentions ?? 0) + g,
	};
}

/** Bases that a read, a join or a re-add writes: nothing up to this version of the room is unread. */
export function readBases(room: Pick<Room, 'rk'>): UnreadCounters & { h: { s: number; n: number } } {
	const { s = 0, n = 0, u = 0, g = 0 } = room.rk ?? {};
	return { s, n, u, g, h: { s, n } };
}

/**
 * What reading a room makes of its subscription. A room version older than the last read changes no base.
 *
 * @see data model 6.4, "Read"
 */
export function readSubscription(subscription: Subscription, room: Pick<Room, 'rk'>, now: Date): Subscription {
	const bases = readBases(room);
	const old = subscription.rk ?? {};
	const isOlder = bases.s < (old.s ?? 0);
	const x = (old.x ?? []).filter((entry) => entry.s > bases.s);
	return {
		...subscription,
		open: true,
		alert: (subscription.tunread ?? []).length > 0,
		unread: 0,
		userMentions: 0,
		groupMentions: 0,
		ls: now,
		_updatedAt: now,
		rk: isOlder ? { ...old, x } : { ...bases, x },
	};
}

/**
 * What hiding a room makes of its subscription: no alert for anything up to this version of the room; the counters stay.
 *
 * @see data model 6.4, "Hide"
 */
export function hideSubscription(subscription: Subscription, room: Pick<Room, 'rk'>, now: Date): Subscription {
	const { h } = readBases(room);
	const old = alertBase(subscription);
	return {
		...subscription,
		open: false,
		alert: false,
		_updatedAt: now,
		rk: { ...subscription.rk, h: h.s >= old.s ? h : old },
	};
}

/** Counts a post apart. Repeatable, in any order; what has been read since is left alone. */
export function countApart(subscription: Subscription, entry: CountedApart): Subscription {
	const { s = 0, x = [] } = subscription.rk ?? {};
	if (s >= entry.s || x.some((known) => known.s === entry.s)) return subscription;
	return { ...subscription, rk: { ...subscription.rk, x: [...x, entry] } };
}

/** More entries than this are folded, `foldedAtOnce` of them. */
export const maxCountedApart = 100;
const foldedAtOnce = 50;

/**
 * Keeps `rk.x` short: where it holds over 100 entries, the oldest 50 become part of stored values and bases. What is shown
 * stays the same, now and after whatever follows.
 *
 * @param openFrom Entries of this number and above stay: their post may still be repeated, and must be found then.
 */
export function foldSubscription(subscription: Subscription, openFrom: number): Subscription {
	const rk = subscription.rk ?? {};
	const entries = rk.x ?? [];
	if (entries.length <= maxCountedApart) return subscription;
	const done = entries.filter((entry) => entry.s < openFrom).sort((one, other) => one.s - other.s);
	const folded = new Set(done.slice(0, foldedAtOnce));
	const { s = 0, u = 0, g = 0 } = rk;
	const h = alertBase(subscription);
	const counted = [...folded].filter((entry) => entry.s > s);
	const alerting = [...folded].filter((entry) => entry.s > h.s);
	const isMentioned = alerting.some((entry) => entry.m === 1);
	return {
		...subscription,
		alert: subscription.alert || isMentioned,
		open: subscription.open || isMentioned,
		unread: (subscription.unread ?? 0) + sum(counted, 'c'),
		userMentions: (subscription.userMentions ?? 0) + sum(counted, 'm'),
		rk: {
			...rk,
			u: u + sum(counted, 'u'),
			g: g + sum(counted, 'g'),
			h: { s: h.s, n: h.n + sum(alerting, 'n') },
			x: entries.filter((entry) => !folded.has(entry)),
		},
	};
}

/** What the room's posts add to the stored values. */
function unseen({ rk: own = {} }: Pick<Subscription, 'rk'>, room: Pick<Room, 'rk'> | null) {
	const base = { s: own.s ?? 0, u: own.u ?? 0, g: own.g ?? 0 };
	const h = alertBase({ rk: own });
	const { s = 0, n = 0, u = 0, g = 0 } = room?.rk ?? {};
	const total = { n: n - h.n, u: u - base.u, g: g - base.g, mentions: 0, unreadMentions: 0, alertingMentions: 0 };
	for (const entry of own.x ?? []) {
		const isKnown = entry.s <= s;
		if (entry.s > h.s) {
			if (isKnown) total.n -= entry.n;
			total.alertingMentions += entry.m ?? 0;
		}
		if (entry.s <= base.s) continue;
		if (isKnown) {
			total.u -= entry.u;
			total.g -= entry.g;
		}
		total.mentions += entry.m ?? 0;
		total.unreadMentions += entry.c ?? 0;
	}
	return { ...total, n: Math.max(0, total.n), u: Math.max(0, total.u), g: Math.max(0, total.g) };
}

/** `h`, or the last read where that is later. */
function alertBase({ rk }: Pick<Subscription, 'rk'>): { s: number; n: number } {
	const read = { s: rk?.s ?? 0, n: rk?.n ?? 0 };
	const h = { s: rk?.h?.s ?? 0, n: rk?.h?.n ?? 0 };
	return rk?.h === undefined || h.s < read.s ? read : h;
}

function sum(entries: CountedApart[], field: 'n' | 'u' | 'g' | 'm' | 'c'): number {
	return entries.reduce((total, entry) => total + (entry[field] ?? 0), 0);
}

function latest(own: Date, ...others: (Date | undefined)[]): Date {
	let last = own;
	for (const date of others) {
		if (date !== undefined && !(last >= date)) last = date;
	}
	return last;
}
