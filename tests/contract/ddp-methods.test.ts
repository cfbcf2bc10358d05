import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createUser, ok, rest, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { openConnected, openLoggedIn, type Frame } from './wire.ts';

/** Methods over the socket: forms of answers and errors, order, repetition. @see realtime contract 2.4, 2.7, 2.8, 2.9 */

const matchFailed = {
	isClientSafe: true,
	error: 400,
	reason: 'Match failed',
	message: 'Match failed [400]',
	errorType: 'Meteor.Error',
};

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`methods, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let ana: Session;
		before(async () => {
			server = await startServer(mode);
			// Bots may send as quickly as they can.
			ana = await createUser(server, 'ana', { roles: ['user', 'bot'] });
		});
		after(() => server?.stop());

		/** `result` and `updated` of an id, as texts, in the order of arrival. */
		const answersTo = (wire: { texts: string[] }, id: string) =>
			wire.texts.filter((text) => {
				const frame = JSON.parse(text) as Frame;
				return (frame['msg'] === 'result' && frame['id'] === id) || frame['methods']?.includes(id) === true;
			});

		test('an answer is `result`, then `updated`, once each: with a value, without, refused, unknown', async (t) => {
			const wire = await openLoggedIn(t, server, ana);
			const calls: [string, unknown[], RegExp][] = [
				['getRoomIdByNameOrId', ['general'], /^\{"msg":"result","id":"id-0","result":"GENERAL"\}$/],
				['UserPresence:online', [], /^\{"msg":"result","id":"id-1"\}$/],
				['stream-notify-room', ['GENERAL/typing', 'somebody else', true], /^\{"msg":"result","id":"id-2"\}$/],
				['readMessages', ['GENERAL'], /^\{"msg":"result","id":"id-3"\}$/],
				['no such method', [], /^\{"msg":"result","id":"id-4","error":\{.*"error":404/],
				['joinRoom', ['nowhere'], /^\{"msg":"result","id":"id-5","error":\{"isClientSafe":true,"error":"error-/],
			];
			for (const [index, [method, params]] of calls.entries())
				wire.send({ msg: 'method', id: `id-${index}`, method, params });
			for (const index of calls.keys())
				await wire.next((frame) => frame['msg'] === 'updated' && frame['methods'].includes(`id-${index}`));
			await wire.settled();
			for (const [index, [, , result]] of calls.entries()) {
				const answers = answersTo(wire, `id-${index}`);
				assert.equal(answers.length, 2, answers.join('\n'));
				assert.match(answers[0] ?? '', result);
				assert.equal(answers[1], `{"msg":"updated","methods":["id-${index}"]}`);
			}
		});

		test('results that are false or an empty list are sent as they are, in a room one may not enter, too', async (t) => {
			const { group } = await ok(server.url, 'POST', 'groups.create', {
				session: server.admin,
				body: { name: `closed-${mode.length}` },
			});
			const wire = await openLoggedIn(t, server, ana);
			const now = { $date: Date.now() };
			for (const [id, method, params, result] of [
				['none', 'loadMissedMessages', ['GENERAL', now], '[]'],
				['closed', 'loadMissedMessages', [group._id, now], 'false'],
				['free', 'roomNameExists', [`free ${mode}`], 'false'],
				['yes', 'roomNameExists', ['general'], 'true'],
			] as const) {
				wire.send({ msg: 'method', id, method, params });
				await wire.next((frame) => frame['msg'] === 'updated' && frame['methods'].includes(id));
				assert.deepEqual(answersTo(wire, id)[0], `{"msg":"result","id":"${id}","result":${result}}`);
			}
		});

		test('errors have the whole shape: a refusal, an unknown method, an argument of the wrong type', async (t) => {
			const wire = await openLoggedIn(t, server, ana);
			const { error: unknown } = await wire.ask('nowhere to be found');
			assert.deepEqual(unknown, {
				isClientSafe: true,
				error: 404,
				reason: "Method 'nowhere to be found' not found",
				message: "Method 'nowhere to be found' not found [404]",
				errorType: 'Meteor.Error',
			});
			const { error: refused } = await wire.ask('joinRoom', 'nowhere');
			assert.equal(refused.isClientSafe, true);
			assert.equal(refused.errorType, 'Meteor.Error');
			assert.equal(refused.message, `${refused.reason} [${refused.error}]`);
			for (const params of [[5], [{}], [['GENERAL']], [true], []]) {
				assert.deepEqual((await wire.ask('joinRoom', ...params))['error'], matchFailed, JSON.stringify(params));
			}
			const anonymous = await openConnected(t, server);
			assert.equal((await anonymous.ask('joinRoom', 'GENERAL'))['error'].error, 'error-invalid-user');
		});

		test('frames that are no calls are told apart, whole, and the session goes on', async (t) => {
			const wire = await openLoggedIn(t, server, ana);
			for (const [text, reason] of [
				['[]', 'Bad request'],
				['"text"', 'Bad request'],
				['null', 'Bad request'],
				['{"a":1}', 'Bad request'],
				['{"msg":null}', 'Bad request'],
				['{"msg":"dance","id":"1"}', 'Bad request'],
				['{"msg":"connected","session":"x"}', 'Bad request'],
				['{"msg":"unsub","id":1}', 'Bad request'],
				['{"msg":"sub","id":1,"name":"x"}', 'Malformed subscription'],
				['{"msg":"sub","id":"1","name":{},"params":[]}', 'Malformed subscription'],
				['{"msg":"sub","id":"1","name":"x","params":{}}', 'Malformed subscription'],
				['{"msg":"method","method":"x","params":[]}', 'Malformed method invocation'],
				['{"msg":"method","id":7,"method":"x","params":[]}', 'Malformed method invocation'],
				['{"msg":"method","id":"1","params":[]}', 'Malformed method invocation'],
				['{"msg":"method","id":"1","method":"x","params":"y"}', 'Malformed method invocation'],
			]) {
				const from = wire.frames.length;
				wire.send(text ?? '');
				const error = await wire.next(({ msg }) => msg === 'error', from);
				assert.deepEqual(error, { msg: 'error', reason, offendingMessage: JSON.parse(text ?? '') as unknown }, text);
			}
			await wire.settled();
		});

		test('what clients add to a call is ignored: surplus parameters, a random seed, unknown keys, no params', async (t) => {
			const wire = await openLoggedIn(t, server, ana);
			const factor = { twoFactorCode: '123456', twoFactorMethod: 'totp' };
			for (const [index, surplus] of [[''], [factor], [null], [{}, 'x', 5], [undefined, '']].entries()) {
				assert.equal(await wire.call('getRoomIdByNameOrId', 'general', ...surplus), 'GENERAL', `${index}`);
			}
			for (const [index, extra] of [
				{ randomSeed: 'abc' },
				{ randomSeed: 5 },
				{ randomSeed: { a: 1 }, noise: [1], session: 'x' },
			].entries()) {
				wire.send({ msg: 'method', id: `s${index}`, method: 'getRoomIdByNameOrId', params: ['general'], ...extra });
				const answer = await wire.next((frame) => frame['msg'] === 'result' && frame['id'] === `s${index}`);
				assert.equal(answer['result'], 'GENERAL');
			}
			wire.send('{"msg":"method","id":"bare","method":"UserPresence:online"}');
			const bare = await wire.next((frame) => frame['msg'] === 'result' && frame['id'] === 'bare');
			assert.deepEqual(bare, { msg: 'result', id: 'bare' });
			for (const params of [[null], [''], [ana.userId], [], [''], [factor]])
				assert.deepEqual(Object.keys(await wire.ask('UserPresence:away', ...params)), ['msg', 'id']);
			assert.deepEqual(Object.keys(await wire.ask('UserPresence:setDefaultStatus', 'online')), ['msg', 'id']);
			assert.deepEqual(Object.keys(await wire.ask('UserPresence:setDefaultStatus', ana.userId, 'online')), [
				'msg',
				'id',
			]);
		});

		test('the same id twice in flight runs once and is answered once; used again later it runs again', async (t) => {
			const wire = await openLoggedIn(t, server, ana);
			const message = { rid: 'GENERAL', msg: `twice ${mode}` };
			const call = { msg: 'method', id: '0', method: 'sendMessage', params: [message] };
			wire.send(call, call, call);
			await wire.next((frame) => frame['msg'] === 'updated' && frame['methods'].includes('0'));
			await wire.call('getRoomIdByNameOrId', 'general');
			assert.equal(answersTo(wire, '0').length, 2);
			assert.equal(await server.db.collection('rocketchat_message').countDocuments({ msg: message.msg }), 1);
			const from = wire.frames.length;
			wire.send(call);
			await wire.next((frame) => frame['msg'] === 'updated' && frame['methods'].includes('0'), from);
			assert.equal(await server.db.collection('rocketchat_message').countDocuments({ msg: message.msg }), 2);
		});

		test('100 calls at once are all answered; 60 messages of one connection are stored in the order sent', async (t) => {
			const wire = await openLoggedIn(t, server, ana);
			await wire.sub('room', 'stream-room-messages', 'GENERAL', false);
			const mark = `order ${mode}`;
			for (let count = 0; count < 100; count += 1) {
				const isSend = count % 5 < 3;
				const [method, params] = isSend
					? ['sendMessage', [{ rid: 'GENERAL', msg: `${mark} ${count}` }]]
					: ['getRoomIdByNameOrId', ['general']];
				wire.send({ msg: 'method', id: `p${count}`, method, params });
			}
			for (let count = 0; count < 100; count += 1) {
				const answer = await wire.next((frame) => frame['msg'] === 'result' && frame['id'] === `p${count}`);
				assert.ok('result' in answer, JSON.stringify(answer));
			}
			const sent = Array.from({ length: 100 }, (_, count) => count)
				.filter((count) => count % 5 < 3)
				.map((count) => `${mark} ${count}`);
			await wire.event('stream-room-messages', 'GENERAL', ([entry]) => entry.msg === sent.at(-1));
			const texts = wire.events('stream-room-messages', 'GENERAL').map(([entry]) => entry.msg as string);
			assert.deepEqual(
				texts.filter((text) => text.startsWith(mark)),
				sent,
			);
			const { messages } = await ok(server.url, 'GET', 'channels.history?roomId=GENERAL&count=100', { session: ana });
			const stored = (messages as Frame[])
				.map((entry) => entry['msg'] as string)
				.filter((text) => text.startsWith(mark));
			assert.deepEqual(stored.toReversed(), sent);
		});

		test('a message sent again under its id is the stored one, also on a new connection, and stands there once', async (t) => {
			const _id = `again${mode.length}abcdefghijkl`.slice(0, 17);
			const message = { _id, rid: 'GENERAL', msg: 'sent again' };
			const first = await (await openLoggedIn(t, server, ana)).call('sendMessage', message);
			const second = await (await openLoggedIn(t, server, ana)).call('sendMessage', message);
			assert.deepEqual(second, first);
			assert.equal(await server.db.collection('rocketchat_message').countDocuments({ msg: 'sent again' }), 1);
			const answer = await rest(server.url, 'GET', `chat.getMessage?msgId=${_id}`, { session: ana });
			assert.equal(answer.body['message'].msg, 'sent again');
		});
	});
}
