import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CountedApart, Room, Subscription } from '@rookery/protocol/records.ts';
import { countApart, effectiveSubscription, foldSubscription, readSubscription } from '@rookery/protocol/unread.ts';
import { testDatabase } from '../testing/database.ts';
import { roomPostRepository } from './room-posts.ts';
import { subscriptionReadRepository } from './subscription-reads.ts';

/** The same numbers in every run. */
function generator(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

const bit = (value: number): 0 | 1 => (value === 0 ? 0 : 1);

/** Subscriptions in all stages: fresh, read, hidden, with few and with many entries in any order. */
function someSubscriptions(rid: string, count: number): Subscription[] {
	const random = generator(7);
	return Array.from({ length: count }, (_, index) => {
		const s = random(60);
		const numbers = Array.from({ length: 40 + random(120) }, (_, at) => at * 2 + 1).sort(() => random(3) - 1);
		const x: CountedApart[] = numbers.map((s) => {
			const mention = random(4) === 0 ? { m: 1 as const, ...(random(2) === 0 ? { c: 1 as const } : {}) } : {};
			return { s, n: 1, u: bit(random(2)), g: bit(random(5)), ...mention };
		});
		const h = random(3) === 0 ? {} : { h: { s: s + random(40), n: s + random(40) } };
		const uid = `u${index}`;
		const base = { open: random(2) === 0, alert: random(2) === 0, unread: random(4), userMentions: random(3) };
		return {
			_id: uid,
			rid,
			u: { _id: uid },
			t: 'c',
			...base,
			groupMentions: random(2),
			...(random(3) === 0 ? { tunread: ['t'] } : {}),
			_updatedAt: new Date(index),
			rk: random(5) === 0 ? { x } : { s, n: s, u: random(s + 1), g: random(5), ...h, x },
		};
	});
}

const room: Pick<Room, 'rk' | 'lm'> = { rk: { s: 400, n: 390, u: 300, g: 50 } };

function shown(subscription: Subscription): object {
	const { _updatedAt, ls: _ls, ...rest } = effectiveSubscription(subscription, room);
	return rest;
}

test('the database folds, counts apart and reads exactly as the rule in the protocol says', async (t) => {
	const db = await testDatabase(t);
	const collection = db.collection<Subscription>('rocketchat_subscription');
	const [posts, reads] = [roomPostRepository(db), subscriptionReadRepository(db)];
	const before = someSubscriptions('r', 60);
	const uids = before.map(({ u }) => u._id);
	await collection.insertMany(before);
	const stored = async (): Promise<Subscription[]> => {
		const found = new Map((await collection.find({ rid: 'r' }).toArray()).map((one) => [one._id, one]));
		return before.map(({ _id }) => found.get(_id) ?? assert.fail(`${_id} is gone`));
	};

	await posts.foldApart('r', uids, 150);
	const folded = await stored();
	const byRule = before.map((subscription) => foldSubscription(subscription, 150));
	assert.ok(before.filter(({ rk }) => (rk?.x?.length ?? 0) > 100).length > 10, 'too few were long enough');
	assert.deepEqual(folded.map(shown), byRule.map(shown));
	assert.deepEqual(folded.map(shown), before.map(shown), 'what is shown stays');
	assert.deepEqual(folded.map(entries), byRule.map(entries));

	const entry: CountedApart = { s: 51, n: 1, u: 1, g: 0, m: 1 };
	for (let times = 0; times < 2; times++) await posts.addApart('r', uids, entry, false);
	const counted = byRule.map((subscription) => countApart(subscription, entry));
	assert.deepEqual((await stored()).map(entries), counted.map(entries));

	const at = { _id: 'r', rk: { s: 90, n: 85, u: 80, g: 20 } };
	for (const uid of uids) await reads.read(uid, at, false);
	const read = (await stored()).map((subscription, index) => [entries(subscription), subscription.rk?.s, index]);
	const expected = counted.map((subscription, index) => {
		const { rk } = readSubscription(subscription, at, new Date());
		return [(rk?.x ?? []).map(({ s }) => s), rk?.s, index];
	});
	assert.deepEqual(read, expected);
	const whole = { _id: 'r', rk: room.rk ?? {} };
	for (const uid of uids) await reads.read(uid, whole, true);
	for (const one of await stored()) {
		const { alert, open, unread, userMentions, groupMentions } = effectiveSubscription(one, room);
		assert.deepEqual([alert, open, unread, userMentions, groupMentions], [false, true, 0, 0, 0], one._id);
	}
});

function entries({ rk }: Subscription): number[] {
	return (rk?.x ?? []).map(({ s }) => s);
}
