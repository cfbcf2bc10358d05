import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message, Room, Subscription } from '@rookery/protocol/records.ts';
import type { RoomPostRepository } from '../repositories/room-posts.ts';
import { messagesHarness } from '../testing/messages.ts';

class Crash extends Error {}

function crash(): Promise<never> {
	return Promise.reject(new Crash('the process died here'));
}

type Step = keyof RoomPostRepository;

/** Where a core may die after the commit of a message, and which of the posts below get there. */
const steps: Step[] = ['count', 'addApart', 'foldApart', 'markThreadUnread', 'markReplied'];

type Harness = Awaited<ReturnType<typeof messagesHarness>>;

async function scene({ givenUser, givenRoom, core }: Harness, suffix: string) {
	const names = ['ana', 'bob', 'cyd'].map((name) => `${name}${suffix}`);
	const [ana, bob, cyd] = await Promise.all(names.map(givenUser));
	if (ana === undefined || bob === undefined || cyd === undefined) throw new Error('three users were asked for');
	const rid = await givenRoom([ana, bob, cyd], { _id: `room${suffix}` });
	const { messages } = core();
	await messages.send(bob, { _id: `root${suffix}`, rid, msg: 'root' });
	await messages.stop();
	return { ana, bob, cyd, rid, suffix };
}

/** What a client could see of a room, its members and its thread, without times and names. */
async function visible({ core, storedRoom, db }: Harness, at: Awaited<ReturnType<typeof scene>>) {
	const { messages, subscriptions } = core();
	const room = await storedRoom(at.rid);
	const members = [];
	for (const actor of [at.ana, at.bob, at.cyd]) {
		const shown = await subscriptions.find(actor.uid, at.rid);
		const threads = [shown?.tunread?.length, shown?.tunreadUser?.length, shown?.tunreadGroup?.length];
		const counters = [shown?.alert, shown?.open, shown?.unread, shown?.userMentions, shown?.groupMentions];
		members.push([...counters, ...threads, shown?.lr instanceof Date]);
	}
	const list = await messages.list(at.ana, { rid: at.rid, offset: 0, count: 0 });
	const newest = await db.collection<Message>('rocketchat_message').findOne({ rid: at.rid }, { sort: { ts: -1 } });
	const text = (msg: string | undefined): string | undefined => msg?.replace(at.suffix, '');
	return {
		members,
		room: [room.msgs, room.rk?.s, room.rk?.n, room.rk?.u, room.rk?.g, room.rk?.i?.length, room.rk?.p?.length],
		last: [text(room.lastMessage?.msg), room.lm?.getTime() === room.lastMessage?.ts.getTime()],
		threads: list.messages.map(({ msg, tcount, replies }) => [text(msg), tcount, replies?.length]),
		newest: text(newest?.msg),
	};
}

test('a core that dies at any step after the commit leaves nothing that settle does not repair', async (t) => {
	const harness = await messagesHarness(t, { Unread_Count: 'all_messages' });
	const posts = [
		{ msg: 'plain' },
		{ msg: '@NAME look' },
		{ msg: '@all look' },
		{ msg: '@NAME in the thread', tmid: 'root' },
		{ msg: '@all in both', tmid: 'root', tshow: true },
	];
	let crashes = 0;
	for (const [number, post] of posts.entries()) {
		const expected = await scene(harness, `-whole-${number}`);
		await send(harness, expected, `-whole-${number}`, post);
		const whole = await visible(harness, expected);
		for (const step of steps) {
			const suffix = `-${step}-${number}`;
			const at = await scene(harness, suffix);
			try {
				await send(harness, at, suffix, post, { [step]: crash });
			} catch (error) {
				assert.ok(error instanceof Crash, String(error));
				crashes += 1;
			}
			for (let times = 0; times < 2; times++) {
				await harness.core().messages.settle(at.rid);
				assert.deepEqual(await visible(harness, at), whole, `${post.msg}, ${step}, settled ${times + 1} times`);
			}
		}
	}
	assert.ok(crashes >= 14, `only ${crashes} crashes happened`);
});

async function send(
	{ core }: Harness,
	{ ana, rid }: Awaited<ReturnType<typeof scene>>,
	suffix: string,
	post: { msg: string; tmid?: string; tshow?: boolean },
	changed: Partial<RoomPostRepository> = {},
): Promise<void> {
	const { messages } = core(changed);
	const thread = post.tmid === undefined ? {} : { tmid: `${post.tmid}${suffix}` };
	await messages.send(ana, { ...post, ...thread, rid, msg: post.msg.replace('NAME', `cyd${suffix}`) });
	await messages.stop();
}

test('settling while posts are under way counts nothing twice', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const [one, two] = [core(), core()];
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const settler = (async () => {
		for (let count = 0; count < 40; count++) await two.messages.settle(rid);
	})();
	const writers = [ana, bob].map(async (actor) => {
		for (let count = 0; count < 30; count++) await one.messages.send(actor, { rid, msg: '@bob hi' });
	});
	await Promise.all(writers);
	await settler;
	await one.messages.settle(rid);
	const room = await storedRoom(rid);
	assert.deepEqual([room.msgs, room.rk?.s, room.rk?.n], [60, 60, 60]);
	assert.deepEqual((await one.subscriptions.find(bob.uid, rid))?.userMentions, 30);
});

test('a room taken over from another server is not counted again', async (t) => {
	const { core, db, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	const lm = new Date(Date.now() - 60_000);
	const rid = await givenRoom([ana], { msgs: 3, lm });
	const old = [1, 2, 3].map((index) => {
		const ts = new Date(lm.getTime() - index * 1_000);
		return { _id: `old${index}`, rid, msg: '', ts, u: { _id: ana.uid }, _updatedAt: ts };
	});
	await db.collection<Message>('rocketchat_message').insertMany(old);
	await messages.settle(rid);
	assert.equal((await storedRoom(rid)).msgs, 3);
	await assert.rejects(core({ count: crash }).messages.send(ana, { rid, msg: 'uncounted' }), Crash);
	await messages.settle(rid);
	assert.deepEqual([(await storedRoom(rid)).msgs, (await storedRoom(rid)).rk?.s], [4, 1]);
	await messages.send(ana, { rid, msg: 'counted' });
	await messages.settle(rid);
	assert.deepEqual([(await storedRoom(rid)).msgs, (await storedRoom(rid)).rk?.s], [5, 2]);
});

test('messages that the room has forgotten are counted only when the caller knows them', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	await assert.rejects(core({ count: crash }).messages.send(ana, { _id: 'lost', rid, msg: 'lost' }), Crash);
	for (let count = 0; count < 70; count++) await messages.send(ana, { rid, msg: String(count) });
	await messages.settle(rid);
	assert.equal((await storedRoom(rid)).msgs, 70);
	await messages.settle(rid, ['lost']);
	await messages.settle(rid, ['lost', 'unknown']);
	assert.equal((await storedRoom(rid)).msgs, 71);
});

test('an author of hundreds of posts keeps a short record, and what he is shown stays the same', async (t) => {
	const { core, db, givenUser, givenRoom, storedRoom } = await messagesHarness(t, { Unread_Count: 'all_messages' });
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const stored = (): Promise<Subscription | null> =>
		db.collection<Subscription>('rocketchat_subscription').findOne({ rid, 'u._id': ana.uid });
	for (let count = 0; count < 130; count++) {
		await messages.send(ana, { rid, msg: 'mine' });
		if (count % 10 === 0) await messages.send(bob, { rid, msg: count % 20 === 0 ? '@ana' : '@all' });
	}
	const shown = await subscriptions.find(ana.uid, rid);
	assert.deepEqual([shown?.unread, shown?.userMentions, shown?.groupMentions, shown?.alert], [13, 7, 6, true]);
	const record = await stored();
	assert.ok((record?.rk?.x?.length ?? 0) <= 101, `${record?.rk?.x?.length} entries`);
	assert.ok(!('fold' in (record?.rk ?? {})));
	await subscriptions.read(ana, rid);
	const read = await subscriptions.find(ana.uid, rid);
	assert.deepEqual([read?.unread, read?.userMentions, read?.groupMentions, read?.alert], [0, 0, 0, false]);
	await messages.send(bob, { rid, msg: 'one more' });
	assert.equal((await subscriptions.find(ana.uid, rid))?.unread, 1);
	const room: Room = await storedRoom(rid);
	assert.equal(room.msgs, 144);
});
