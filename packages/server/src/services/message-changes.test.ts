import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message, Trash } from '@rookery/protocol/records.ts';
import { messagesHarness } from '../testing/messages.ts';

test('an edit changes text and references, keeps the rest, and moves the last message along', async (t) => {
	const { core, db, givenUser, givenRoom, storedRoom } = await messagesHarness(t, { Message_KeepHistory: true });
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const sent = await messages.send(ana, { rid, msg: 'before' });
	const edited = await messages.update(ana, sent._id, { msg: '@bob $msg after' });
	assert.deepEqual([edited.msg, edited.mentions?.[0]?.username, edited.ts], ['@bob $msg after', 'bob', sent.ts]);
	assert.deepEqual(edited.editedBy, { _id: ana.uid, username: 'ana' });
	assert.ok(edited.editedAt instanceof Date && edited._updatedAt >= sent._updatedAt);
	assert.equal((await storedRoom(rid)).lastMessage?.msg, '@bob $msg after');
	assert.equal((await subscriptions.find(bob.uid, rid))?.userMentions, 0, 'an edit counts nothing');
	const kept = await db.collection<Message>('rocketchat_message').findOne({ parent: sent._id });
	assert.deepEqual([kept?.msg, kept?._hidden], ['before', true]);
	const again = await messages.update(ana, sent._id, { msg: '@bob $msg after' });
	assert.deepEqual(again._updatedAt, edited._updatedAt, 'an unchanged text changes nothing');
	assert.equal((await messages.history(ana, { rid })).messages.length, 1, 'kept versions stay hidden');
});

test('who may edit: authors while the setting and the time allow it, and holders of edit-message', async (t) => {
	const values: Record<string, unknown> = {};
	const { core, db, granted, givenUser, givenRoom } = await messagesHarness(t, values);
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const sent = await messages.send(ana, { rid, msg: 'text' });
	await assert.rejects(messages.update(bob, sent._id, { msg: 'x' }), { code: 'error-action-not-allowed' });
	values['Message_AllowEditing'] = false;
	await assert.rejects(messages.update(ana, sent._id, { msg: 'x' }), { code: 'error-action-not-allowed' });
	values['Message_AllowEditing'] = true;
	values['Message_AllowEditing_BlockEditInMinutes'] = 5;
	await messages.update(ana, sent._id, { msg: 'in time' });
	const old = new Date(Date.now() - 6 * 60_000);
	await db.collection<Message>('rocketchat_message').updateOne({ _id: sent._id }, { $set: { ts: old } });
	await assert.rejects(messages.update(ana, sent._id, { msg: 'x' }), { code: 'error-message-editing-blocked' });
	granted.set(ana.uid, new Set(['bypass-time-limit-edit-and-delete']));
	await messages.update(ana, sent._id, { msg: 'late' });
	granted.set(bob.uid, new Set(['edit-message']));
	assert.equal((await messages.update(bob, sent._id, { msg: 'by bob' })).msg, 'by bob');
	await assert.rejects(messages.update(bob, sent._id, { tmid: sent._id }), { code: 'error-message-same-as-tmid' });
	await assert.rejects(messages.update(bob, sent._id, { tmid: 'other' }), { code: 'error-message-change-to-thread' });
	await assert.rejects(messages.update(bob, 'unknown', { msg: 'x' }), { code: 'error-invalid-message' });
	await assert.rejects(messages.update(bob, sent._id, { content: {} }), /Only encrypted messages/);
	assert.equal((await messages.find(ana, sent._id))?.msg, 'by bob');
});

test('the new text of a described attachment is its description', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const sent = await messages.send(ana, { rid, msg: '', attachments: [{ title: 'a.png', description: 'before' }] });
	const edited = await messages.update(ana, sent._id, { msg: 'after' });
	assert.deepEqual([edited.msg, edited.attachments], ['', [{ title: 'a.png', description: 'after' }]]);
});

test('deleting: by default the message goes to the trash and the one before becomes the last', async (t) => {
	const { core, db, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const first = await messages.send(ana, { rid, msg: 'first' });
	const second = await messages.send(ana, { rid, msg: '@bob second' });
	const before = await subscriptions.find(bob.uid, rid);
	const results = await Promise.allSettled([messages.remove(ana, second._id), messages.remove(ana, second._id)]);
	assert.ok(results.some(({ status }) => status === 'fulfilled'));
	const room = await storedRoom(rid);
	assert.deepEqual([room.msgs, room.lastMessage?._id], [1, first._id], 'two deletions at once count as one');
	assert.equal(await messages.find(ana, second._id), null);
	const tombstone = await db.collection<Trash>('rocketchat__trash').findOne({ _id: second._id });
	assert.deepEqual([tombstone?.__collection__, tombstone?.rid], ['message', rid]);
	assert.deepEqual(await subscriptions.find(bob.uid, rid).then((one) => one?.unread), before?.unread);
	await messages.remove(ana, first._id);
	assert.deepEqual([(await storedRoom(rid)).msgs, (await storedRoom(rid)).lastMessage], [0, undefined]);
});

test('deleting: kept, shown, and both, by the settings', async (t) => {
	const values: Record<string, unknown> = {};
	const { core, db, givenUser, givenRoom } = await messagesHarness(t, values);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const collection = db.collection<Message>('rocketchat_message');
	const remove = async (keep: boolean, show: boolean) => {
		const { _id } = await messages.send(ana, { rid, msg: 'text @ana', attachments: [{ text: 'a' }] });
		Object.assign(values, { Message_KeepHistory: keep, Message_ShowDeletedStatus: show });
		await messages.remove(ana, _id);
		return { stored: await collection.findOne({ _id }), copies: await collection.countDocuments({ parent: _id }) };
	};
	const plain = await remove(false, false);
	assert.deepEqual([plain.stored, plain.copies], [null, 0]);
	const kept = await remove(true, false);
	assert.deepEqual([kept.stored?._hidden, kept.stored?.msg, kept.copies], [true, 'text @ana', 0]);
	const again = messages.send(ana, { _id: kept.stored?._id ?? '', rid, msg: 'text @ana' });
	await assert.rejects(again, { code: 'error-not-allowed' }, 'a hidden message is not shown to who sends it again');
	for (const keep of [false, true]) {
		const { stored, copies } = await remove(keep, true);
		assert.deepEqual(
			[stored?.t, stored?.msg, stored?.attachments, stored?.reactions, stored?.urls, stored?.mentions],
			['rm', '', [], [], [], []],
		);
		assert.deepEqual([stored?.editedBy?._id, copies], [ana.uid, keep ? 1 : 0]);
	}
});

test('a thread loses a deleted reply; its parent stays as deleted while it has replies', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const root = await messages.send(ana, { rid, msg: 'root' });
	const [one, two] = [
		await messages.send(ana, { rid, msg: 'one', tmid: root._id }),
		await messages.send(ana, { rid, msg: 'two', tmid: root._id }),
	];
	await messages.remove(ana, two._id);
	const fewer = await messages.find(ana, root._id);
	assert.deepEqual([fewer?.tcount, fewer?.tlm], [1, one.ts]);
	await messages.remove(ana, root._id);
	const gone = await messages.find(ana, root._id);
	assert.deepEqual([gone?.t, gone?.tcount], ['rm', 1]);
	await messages.remove(ana, one._id);
	const last = await messages.find(ana, root._id);
	assert.deepEqual([last?.tcount, last?.tlm, last?.replies], [undefined, undefined, undefined]);
});

test('who may delete', async (t) => {
	const values: Record<string, unknown> = {};
	const { core, db, granted, denied, givenUser, givenRoom } = await messagesHarness(t, values);
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const secret = await givenRoom([bob], { t: 'p' });
	const sent = await messages.send(ana, { rid, msg: 'text' });
	const hidden = await messages.send(bob, { rid: secret, msg: 'text' });
	const refused = { code: 'error-action-not-allowed' };
	await assert.rejects(messages.remove(bob, sent._id), refused);
	await assert.rejects(messages.remove(ana, 'unknown'), refused);
	granted.set(ana.uid, new Set(['delete-message']));
	await assert.rejects(messages.remove(ana, hidden._id), refused);
	granted.clear();
	denied.add('delete-own-message');
	await assert.rejects(messages.remove(ana, sent._id), refused);
	denied.clear();
	values['Message_AllowDeleting'] = false;
	await assert.rejects(messages.remove(ana, sent._id), refused);
	values['Message_AllowDeleting'] = true;
	values['Message_AllowDeleting_BlockDeleteInMinutes'] = 1;
	const old = new Date(Date.now() - 120_000);
	await db.collection<Message>('rocketchat_message').updateOne({ _id: sent._id }, { $set: { ts: old } });
	await assert.rejects(messages.remove(ana, sent._id), refused);
	granted.set(bob.uid, new Set(['force-delete-message']));
	await messages.remove(bob, sent._id);
	assert.equal(await messages.find(ana, sent._id), null);
});

test('reactions of many users at once all count, and go without a trace', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const [one, two] = [core().messages, core().messages];
	const users = await Promise.all(Array.from({ length: 8 }, (_, index) => givenUser(`u${index}`)));
	const rid = await givenRoom(users);
	const first = users[0];
	assert.ok(first !== undefined);
	const sent = await core().messages.send(first, { rid, msg: 'react' });
	const react = (emoji: string, shouldReact?: boolean) =>
		Promise.all(users.map((user, index) => (index % 2 === 0 ? one : two).react(user, emoji, sent._id, shouldReact)));
	await Promise.all([react(':smile:'), react('+1', true), react(':+1:', true)]);
	const reacted = await one.find(first, sent._id);
	assert.deepEqual(Object.keys(reacted?.reactions ?? {}).sort(), [':+1:', ':smile:']);
	for (const { usernames } of Object.values(reacted?.reactions ?? {})) {
		assert.deepEqual([...usernames].sort(), users.map(({ username }) => username).sort());
	}
	await react('smile');
	await react('+1', false);
	await react('+1', false);
	const cleared = await one.find(first, sent._id);
	assert.equal(cleared?.reactions, undefined);
	assert.equal((await storedRoom(rid)).lastMessage?.reactions, undefined);
});

test('of one click after the other none is lost, however close they come', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const [one, two] = [core().messages, core().messages];
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const { _id } = await one.send(ana, { rid, msg: 'react' });
	const click = (times: number) =>
		Promise.all(Array.from({ length: times }, (_, index) => (index % 2 === 0 ? one : two).react(ana, 'smile', _id)));
	await click(15);
	const expected = { ':smile:': { usernames: ['ana'] } };
	assert.deepEqual((await one.find(ana, _id))?.reactions, expected);
	assert.deepEqual((await storedRoom(rid)).lastMessage?.reactions, expected);
	await click(15);
	assert.equal((await one.find(ana, _id))?.reactions, undefined);
});

test('a reaction needs an emoji, access and a voice', async (t) => {
	const { core, noticesTo, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob], { t: 'p' });
	const { _id } = await messages.send(ana, { rid, msg: 'text' });
	for (const emoji of ['', '::', 'a.b', '$where', 'a b', 'x'.repeat(65)]) {
		await assert.rejects(messages.react(bob, emoji, _id), { code: 'error-not-allowed' }, emoji);
	}
	await assert.rejects(messages.react(await givenUser('eve'), 'smile', _id), { code: 'error-not-allowed' });
	const quiet = await givenRoom([ana, bob], { t: 'p', muted: ['bob'] });
	const other = await messages.send(ana, { rid: quiet, msg: 'text' });
	await assert.rejects(messages.react(bob, 'smile', other._id), { code: 'You_have_been_muted' });
	const [notice, ...more] = noticesTo(bob);
	assert.ok(notice?.kind === 'direct' && more.length === 0);
	const shown = notice.args[0] as Message;
	assert.deepEqual([notice.event, shown.rid, shown.msg], [`${bob.uid}/message`, quiet, 'You_have_been_muted']);
	assert.equal((await messages.find(ana, other._id))?.reactions, undefined);
});
