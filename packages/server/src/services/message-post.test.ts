import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message, Subscription } from '@rookery/protocol/records.ts';
import { actorOf, messagesHarness } from '../testing/messages.ts';

test('an ordinary post takes four commands and writes three documents, whatever the number of members', async (t) => {
	const { core, reports, db, givenUser, givenRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	for (const size of [2, 400]) {
		const others = Array.from({ length: size - 1 }, (_, index) => actorOf(`m${index}`, `m${index}`));
		const rid = await givenRoom([ana, ...others]);
		const opened = await db.collection<Subscription>('rocketchat_subscription').find({ rid }).toArray();
		for (const msg of ['hello', '@all come here']) {
			reports.length = 0;
			await messages.send(ana, { rid, msg });
			assert.deepEqual(
				reports.map(({ name, collection }) => `${name} ${collection}`),
				[
					'aggregate rocketchat_room',
					'findAndModify rocketchat_message',
					'findAndModify rocketchat_room',
					'update rocketchat_subscription',
				],
				`${size} members, ${msg}`,
			);
			assert.equal(
				reports.reduce((sum, { documentsWritten }) => sum + documentsWritten, 0),
				3,
			);
		}
		const after = await db.collection<Subscription>('rocketchat_subscription').find({ rid }).toArray();
		const changed = after.filter((one, index) => JSON.stringify(one) !== JSON.stringify(opened[index]));
		assert.deepEqual(
			changed.map(({ u }) => u._id),
			[ana.uid],
		);
	}
});

test('the reads of a post touch a bounded number of documents in a large room', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const ana = await givenUser('ana');
	const members = Array.from({ length: 300 }, (_, index) => actorOf(`m${index}`, `m${index}`));
	const rid = await givenRoom([ana, ...members]);
	await givenRoom(members, {}, { userHighlights: ['word'] });
	const { messages } = core();
	await messages.send(ana, { rid, msg: 'first' });
	await db.command({ profile: 2 });
	await messages.send(ana, { rid, msg: 'second' });
	await db.command({ profile: 0 });
	const [scene] = await db
		.collection('system.profile')
		.find({ op: 'command', 'command.aggregate': 'rocketchat_room' })
		.toArray();
	// The room, its newest message, the author's membership: members without highlight words are not looked at.
	assert.ok(scene !== undefined && scene['docsExamined'] <= 3, JSON.stringify(scene));
	assert.ok(scene['keysExamined'] <= 6, JSON.stringify(scene));
});

test('fifty sends of one id at once store one message and count it once', async (t) => {
	const { core, db, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const [one, two] = [core(), core()];
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob], {}, {});
	const sent = await Promise.all(
		Array.from({ length: 50 }, (_, index) =>
			(index % 2 === 0 ? one : two).messages.send(ana, { _id: 'once', rid, msg: '@bob hi' }),
		),
	);
	assert.equal(new Set(sent.map((message) => message.ts.getTime())).size, 1);
	assert.equal(await db.collection('rocketchat_message').countDocuments({ rid }), 1);
	const room = await storedRoom(rid);
	assert.deepEqual([room.msgs, room.rk?.s, room.rk?.n, room.rk?.i], [1, 1, 1, ['once']]);
	const shown = await one.subscriptions.find(bob.uid, rid);
	assert.deepEqual([shown?.unread, shown?.userMentions, shown?.alert], [1, 1, true]);
});

test("another author's or another room's id is refused, and nothing changes", async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const [rid, other] = [await givenRoom([ana, bob]), await givenRoom([ana, bob])];
	await messages.send(ana, { _id: 'taken', rid, msg: 'mine' });
	await assert.rejects(messages.send(bob, { _id: 'taken', rid, msg: 'his' }), { code: 'error-not-allowed' });
	await assert.rejects(messages.send(ana, { _id: 'taken', rid: other, msg: 'mine' }), { code: 'error-not-allowed' });
	assert.equal((await messages.find(ana, 'taken'))?.msg, 'mine');
	assert.deepEqual([(await storedRoom(rid)).msgs, (await storedRoom(other)).msgs], [1, 0]);
});

test('sends that follow each other have strictly increasing times, with two cores and a message from the near future', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const [one, two] = [core().messages, core().messages];
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const ahead = new Date(Date.now() + 4_000);
	await db.collection<Message>('rocketchat_message').insertOne({
		_id: 'ahead',
		rid,
		msg: '',
		ts: ahead,
		u: { _id: ana.uid },
		_updatedAt: ahead,
	});
	let last = ahead.getTime();
	for (let index = 0; index < 40; index++) {
		const tmid = index % 3 === 0 ? { tmid: 'ahead' } : {};
		const sent = await (index % 2 === 0 ? one : two).send(ana, { rid, msg: String(index), ...tmid });
		assert.ok(sent.ts.getTime() > last, `message ${index}`);
		assert.deepEqual(sent.ts, sent._updatedAt);
		last = sent.ts.getTime();
	}
});

test('parallel writers on two cores: counters, last message and order agree with what is stored', async (t) => {
	const { core, db, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const [one, two] = [core(), core()];
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const writer = async (index: number): Promise<void> => {
		let before = 0;
		for (let count = 0; count < 12; count++) {
			const sent = await (index % 2 === 0 ? one : two).messages.send(index < 4 ? ana : bob, {
				rid,
				msg: `${index}-${count}`,
			});
			assert.ok(sent.ts.getTime() > before);
			before = sent.ts.getTime();
		}
	};
	await Promise.all([0, 1, 2, 3, 4, 5].map(writer));
	const room = await storedRoom(rid);
	const [newest] = await db.collection<Message>('rocketchat_message').find({ rid }).sort({ ts: -1 }).limit(1).toArray();
	assert.deepEqual([room.msgs, room.rk?.s, room.rk?.n], [72, 72, 72]);
	assert.deepEqual([room.lm, room.lastMessage?.ts], [newest?.ts, newest?.ts]);
	assert.equal(room.rk?.i?.length, 64);
	for (const { uid } of [ana, bob]) {
		const [shown] = await one.subscriptions.list(uid);
		assert.deepEqual([shown?.alert, shown?.unread], [true, 0]);
	}
});

test('a message far in the future does not drag the room along', async (t) => {
	const { core, db, givenUser, givenRoom } = await messagesHarness(t);
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const ts = new Date(Date.now() + 86_400_000);
	const imported = { _id: 'far', rid, msg: '', ts, u: { _id: ana.uid }, _updatedAt: ts };
	await db.collection<Message>('rocketchat_message').insertOne(imported);
	const sent = await core().messages.send(ana, { rid, msg: 'now' });
	assert.ok(Math.abs(sent.ts.getTime() - Date.now()) < 30_000);
});

test('text that looks like an operator or a field is stored as it was written', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const attachment = { text: '$$NOW', title: '$rid' };
	const sent = await core().messages.send(ana, { rid, msg: '$msg $$ROOT {"$ne":1}', attachments: [attachment] });
	const room = await storedRoom(rid);
	for (const stored of [sent, room.lastMessage]) {
		assert.deepEqual([stored?.msg, stored?.attachments], ['$msg $$ROOT {"$ne":1}', [attachment]]);
	}
});

test('mentions and channels are resolved; rooms the author cannot see stay unresolved', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	await givenRoom([ana], { _id: 'open-room', name: 'open-room' });
	await givenRoom([bob], { _id: 'secret-room', name: 'secret-room', t: 'p' });
	const sent = await core().messages.send(ana, {
		rid,
		msg: '@BOB, @nobody: #open-room #secret-room https://example.org.',
	});
	assert.deepEqual(sent.mentions, [{ _id: bob.uid, username: 'bob', name: 'BOB', type: 'user' }]);
	assert.deepEqual(
		sent.channels?.map(({ name }) => name),
		['open-room'],
	);
	assert.deepEqual(sent.urls, [{ url: 'https://example.org' }]);
});

test('refusals: each with its code, none stores anything, the author is told on his screen', async (t) => {
	const { core, db, denied, granted, givenUser, givenRoom, noticesTo } = await messagesHarness(t, {
		Message_MaxAllowedSize: 10,
	});
	const { messages } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana]);
	const [secret, quiet, archived] = [
		await givenRoom([bob], { t: 'p' }),
		await givenRoom([ana], { ro: true }),
		await givenRoom([ana], { archived: true }),
	];
	const muted = await givenRoom([ana], { muted: ['ana'] });
	const blocked = await givenRoom([ana, bob], { t: 'd' }, { blocked: true });
	denied.add('mention-all');
	const cases: [Parameters<typeof messages.send>[1], string][] = [
		[{ rid: 'nowhere', msg: 'a' }, 'error-invalid-room'],
		[{ rid: secret, msg: 'a' }, 'error-not-allowed'],
		[{ rid: quiet, msg: 'a' }, 'error-not-allowed'],
		[{ rid: archived, msg: 'a' }, 'error-room-archived'],
		[{ rid: muted, msg: 'a' }, 'You_have_been_muted'],
		[{ rid: blocked, msg: 'a' }, 'room_is_blocked'],
		[{ rid, msg: 'more than ten' }, 'error-message-size-exceeded'],
		[{ rid, msg: 'a', attachments: [{ text: 'more than ten' }] }, 'error-message-size-exceeded'],
		[{ rid, msg: 'a', tshow: true }, 'invalid-params'],
		[{ rid, msg: 'a', tmid: 'unknown' }, 'error-invalid-message'],
		[{ rid, msg: 'a', ts: new Date(Date.now() - 90_000) }, 'error-message-ts-out-of-sync'],
		[{ rid, msg: 'a', alias: 'Bob' }, 'error-not-allowed'],
		[{ rid, msg: '@all' }, 'error-action-not-allowed'],
		[{ rid, msg: 'a', t: 'uj' }, 'error-not-allowed'],
	];
	for (const [index, [message, code]] of cases.entries()) {
		await assert.rejects(messages.send(ana, message), { code }, JSON.stringify(message));
		assert.equal(noticesTo(ana).length, index + 1);
	}
	assert.equal(await db.collection('rocketchat_message').countDocuments({}), 0);
	granted.set(ana.uid, new Set(['post-readonly', 'message-impersonate']));
	await messages.send(ana, { rid: quiet, msg: 'a', alias: 'Bob' });
	await messages.send(ana, { rid, msg: ':a1b: :+1:', ts: new Date(Date.now() - 30_000) });
	assert.equal(await db.collection('rocketchat_message').countDocuments({}), 2);
});

test('a reply goes to its thread: rooted, counted, followed', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob, cyd] = [await givenUser('ana'), await givenUser('bob'), await givenUser('cyd')];
	const rid = await givenRoom([ana, bob, cyd]);
	const root = await messages.send(ana, { rid, msg: 'root' });
	await subscriptions.read(bob, rid);
	await subscriptions.read(cyd, rid);
	const reply = await messages.send(bob, { rid: 'ignored', msg: 'reply', tmid: root._id });
	const nested = await messages.send(bob, { rid, msg: '@cyd look', tmid: reply._id });
	assert.deepEqual([reply.rid, nested.tmid], [rid, root._id]);
	const parent = await messages.find(ana, root._id);
	assert.deepEqual([parent?.tcount, parent?.tlm], [2, nested.ts]);
	assert.deepEqual([...(parent?.replies ?? [])].sort(), [ana.uid, bob.uid, cyd.uid]);
	const room = await storedRoom(rid);
	assert.deepEqual([room.msgs, room.lm, room.lastMessage?._id], [3, root.ts, root._id]);
	const seen = await subscriptions.find(cyd.uid, rid);
	assert.deepEqual([seen?.tunread, seen?.tunreadUser, seen?.alert, seen?.unread], [[root._id], [root._id], true, 0]);
	assert.deepEqual((await subscriptions.find(bob.uid, rid))?.alert, false);
	await subscriptions.readThread(cyd, root._id);
	const read = await subscriptions.find(cyd.uid, rid);
	assert.deepEqual([read?.tunread, read?.tunreadUser, read?.alert], [[], [], false]);
	const both = await messages.send(bob, { rid, msg: 'shown too', tmid: root._id, tshow: true });
	assert.deepEqual([(await storedRoom(rid)).lm, (await messages.find(ana, root._id))?.tcount], [both.ts, 3]);
});

test('replies at once are all counted', async (t) => {
	const { core, givenUser, givenRoom } = await messagesHarness(t);
	const [one, two] = [core().messages, core().messages];
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const root = await one.send(ana, { rid, msg: 'root' });
	const tmid = root._id;
	await Promise.all(
		Array.from({ length: 20 }, (_, index) =>
			(index % 2 === 0 ? one : two).send(ana, { rid, msg: String(index), tmid }),
		),
	);
	assert.equal((await one.find(ana, tmid))?.tcount, 20);
});

test('a system message moves msgs and the number of posts, nothing else', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages, subscriptions } = core();
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const stored = await messages.postSystem('uj', { _id: rid }, { _id: bob.uid, username: 'bob' }, 'bob');
	assert.deepEqual([stored.t, stored.groupable, stored.u], ['uj', false, { _id: bob.uid, username: 'bob' }]);
	const room = await storedRoom(rid);
	assert.deepEqual(
		[room.msgs, room.rk?.s, room.rk?.n, room.lm, room.lastMessage],
		[1, 1, undefined, undefined, undefined],
	);
	assert.equal((await subscriptions.find(ana.uid, rid))?.alert, false);
});

test('finished posts leave rk.p with the next post or with the flush', async (t) => {
	const { core, givenUser, givenRoom, storedRoom } = await messagesHarness(t);
	const { messages } = core();
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const first = await messages.send(ana, { rid, msg: '1' });
	assert.deepEqual((await storedRoom(rid)).rk?.p, [{ m: first._id, s: 1 }]);
	const second = await messages.send(ana, { rid, msg: '2' });
	assert.deepEqual((await storedRoom(rid)).rk?.p, [{ m: second._id, s: 2 }]);
	await messages.stop();
	assert.deepEqual((await storedRoom(rid)).rk?.p, []);
});
