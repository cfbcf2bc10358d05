import type { Publication } from '@rookery/protocol/events.ts';
import type { CountedApart, Subscription } from '@rookery/protocol/records.ts';
import { publishedSubscriptionFields } from '@rookery/protocol/subscription-view.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf, changedFields } from './fields.ts';

/** Published fields, and what else decides whether its user may read the room. */
const tellingFields: ReadonlySet<string> = new Set([
	...publishedSubscriptionFields.filter((field) => field !== '_updatedAt'),
	'status',
	'userHighlights',
	'teamId',
	'teamMain',
]);

/**
 * A membership began, changed or ended: tells the streamers that have its user, and for a beginning and an end those that
 * have the room.
 *
 * An own post of the user only adds an entry without `m` to `rk.x`: that takes back for him what his post moved in the
 * room, shows him nothing, and streamers know it from the message. So it is silent, and a post causes no event for its
 * author (architecture 5, "Events"). Everything else in `rk` may change what he sees.
 *
 * @returns Empty also for the end of a membership of which nobody knows whose it was.
 * @see realtime contract 4.6.1
 */
export function subscriptionEvents(change: Change<Subscription>): Publication[] {
	const action = actionOf(change);
	const subscription = action === 'removed' ? change.before : change.after;
	if (action === null || subscription === null) return [];
	const fields = action === 'updated' ? changedFields(change) : null;
	if (action === 'updated' && !mayBeSeen(change, fields)) return [];
	const parts: Publication['parts'] = [
		{ kind: 'record', record: 'subscription', action, body: { subscription, fields } },
	];
	const mine: Publication = { key: `user:${subscription.u._id}`, parts };
	return action === 'updated' ? [mine] : [mine, { key: `room:${subscription.rid}`, parts }];
}

function mayBeSeen(change: Change<Subscription>, fields: string[] | null): boolean {
	if (fields === null || fields.some((field) => tellingFields.has(field))) return true;
	return fields.includes('rk') && !isOwnPostOnly(change);
}

function isOwnPostOnly({ before, after, updatedPaths }: Change<Subscription>): boolean {
	if (updatedPaths === null || after === null) return false;
	const paths = updatedPaths.filter((path) => path !== '_updatedAt');
	if (!paths.every((path) => /^rk\.x(?:\.\d+)?$/.test(path))) return isFirstOwnPost(paths, before, after);
	const entries = paths.includes('rk.x') ? addedEntries(before, after) : paths.map((path) => entryAt(after, path));
	return entries?.every((entry) => entry !== undefined && entry.m === undefined) ?? false;
}

/** The first entry of a record that had no `rk` creates it. */
function isFirstOwnPost(paths: string[], before: Subscription | null, after: Subscription): boolean {
	if (paths.some((path) => path !== 'rk') || before === null || before.rk !== undefined) return false;
	const { x = [], ...bases } = after.rk ?? {};
	return Object.keys(bases).length === 0 && x.every((entry) => entry.m === undefined);
}

/** Entries that were not there before; null when nobody knows, or some went. */
function addedEntries(before: Subscription | null, after: Subscription): CountedApart[] | null {
	if (before === null) return null;
	const [old, now] = [before.rk?.x ?? [], after.rk?.x ?? []];
	const known = new Set(now.map((entry) => entry.s));
	if (old.some((entry) => !known.has(entry.s))) return null;
	const had = new Set(old.map((entry) => entry.s));
	return now.filter((entry) => !had.has(entry.s));
}

function entryAt(after: Subscription, path: string): CountedApart | undefined {
	return after.rk?.x?.[Number(path.slice('rk.x.'.length))];
}
