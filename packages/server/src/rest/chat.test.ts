import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Message } from '@rookery/protocol/records.ts';
import { methods } from '../methods/methods.ts';
import { methodRunner } from '../methods/run.ts';
import { systemClock } from '../platform/clock.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { fakeLog } from '../testing/accounts.ts';
import { messagesHarness } from '../testing/messages.ts';
import * as chat from './chat.ts';
import { chatSyncMessages } from './chat-sync.ts';
import type { Route } from './route.ts';
import { routeRunner } from './run.ts';
import * as subscriptions from './subscriptions.ts';

/** Routes and methods as a client reaches them, behind the pipelines of both; nobody's rate is limited. */
async function clientHarness(t: TestContext, values: Record<string, unknown> = {}) {
	const off = ['API_Enable_Rate_Limiter', 'DDP_Rate_Limit_User_By_Method_Enabled'];
	Object.assign(values, Object.fromEntries(off.map((id) => [id, false])));
	values['DDP_Rate_Limit_Connection_By_Method_Enabled'] = false;
	const harness = await messagesHarness(t, values);
	const actors = new Map<string, Actor>();
	const { log } = fakeLog();
	const services = {
		...harness.core(),
		authorization: harness.authorization,
		settings: harness.settings,
		accounts: { authenticate: (uid: string) => Promise.resolve(actors.get(uid) ?? null) },
	} as unknown as CoreServices;
	const runRoute = routeRunner({ services, clock: systemClock, log });
	const runMethod = methodRunner({ methods, services, clock: systemClock });
	const unlimited = (route: Route): Route => ({ ...route, rate: 'none' });

	return {
		...harness,
		async givenUser(username: string): Promise<Actor> {
			const actor = await harness.givenUser(username);
			actors.set(actor.uid, actor);
			return actor;
		},
		/** What a route answers to this caller: status and body. */
		async rest(actor: Actor | null, route: Route, input: object): Promise<{ status: number; body: Answer }> {
			const isGet = route.http.includes('GET');
			const { status, body } = await runRoute(unlimited(route), {
				method: isGet ? 'GET' : 'POST',
				headers: actor === null ? {} : { 'x-user-id': actor.uid, 'x-auth-token': 'token' },
				query: isGet ? (input as Record<string, string>) : {},
				path: {},
				bodyText: isGet ? '' : JSON.stringify(input),
				clientAddress: '127.0.0.1',
			});
			return { status, body: body as Answer };
		},
		/** What a method answers; rejects as the client sees it refused. */
		call: (actor: Actor | null, method: string, ...params: unknown[]) =>
			runMethod({
				method,
				params,
				actor,
				connection: { id: 'c', clientAddress: '127.0.0.1', userAgent: '', transport: 'websocket' },
			}),
	};
}

type Answer = Record<string, unknown> & { message?: Message; error?: string; errorType?: string; success?: boolean };

test('chat.postMessage: every name of a room, old names of fields, several targets, four to six commands for a member', async (t) => {
	const { rest, reports, db, granted, givenUser, givenRoom } = await clientHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana], { name: 'lobby' });
	granted.set(ana.uid, new Set(['message-impersonate']));
	for (const target of [{ roomId: rid }, { channel: '#lobby' }, { channel: 'lobby' }, { roomId: [rid] }]) {
		reports.length = 0;
		const { status, body } = await rest(ana, chat.chatPostMessage, { ...target, text: 'hi' });
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(body['ts'], body.message?.ts.getTime());
		assert.deepEqual(
			[body['channel'], body.message?.rid, body.message?.groupable],
			[Object.values(target).flat()[0], rid, false],
		);
		// A name has to be looked up first, and a bare one may also be a user's id.
		const commands = { '#lobby': 5, lobby: 6 }[String(Object.values(target).flat()[0])] ?? 4;
		assert.equal(reports.length, commands, reports.map(({ name, collection }) => `${name} ${collection}`).join('\n'));
	}
	const old = { channel: ['#lobby', '@bob'], msg: 'old', username: 'Robot', icon_emoji: ':robot:', icon_url: '/a.png' };
	const { body } = await rest(ana, chat.chatPostMessage, { ...old, attachments: [{ msg: 'attached' }] });
	const { alias, emoji, avatar, attachments, parseUrls, msg } = body.message ?? {};
	assert.deepEqual([alias, emoji, avatar, parseUrls, msg], ['Robot', ':robot:', '/a.png', false, 'old']);
	assert.deepEqual(attachments, [{ text: 'attached' }]);
	const direct = await db.collection<Message>('rocketchat_message').findOne({ rid: { $ne: rid } });
	assert.deepEqual([direct?.msg, direct?.rid], ['old', [ana.uid, bob.uid].sort((a, b) => (a < b ? -1 : 1)).join('')]);
	const open = await givenRoom([], { name: 'open' });
	await rest(bob, chat.chatPostMessage, { channel: 'open', text: 'I join' });
	assert.equal(await db.collection('rocketchat_subscription').countDocuments({ rid: open, 'u._id': bob.uid }), 1);
	const stored = await db.collection('rocketchat_message').countDocuments();
	const unknown = await rest(ana, chat.chatPostMessage, { channel: ['#lobby', '#nowhere'], text: 'hi' });
	assert.equal(await db.collection('rocketchat_message').countDocuments(), stored);
	assert.deepEqual(
		[unknown.status, unknown.body.error, unknown.body.errorType],
		[400, '[invalid-channel]', 'invalid-channel'],
	);
	assert.equal((await rest(ana, chat.chatPostMessage, { text: 'hi' })).body.errorType, 'invalid-params');
	assert.equal((await rest(null, chat.chatPostMessage, { channel: 'lobby' })).status, 401);
});

test('chat.sendMessage: stored message, retry, and refusals in the words of the contract', async (t) => {
	const { rest, givenUser, givenRoom } = await clientHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana]);
	const message = { _id: 'mine', rid, msg: 'hi', tmid: null, alias: null, surprise: 1, ts: new Date().toISOString() };
	const [first, again] = [
		await rest(ana, chat.chatSendMessage, { message }),
		await rest(ana, chat.chatSendMessage, { message }),
	];
	assert.deepEqual(again, first);
	assert.ok(first.body.message?.msg === 'hi' && !('surprise' in first.body.message));
	const quiet = await givenRoom([ana], { ro: true });
	const secret = await givenRoom([bob], { t: 'p' });
	const readonly = "You can't send messages because the room is readonly.";
	const cases: [object, string, string | undefined][] = [
		[{}, 'The "message" parameter must be provided. [error-invalid-params]', 'error-invalid-params'],
		[{ message: { msg: 'x' } }, "The 'rid' property on the message object is missing.", undefined],
		[{ message: { rid: 'nowhere', msg: 'x' } }, 'error-invalid-room', undefined],
		[{ message: { rid: secret, msg: 'x' } }, 'error-not-allowed', undefined],
		[{ message: { rid: quiet, msg: 'x' } }, readonly, undefined],
		[{ message: { rid, msg: 'x', alias: 'Bob' } }, 'Not enough permission', undefined],
		[{ message: { rid, msg: 'x', tshow: true } }, 'tshow provided but missing tmid [invalid-params]', 'invalid-params'],
		[{ message: { rid, msg: 'x', t: 'uj' } }, "Cannot send system messages using 'chat.sendMessage'", undefined],
		[
			{ message: { rid, msg: 'x'.repeat(5_001) } },
			'Message size exceeds Message_MaxAllowedSize [error-message-size-exceeded]',
			'error-message-size-exceeded',
		],
	];
	for (const [body, error, errorType] of cases) {
		const answer = await rest(ana, chat.chatSendMessage, body);
		assert.deepEqual([answer.status, answer.body.error, answer.body.errorType], [400, error, errorType]);
	}
	const taken = await rest(bob, chat.chatSendMessage, { message: { _id: 'mine', rid, msg: 'his' } });
	assert.deepEqual([taken.status, taken.body.error], [400, 'error-not-allowed']);
});

test('chat.update, chat.delete, chat.react, chat.getMessage: effects and refusals', async (t) => {
	const { rest, call, givenUser, givenRoom } = await clientHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const [rid, secret] = [await givenRoom([ana, bob]), await givenRoom([bob], { t: 'p' })];
	const { _id } = (await call(ana, 'sendMessage', { rid, msg: 'text' })) as Message;
	const hidden = (await call(bob, 'sendMessage', { rid: secret, msg: 'text' })) as Message;
	const edit = { roomId: rid, msgId: _id };
	assert.equal((await rest(ana, chat.chatUpdate, { ...edit, text: 'new' })).body.message?.msg, 'new');
	for (const [body, error] of [
		[{ ...edit, msgId: 'nothing', text: 'x' }, 'No message found with the id of "nothing".'],
		[{ ...edit, msgId: hidden._id, text: 'x' }, `No message found with the id of "${hidden._id}".`],
		[{ ...edit, roomId: secret, text: 'x' }, 'The room id provided does not match where the message is from.'],
		[edit, "Match error: Missing key 'text'"],
	] as const) {
		assert.equal((await rest(ana, chat.chatUpdate, body)).body.error, error);
	}
	const refused = await rest(bob, chat.chatUpdate, { ...edit, text: 'x' });
	assert.equal(refused.body.error, 'Message editing not allowed [error-action-not-allowed]');
	assert.deepEqual(await rest(bob, chat.chatReact, { messageId: _id, reaction: 'smile' }), {
		status: 200,
		body: { success: true },
	});
	const seen = await rest(bob, chat.chatGetMessage, { msgId: _id });
	assert.deepEqual(seen.body.message?.reactions, { ':smile:': { usernames: ['bob'] } });
	assert.equal((await rest(bob, chat.chatReact, { messageId: _id })).body.errorType, 'error-emoji-param-not-provided');
	assert.equal(
		(await rest(bob, chat.chatReact, { messageId: 'x', emoji: 'a' })).body.errorType,
		'error-message-not-found',
	);
	assert.equal((await rest(bob, chat.chatReact, { emoji: 'a' })).body.errorType, 'error-messageid-param-not-provided');
	assert.equal((await rest(bob, chat.chatDelete, { ...edit, asUser: true })).status, 400);
	const other = await rest(bob, chat.chatDelete, edit);
	assert.deepEqual(
		[other.body.error, other.body.errorType],
		['Not allowed [error-action-not-allowed]', 'error-action-not-allowed'],
	);
	const deleted = await rest(ana, chat.chatDelete, edit);
	assert.deepEqual([deleted.body['_id'], deleted.body.message?.rid], [_id, rid]);
	assert.deepEqual(await rest(ana, chat.chatGetMessage, { msgId: _id }), { status: 400, body: { success: false } });
	assert.equal((await rest(ana, chat.chatGetMessage, {})).body.error, 'The "msgId" query parameter must be provided.');
});

test('chat.syncMessages: both forms and their refusals', async (t) => {
	const { rest, call, givenUser, givenRoom } = await clientHarness(t);
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const sent = (await call(ana, 'sendMessage', { rid, msg: 'text' })) as Message;
	const by = (query: object) => rest(ana, chatSyncMessages, query);
	type Result = { updated?: Message[]; deleted?: object[]; cursor?: object };
	const dated = (await by({ roomId: rid, lastUpdate: sent.ts.toISOString() })).body['result'] as Result;
	assert.deepEqual([dated.updated?.map(({ _id }) => _id), dated.deleted], [[sent._id], []]);
	const paged = (await by({ roomId: rid, type: 'UPDATED', next: '0', count: '5' })).body['result'] as Result;
	assert.deepEqual(paged.cursor, { next: null, previous: String(sent._updatedAt.getTime()) });
	const dates = { roomId: rid, lastUpdate: '2020-01-01' };
	for (const [query, code] of [
		[{}, 'error-param-required'],
		[{ roomId: rid }, 'error-param-required'],
		[{ roomId: rid, lastUpdate: 'never' }, 'error-lastUpdate-param-invalid'],
		[{ roomId: rid, type: 'SOME' }, 'error-type-param-not-supported'],
		[{ roomId: rid, type: 'UPDATED', next: '1', previous: '2' }, 'error-cursor-conflict'],
		[{ ...dates, next: '1' }, 'error-cursor-and-lastUpdate-conflict'],
		[{ ...dates, roomId: 'nowhere' }, 'error-not-allowed'],
		[{ roomId: rid, lastUpdate: 'version 1' }, 'error-lastUpdate-param-invalid'],
		[{ roomId: rid, type: 'UPDATED', next: 'x 1' }, 'error-invalid-params'],
	] as const) {
		assert.equal((await by(query)).body.errorType, code, JSON.stringify(query));
	}
});

test('subscriptions.*: list, one, read, unread', async (t) => {
	const { rest, call, givenUser, givenRoom } = await clientHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const rid = await givenRoom([ana, bob]);
	const sent = (await call(ana, 'sendMessage', { rid, msg: '@bob' })) as Message;
	const one = async (): Promise<unknown[]> => {
		const { body } = await rest(bob, subscriptions.subscriptionsGetOne, { roomId: rid });
		const { alert, unread, rk } = body['subscription'] as Record<string, unknown>;
		return [alert, unread, rk];
	};
	assert.deepEqual(await one(), [true, 1, undefined]);
	assert.deepEqual((await rest(bob, subscriptions.subscriptionsRead, { rid })).body, { success: true });
	assert.deepEqual(await one(), [false, 0, undefined]);
	await rest(bob, subscriptions.subscriptionsUnread, { firstUnreadMessage: { _id: sent._id } });
	assert.deepEqual(await one(), [true, 0, undefined]);
	await rest(bob, subscriptions.subscriptionsRead, { roomId: rid, readThreads: true });
	const list = await rest(bob, subscriptions.subscriptionsGet, { updatedSince: sent.ts.toISOString() });
	assert.equal((list.body['update'] as object[]).length, 1);
	const wrong = await rest(bob, subscriptions.subscriptionsGet, { updatedSince: 'never' });
	assert.equal(wrong.body.error, 'The "lastUpdate" query parameter must be a valid date. [error-roomId-param-invalid]');
	const lacking = await rest(bob, subscriptions.subscriptionsRead, {});
	const names = ["must have required property 'rid'", "must have required property 'roomId'"];
	assert.equal(lacking.body.error, `${names.join('\n ')}\n must match a schema in anyOf [invalid-params]`);
	const none = await rest(bob, subscriptions.subscriptionsGetOne, { roomId: 'nowhere' });
	assert.deepEqual([none.status, none.body['subscription']], [200, null]);
});

test('methods: what the realtime contract promises of each', async (t) => {
	const { call, noticesTo, givenUser, givenRoom } = await clientHarness(t);
	const [ana, bob, eve] = [await givenUser('ana'), await givenUser('bob'), await givenUser('eve')];
	const rid = await givenRoom([ana, bob], { t: 'p' });
	const sent = (await call(ana, 'sendMessage', { rid, msg: 'text', tmid: null }, '')) as Message;
	assert.deepEqual([sent.msg, sent.mentions, sent.urls, sent.channels], ['text', [], [], []]);
	assert.equal(await call(ana, 'updateMessage', { ...sent, msg: 'new' }), undefined);
	assert.equal(((await call(bob, 'getSingleMessage', sent._id)) as Message).msg, 'new');
	assert.equal(await call(bob, 'setReaction', ':+1:', sent._id), undefined);
	type History = { messages: Message[]; unreadNotLoaded: number };
	const history = (await call(bob, 'loadHistory', rid, null, 20, { $date: 1 })) as History;
	assert.deepEqual([history.messages.length, history.unreadNotLoaded], [1, 0]);
	assert.equal(await call(eve, 'loadHistory', rid), false);
	assert.equal(await call(null, 'loadHistory', rid), false);
	assert.equal(await call(eve, 'loadMissedMessages', rid, new Date(0)), false);
	assert.equal(((await call(bob, 'loadMissedMessages', rid, new Date(0))) as Message[]).length, 1);
	assert.equal(((await call(bob, 'getMessages', [sent._id, 'unknown'])) as Message[]).length, 1);
	const changes = (await call(bob, 'messages/get', rid, { lastUpdate: new Date(0) })) as { updated: Message[] };
	assert.equal(changes.updated.length, 1);
	assert.deepEqual(await call(null, 'subscriptions/get'), []);
	assert.equal(((await call(bob, 'subscriptions/get', null)) as object[]).length, 1);
	assert.deepEqual(Object.keys((await call(bob, 'subscriptions/get', new Date(0))) as object), ['update', 'remove']);
	assert.equal(await call(bob, 'readMessages', rid), undefined);
	assert.equal(await call(bob, 'unreadMessages', null, rid), 1);
	assert.equal(await call(bob, 'unreadMessages', { _id: sent._id, ts: sent.ts }), 1);
	await assert.rejects(call(ana, 'unreadMessages', { _id: sent._id }), { code: 'error-action-not-allowed' });
	await assert.rejects(call(eve, 'sendMessage', { rid, msg: 'x' }), { code: 'error-not-allowed' });
	assert.equal(noticesTo(eve).length, 1);
	await assert.rejects(call(eve, 'getSingleMessage', sent._id), { code: 'error-not-allowed' });
	await assert.rejects(call(null, 'sendMessage', { rid, msg: 'x' }), { code: 'error-invalid-user' });
	assert.equal(await call(ana, 'deleteMessage', { _id: sent._id }), undefined);
	assert.equal(await call(ana, 'getSingleMessage', sent._id), undefined);
});

test('operator objects in any parameter are refused and change nothing', async (t) => {
	const { rest, call, db, givenUser, givenRoom } = await clientHarness(t);
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const { _id } = (await call(ana, 'sendMessage', { rid, msg: 'text' })) as Message;
	const state = async (): Promise<string> =>
		JSON.stringify([
			await db.collection('rocketchat_message').find().toArray(),
			await db.collection('rocketchat_room').find().toArray(),
			await db.collection('rocketchat_subscription').find().toArray(),
		]);
	const before = await state();
	const operator = { $ne: null };
	const bodies: [Route, Record<string, unknown>][] = [
		[chat.chatPostMessage, { roomId: rid, text: 'x', tmid: 'a', alias: 'a', emoji: 'a', avatar: 'a', attachments: [] }],
		[chat.chatUpdate, { roomId: rid, msgId: _id, text: 'x' }],
		[chat.chatDelete, { roomId: rid, msgId: _id, asUser: true }],
		[chat.chatReact, { messageId: _id, emoji: 'smile', shouldReact: true }],
		[subscriptions.subscriptionsRead, { rid, readThreads: true }],
		[subscriptions.subscriptionsUnread, { roomId: rid, firstUnreadMessage: { _id } }],
	];
	for (const [route, body] of bodies) {
		for (const key of Object.keys(body)) {
			const { status, body: answer } = await rest(ana, route, { ...body, [key]: operator });
			assert.deepEqual([status, answer.errorType], [400, 'invalid-params'], `${route.path} ${key}`);
		}
	}
	const message = { rid, msg: 'x' };
	const keys = [
		'rid',
		'msg',
		'_id',
		'tmid',
		'alias',
		'avatar',
		'emoji',
		'attachments',
		'blocks',
		'customFields',
		'tshow',
	];
	for (const key of keys) {
		for (const bad of [operator, [operator], { 'a.b': 1 }]) {
			const { status, body } = await rest(ana, chat.chatSendMessage, { message: { ...message, [key]: bad } });
			assert.deepEqual([status, body.errorType], [400, 'invalid-params'], `${key} ${JSON.stringify(bad)}`);
			await assert.rejects(call(ana, 'sendMessage', { ...message, [key]: bad }), { code: 400 }, key);
		}
	}
	for (const attachments of [
		[operator],
		[{ fields: [operator] }],
		[{ text: {} }],
		['text'],
		[{ ['__proto__x']: 1, 'a.b': 1 }],
	]) {
		const { body } = await rest(ana, chat.chatPostMessage, { roomId: rid, attachments });
		assert.equal(body.errorType, 'invalid-params', JSON.stringify(attachments));
	}
	for (const [name, ...params] of [
		['updateMessage', { _id: operator, msg: 'x' }],
		['deleteMessage', { _id: operator }],
		['setReaction', operator, _id],
		['setReaction', 'smile', operator],
		['loadHistory', operator],
		['loadMissedMessages', rid, operator],
		['getSingleMessage', operator],
		['getMessages', [operator]],
		['messages/get', operator],
		['readMessages', operator],
		['unreadMessages', operator],
		['unreadMessages', null, operator],
		['getThreadMessages', { tmid: operator }],
	] as const) {
		await assert.rejects(call(ana, name, ...params), { code: 400 }, name);
	}
	assert.equal(await state(), before);
});

test('ids that stand beside each other must belong together, and what one may not see looks like nothing', async (t) => {
	const { call, rest, db, givenUser, givenRoom } = await clientHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const [rid, other, secret] = [
		await givenRoom([ana, bob]),
		await givenRoom([ana]),
		await givenRoom([bob], { t: 'p' }),
	];
	const own = (await call(ana, 'sendMessage', { rid, msg: 'own' })) as Message;
	const hidden = (await call(bob, 'sendMessage', { rid: secret, msg: 'hidden' })) as Message;
	const before = await db.collection('rocketchat_message').find().toArray();

	const invalid = { code: 'error-invalid-message' };
	for (const _id of [hidden._id, 'nothing']) {
		await assert.rejects(call(ana, 'updateMessage', { _id, msg: 'x' }), invalid);
		await assert.rejects(call(ana, 'sendMessage', { rid, tmid: _id, msg: 'x' }), invalid);
		assert.equal(await call(ana, 'loadSurroundingMessages', { _id }), false);
	}
	await assert.rejects(call(ana, 'updateMessage', { _id: own._id, rid: other, msg: 'x' }), invalid);
	const refused = { code: 'error-action-not-allowed' };
	await assert.rejects(call(ana, 'deleteMessage', { _id: own._id, rid: other }), refused);
	await assert.rejects(call(bob, 'unreadMessages', { _id: own._id }, rid), refused);
	assert.equal(await call(ana, 'loadSurroundingMessages', { _id: own._id, rid: other }), false);
	assert.deepEqual(await db.collection('rocketchat_message').find().toArray(), before);

	const reply = await rest(ana, chat.chatSendMessage, { message: { rid: other, msg: 'x', tmid: own._id } });
	assert.equal(reply.body.message?.rid, rid);
	await call(ana, 'deleteMessage', { _id: own._id, rid });
});

test('sync dates at the end of time answer everything', async (t) => {
	const { rest, givenUser, givenRoom } = await clientHarness(t);
	const ana = await givenUser('ana');
	const rid = await givenRoom([ana]);
	const sent = await rest(ana, chat.chatSendMessage, { message: { rid, msg: 'hi' } });
	const first = '-271821-04-20T00:00:00.000Z';
	const changed = await rest(ana, subscriptions.subscriptionsGet, { updatedSince: first });
	assert.deepEqual(
		(changed.body['update'] as { rid: string }[]).map((one) => one.rid),
		[rid],
	);
	const { body } = await rest(ana, chatSyncMessages, { roomId: rid, lastUpdate: first });
	assert.deepEqual((body['result'] as { updated: Message[] }).updated, [sent.body.message]);
	const lax = await rest(ana, subscriptions.subscriptionsGet, { updatedSince: 'version 1' });
	assert.equal(lax.body.errorType, 'error-roomId-param-invalid');
});
