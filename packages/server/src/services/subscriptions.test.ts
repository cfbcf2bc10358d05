import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Setting, Subscription } from '@rookery/protocol/records.ts';
import { messagesHarness } from '../testing/messages.ts';

type Shown = { alert: boolean; open: boolean; unread: number; userMentions: number; groupMentions: number };

function counters(shown: Shown | null): (boolean | number | undefined)[] {
	return [shown?.alert, shown?.unread, shown?.userMentions, shown?.groupMentions];
}

test('what a post counts for, by mode, kind of room and mention, for author, mentioned and others', async (t) => {
	const values: Record<string, unknown> = {};
	const { core, givenUser, givenRoom } = await messagesHarness(t, values);
	const { messages, subscriptions } = core();
	const [ana, bob, cyd] = [await givenUser('ana'), await givenUser('bob'), await givenUser('cyd')];
	const quiet = [false, 0, 0, 0];
	// Mode, kind of room, text, what bob sees, what cyd sees.
	const table: [string, 'c' | 'd', string, unknown[], unknown[]][] = [
		['all_messages', 'c', 'hi', [true, 1, 0, 0], [true, 1, 0, 0]],
		['all_messages', 'c', '@bob', [true, 1, 1, 0], [true, 1, 0, 0]],
		['all_messages', 'c', '@all', [true, 1, 0, 1], [true, 1, 0, 1]],
		['user_mentions_only', 'c', 'hi', [true, 0, 0, 0], [true, 0, 0, 0]],
		['user_mentions_only', 'c', '@bob', [true, 1, 1, 0], [true, 0, 0, 0]],
		['user_mentions_only', 'c', '@here', [true, 0, 0, 1], [true, 0, 0, 1]],
		['group_mentions_only', 'c', '@bob', [true, 0, 1, 0], [true, 0, 0, 0]],
		['group_mentions_only', 'c', '@all', [true, 1, 0, 1], [true, 1, 0, 1]],
		['user_and_group_mentions_only', 'c', '@bob', [true, 1, 1, 0], [true, 0, 0, 0]],
		['user_and_group_mentions_only', 'c', '@here', [true, 1, 0, 1], [true, 1, 0, 1]],
		['user_and_group_mentions_only', 'c', '@bob and @all', [true, 1, 1, 0], [true, 1, 0, 1]],
		['all_messages', 'd', 'hi', [true, 1, 0, 0], [true, 1, 0, 0]],
		['mentions_only', 'd', 'hi', [true, 0, 0, 0], [true, 0, 0, 0]],
		['mentions_only', 'd', '@bob', [true, 1, 1, 0], [true, 0, 0, 0]],
	];
	for (const [mode, kind, msg, forBob, forCyd] of table) {
		values[kind === 'd' ? 'Unread_Count_DM' : 'Unread_Count'] = mode;
		const rid = await givenRoom([ana, bob, cyd], { t: kind }, { open: false });
		await messages.send(ana, { rid, msg });
		const [own, named, other] = [
			await subscriptions.find(ana.uid, rid),
			await subscriptions.find(bob.uid, rid),
			await subscriptions.find(cyd.uid, rid),
		];
		assert.deepEqual(counters(named), forBob, `${mode} ${kind} ${msg}: bob`);
		assert.deepEqual(counters(other), forCyd, `${mode} ${kind} ${msg}: cyd`);
		assert.deepEqual(counters(own), quiet, `${mode} ${kind} ${msg}: ana`);
		assert.deepEqual(
			[own?.open, named?.open, other?.open],
			[false, true, true],
			'a closed room reopens for the others',
		);
	}
});

test('highlight words count as mentions, whatever their case', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	await db
		.collection<Subscription>('rocketchat_subscription')
		.updateOne({ rid, 'u._id': bob.uid }, { $set: { userHighlights: ['Deploy'] } });
	await messages.send(ana, { rid, msg: 'the DEPLOYment failed' });
	await messages.send(ana, { rid, msg: 'lunch' });
	assert.deepEqual(counters(await subscriptions.find(bob.uid, rid)), [true, 1, 1, 0]);
});

test('reading clears everything up to now and nothing later; reading again with an old view takes nothing back', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t, { Unread_Count: 'all_messages' });
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	for (const msg of ['one', '@bob', '@all']) await messages.send(ana, { rid, msg });
	assert.deepEqual(counters(await subscriptions.find(bob.uid, rid)), [true, 3, 1, 1]);
	await subscriptions.read(bob, rid);
	const read = await subscriptions.find(bob.uid, rid);
	assert.deepEqual(counters(read), [false, 0, 0, 0]);
	assert.ok(read?.ls !== undefined && read.open);
	await messages.send(ana, { rid, msg: '@bob' });
	assert.deepEqual(counters(await subscriptions.find(bob.uid, rid)), [true, 1, 1, 0]);
	await messages.send(bob, { rid, msg: 'mine' });
	assert.deepEqual(counters(await subscriptions.find(bob.uid, rid)), [true, 1, 1, 0], 'sending is not reading');
});

test('a read that runs beside posts ends with exactly the later ones unread', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t, { Unread_Count: 'all_messages' });
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const posts = (async () => {
		for (let count = 0; count < 25; count++) await messages.send(ana, { rid, msg: count % 3 === 0 ? '@bob' : 'x' });
	})();
	const reads = (async () => {
		for (let count = 0; count < 15; count++) await subscriptions.read(bob, rid);
	})();
	await Promise.all([posts, reads]);
	await subscriptions.read(bob, rid);
	assert.deepEqual(counters(await subscriptions.find(bob.uid, rid)), [false, 0, 0, 0]);
	await messages.send(ana, { rid, msg: 'x' });
	assert.deepEqual(counters(await subscriptions.find(bob.uid, rid)), [true, 1, 0, 0]);
});

test('unread threads keep the alert until they are read; readThreads reads them, too', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const root = await messages.send(bob, { rid, msg: 'root' });
	await messages.send(ana, { rid, msg: 'reply', tmid: root._id });
	await subscriptions.read(bob, rid);
	const kept = await subscriptions.find(bob.uid, rid);
	assert.deepEqual([kept?.alert, kept?.tunread], [true, [root._id]]);
	await subscriptions.read(bob, rid, true);
	const read = await subscriptions.find(bob.uid, rid);
	assert.deepEqual([read?.alert, read?.tunread ?? []], [false, []]);
});

test('marking unread sets the alert and moves what was seen back, never forward', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob, eve] = [await givenUser('ana'), await givenUser('bob'), await givenUser('eve')];
	const rid = await givenRoom([ana, bob], { t: 'p' });
	const first = await messages.send(ana, { rid, msg: 'first' });
	const own = await messages.send(bob, { rid, msg: 'own' });
	await subscriptions.read(bob, rid);
	assert.equal(await subscriptions.markUnread(bob, { messageId: first._id }), 1);
	const marked = await subscriptions.find(bob.uid, rid);
	assert.deepEqual([marked?.alert, marked?.unread, marked?.ls], [true, 0, first.ts]);
	await subscriptions.markUnread(bob, { rid });
	assert.deepEqual((await subscriptions.find(bob.uid, rid))?.ls, first.ts);
	for (const [actor, messageId] of [
		[bob, own._id],
		[bob, 'unknown'],
		[eve, first._id],
	] as const) {
		await assert.rejects(subscriptions.markUnread(actor, { messageId }), { code: 'error-action-not-allowed' });
	}
	const empty = await givenRoom([bob]);
	await assert.rejects(subscriptions.markUnread(bob, { rid: empty }), { code: 'error-no-message-for-unread' });
	await assert.rejects(subscriptions.markUnread(eve, { rid }), { code: 'error-not-allowed' });
	await assert.rejects(subscriptions.read(eve, rid), { code: 'error-not-allowed' });
	const open = await givenRoom([ana]);
	await assert.rejects(subscriptions.read(eve, open), { code: 'error-invalid-subscription' });
});

test('since: finds what only a post or a setting changed, leaves out the rest, names what is gone, never shows rk', async (t) => {
	const { core, db, settingRecords, givenUser, givenRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const [busy, quiet, left] = [await givenRoom([ana, bob]), await givenRoom([bob]), await givenRoom([bob])];
	const sent = await messages.send(ana, { rid: busy, msg: 'hi' });
	const trashed = { _id: `${left}-${bob.uid}`, rid: left, u: { _id: bob.uid }, __collection__: 'subscription' };
	await db.collection<{ _id: string }>('rocketchat__trash').insertOne({ ...trashed, _deletedAt: sent.ts } as never);
	await db.collection<{ _id: string }>('rocketchat_subscription').deleteOne({ _id: trashed._id });
	const since = await subscriptions.since(bob.uid, sent.ts);
	assert.deepEqual(
		since.update.map(({ rid, alert, _updatedAt }) => [rid, alert, _updatedAt]),
		[[busy, true, sent.ts]],
	);
	assert.deepEqual(since.remove, [{ _id: trashed._id, _deletedAt: sent.ts }]);
	const later = new Date(sent.ts.getTime() + 60_000);
	assert.deepEqual(await subscriptions.since(bob.uid, later), { update: [], remove: [] });
	settingRecords.push({ _id: 'Unread_Count', type: 'select', _updatedAt: later } satisfies Setting);
	const all = await subscriptions.since(bob.uid, later);
	assert.deepEqual(all.update.map(({ rid }) => rid).sort(), [busy, quiet].sort());
	for (const shown of [...all.update, ...(await subscriptions.list(bob.uid))]) assert.ok(!('rk' in shown));
});

test('a sparse record of another server is shown with every boolean and number', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const bob = await givenUser('bob');
	const rid = await givenRoom([bob]);
	await db
		.collection('rocketchat_subscription')
		.updateOne({ rid }, { $unset: { open: 1, alert: 1, unread: 1, userMentions: 1, groupMentions: 1 } });
	const shown = await core().subscriptions.find(bob.uid, rid);
	assert.deepEqual([shown?.open, ...counters(shown)], [false, false, 0, 0, 0]);
});
