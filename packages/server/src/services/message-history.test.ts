import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '@rookery/protocol/records.ts';
import { messagesHarness } from '../testing/messages.ts';

const texts = (messages: Message[] | undefined): string[] => (messages ?? []).map(({ msg }) => msg);

test('history: pages, bounds, threads, hidden types and unread information', async (t) => {
	const values: Record<string, unknown> = { Hide_System_Messages: ['uj', 'mute_unmute'] };
	const { core, db, givenUser, givenRoom } = await messagesHarness(t, values);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const sent: Message[] = [];
	for (let count = 0; count < 6; count++) sent.push(await messages.send(ana, { rid, msg: String(count) }));
	await messages.send(ana, { rid, msg: 'reply', tmid: sent[0]?._id ?? '' });
	for (const type of ['uj', 'user-muted', 'r']) {
		await messages.postSystem(type, { _id: rid }, { _id: ana.uid, username: 'ana' }, type);
	}
	const at = (index: number): Date => sent[index]?.ts ?? new Date(Number.NaN);
	assert.deepEqual(texts((await messages.history(ana, { rid })).messages), [
		'r',
		'reply',
		'5',
		'4',
		'3',
		'2',
		'1',
		'0',
	]);
	const page = { rid, showThreadMessages: false, count: 2, offset: 1 };
	assert.deepEqual(texts((await messages.history(ana, page)).messages), ['5', '4']);
	const bounds = { rid, latest: at(3), oldest: at(1) };
	assert.deepEqual(texts((await messages.history(ana, bounds)).messages), ['2']);
	assert.deepEqual(texts((await messages.history(ana, { ...bounds, inclusive: true })).messages), ['3', '2', '1']);
	const unread = await messages.history(ana, { rid, latest: at(5), count: 2, lastSeen: at(0) });
	assert.deepEqual([texts(unread.messages), unread.unreadNotLoaded, unread.firstUnread?.msg], [['4', '3'], 2, '1']);
	const seen = await messages.history(ana, { rid, latest: at(5), count: 2, lastSeen: at(4) });
	assert.deepEqual([seen.unreadNotLoaded, seen.firstUnread], [0, undefined]);
	await db
		.collection<{ _id: string; sysMes: string[] }>('rocketchat_room')
		.updateOne({ _id: rid }, { $set: { sysMes: ['r'] } });
	const own = texts((await messages.history(ana, { rid })).messages).slice(0, 3);
	assert.deepEqual(own, ['user-muted', 'uj', 'reply'], "the room's own choice replaces the workspace's");
	assert.deepEqual(texts(await messages.missed(ana, rid, at(4))), ['user-muted', 'uj', 'reply', '5']);
	assert.deepEqual(texts(await messages.following(ana, rid, at(1), 2)), ['2', '3']);
	const around = await messages.surrounding(ana, sent[3]?._id ?? '', 5);
	assert.deepEqual(texts(around?.messages), ['2', '1', '3', '4', '5']);
	assert.deepEqual([around?.moreBefore, around?.moreAfter], [true, true]);
	assert.deepEqual(texts(await messages.thread(ana, { tmid: sent[0]?._id ?? '', limit: 10, skip: 0 })), ['0', 'reply']);
});

test('list: filters, order, total; of stars everybody sees his own', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const { _id } = await messages.send(ana, { rid, msg: '@bob one' });
	await messages.send(ana, { rid, msg: 'two' });
	await messages.send(ana, { rid, msg: 'three', tmid: _id });
	const starred = [{ _id: ana.uid }, { _id: bob.uid }];
	await db.collection<Message>('rocketchat_message').updateOne({ _id }, { $set: { starred, pinned: true } });
	const list = async (query: object) => messages.list(ana, { rid, offset: 0, count: 50, ...query });
	assert.deepEqual(texts((await list({ mentionIds: [bob.uid] })).messages), ['@bob one']);
	assert.deepEqual(texts((await list({ pinned: true })).messages), ['@bob one']);
	assert.deepEqual(texts((await list({ tmid: _id })).messages), ['three']);
	assert.deepEqual(texts((await list({ tmid: null })).messages), ['two', '@bob one']);
	assert.deepEqual((await list({ starredIds: [ana.uid] })).messages[0]?.starred, [{ _id: ana.uid }]);
	assert.equal((await list({ starredIds: [bob.uid] })).total, 0, "another user's stars are his own");
	const paged = await list({ sort: { ts: 1 }, offset: 1, count: 1 });
	assert.deepEqual([texts(paged.messages), paged.count, paged.offset, paged.total], [['two'], 1, 1, 3]);
	await assert.rejects(list({ sort: { $where: 1 } }), { code: 'error-invalid-sort' });
	await assert.rejects(list({ sort: { 'u.services': 1 } }), { code: 'error-invalid-sort' });
});

test('nobody reads what he may not', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const [ana, eve] = [await givenUser('ana'), await givenUser('eve')];
	const rid = await givenRoom([ana], { t: 'p' });
	const { _id } = await messages.send(ana, { rid, msg: 'secret' });
	const refused = { code: 'error-not-allowed' };
	for (const actor of [eve, null]) {
		await assert.rejects(messages.history(actor, { rid }), refused);
		await assert.rejects(messages.list(actor, { rid, offset: 0, count: 10 }), refused);
		await assert.rejects(messages.missed(actor, rid, new Date(0)), refused);
	}
	await assert.rejects(messages.find(eve, _id), refused);
	await assert.rejects(messages.findMany(eve, [_id]), refused);
	await assert.rejects(messages.thread(eve, { tmid: _id, limit: 10, skip: 0 }), refused);
	await assert.rejects(messages.surrounding(eve, _id, 10), refused);
	await assert.rejects(messages.following(eve, rid, undefined, 10), refused);
	await assert.rejects(messages.changedSince(eve, rid, new Date(0)), refused);
	await assert.rejects(messages.changedPage(eve, { rid, type: 'UPDATED', next: 0 }), refused);
});

test('real names are filled in where the setting asks for them', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t, { UI_Use_Real_Name: true });
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const { _id } = await messages.send({ ...ana, name: 'stale' }, { rid, msg: '@bob hi' });
	await messages.react(bob, 'smile', _id);
	const seen = await messages.find(bob, _id);
	assert.deepEqual([seen?.u.name, seen?.mentions?.[0]?.name], ['ANA', 'BOB']);
	assert.deepEqual(seen?.reactions?.[':smile:'], { usernames: ['bob'], names: ['BOB'] });
});

test('sync by date: every change and every removal since, also of what is only hidden', async (t) => {
	const values: Record<string, unknown> = {};
	const { core, db, givenUser, givenRoom } = await messagesHarness(t, values);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const sent: Message[] = [];
	for (const msg of ['stays', 'edited', 'deleted', 'hidden']) sent.push(await messages.send(ana, { rid, msg }));
	const long = new Date(Date.now() - 60_000);
	await db.collection<Message>('rocketchat_message').updateMany({ rid }, { $set: { _updatedAt: long } });
	const [, edited = '', deleted = '', hidden = ''] = sent.map(({ _id }) => _id);
	await messages.update(ana, edited, { msg: 'changed' });
	await messages.remove(ana, deleted);
	values['Message_KeepHistory'] = true;
	await messages.remove(ana, hidden);
	const changes = await messages.changedSince(ana, rid, new Date(Date.now() + 5_000));
	assert.deepEqual(texts(changes.updated), ['changed']);
	assert.deepEqual(changes.deleted.map(({ _id }) => _id).sort(), [deleted, hidden].sort());
	assert.ok(changes.deleted.every(({ _deletedAt }) => _deletedAt instanceof Date));
	const whole = await messages.changedSince(ana, rid, new Date(0));
	assert.deepEqual(texts(whole.updated).sort(), ['changed', 'stays']);
	// Page by page, each gone one is met once, in order, from both ends.
	const first = await messages.changedPage(ana, { rid, type: 'DELETED', next: 0, count: 1 });
	const second = await messages.changedPage(ana, { rid, type: 'DELETED', next: Number(first.cursor.next), count: 1 });
	assert.deepEqual(
		[first, second].flatMap((page) => page.deleted?.map(({ _id }) => _id)),
		[deleted, hidden],
	);
	const back = await messages.changedPage(ana, { rid, type: 'DELETED', previous: Date.now() + 60_000 });
	assert.deepEqual(
		back.deleted?.map(({ _id }) => _id),
		[hidden, deleted],
	);
});

test('sync by cursor: pages forward and back meet every change once, also many of one millisecond', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const times = [1, 2, 2, 2, 2, 3, 4, 4, 5];
	const stored = times.map((time, index) => {
		const date = new Date(1_700_000_000_000 + time);
		return { _id: `m${index}`, rid, msg: String(index), ts: date, u: { _id: ana.uid }, _updatedAt: date };
	});
	await db.collection<Message>('rocketchat_message').insertMany(stored);
	await db
		.collection<{ _id: string }>('rocketchat__trash')
		.insertMany(times.map((time, index) => tombstone(rid, `d${index}`, time)) as never);
	for (const type of ['UPDATED', 'DELETED'] as const) {
		for (const count of [1, 2, 3, 100]) {
			for (const way of ['next', 'previous'] as const) {
				const found: string[] = [];
				let cursor: string | null = way === 'next' ? '0' : String(1_800_000_000_000);
				for (let pages = 0; cursor !== null; pages++) {
					assert.ok(pages <= times.length, 'the pages do not end');
					const page = await messages.changedPage(ana, { rid, type, [way]: Number(cursor), count });
					found.push(...(page.updated ?? page.deleted ?? []).map(({ _id }) => _id));
					cursor = page.cursor[way];
				}
				assert.equal(found.length, times.length, `${type} ${way} ${count}`);
				assert.equal(new Set(found).size, times.length);
			}
		}
	}
	const empty = await messages.changedPage(ana, { rid, type: 'UPDATED', next: 1_800_000_000_000 });
	assert.deepEqual([empty.updated, empty.cursor], [[], { next: null, previous: null }]);
});

function tombstone(rid: string, _id: string, time: number): object {
	return { _id, rid, __collection__: 'message', _deletedAt: new Date(1_700_000_000_000 + time) };
}
