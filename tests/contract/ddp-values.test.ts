import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createUser, ok, rest, startServer, type Session, type TestServer } from './server.ts';
import { openConnected, openLoggedIn, type Frame } from './wire.ts';

/** Values as they cross the socket (EJSON), and methods through REST. @see realtime contract 2.7, 2.8, 2.9, 3.2 */

const matchFailed = {
	isClientSafe: true,
	error: 400,
	reason: 'Match failed',
	message: 'Match failed [400]',
	errorType: 'Meteor.Error',
};

/** Every place in a value that holds a date as a text, and every date, as `path`. */
function datesIn(value: unknown, path = ''): { texts: string[]; dates: string[] } {
	const found = { texts: [] as string[], dates: [] as string[] };
	if (typeof value === 'string') {
		if (/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value)) found.texts.push(path);
	} else if (typeof value === 'object' && value !== null) {
		const form = value as { $date?: unknown };
		if ('$date' in form) {
			assert.equal(typeof form.$date, 'number', path);
			found.dates.push(path);
			return found;
		}
		for (const [key, member] of Object.entries(value)) {
			const inner = datesIn(member, path === '' ? key : `${path}.${key}`);
			found.texts.push(...inner.texts);
			found.dates.push(...inner.dates);
		}
	}
	return found;
}

describe('values and the tunnel', { concurrency: false, timeout: 120_000 }, () => {
	let server: TestServer;
	let ana: Session;
	before(async () => {
		server = await startServer('one process');
		// Bots may send as quickly as they can.
		ana = await createUser(server, 'ana', { roles: ['user', 'bot'] });
		await ok(server.url, 'POST', 'chat.postMessage', { session: ana, body: { roomId: 'GENERAL', text: 'a message' } });
	});
	after(() => server?.stop());

	const tunnel = (path: string, message: unknown, session?: Session) =>
		rest(server.url, 'POST', path, { session, body: { message: JSON.stringify(message) } });
	const inner = (body: Record<string, any>) => JSON.parse(body['message'] as string) as Frame;

	test('a date parameter counts in milliseconds, also as digits in a text; a broken one is 400, no date is none', async (t) => {
		const wire = await openLoggedIn(t, server, ana);
		const all = await wire.call('rooms/get', { $date: 0 });
		assert.ok(all.update.length > 0);
		assert.deepEqual((await wire.call('rooms/get', { $date: '0' })).update, all.update);
		assert.deepEqual(await wire.call('rooms/get', { $date: Date.now() + 60_000 }), { update: [], remove: [] });
		for (const date of [{ $date: 'yesterday' }, { $date: null }, { $date: {} }, { $date: 1e20 }])
			assert.deepEqual((await wire.ask('rooms/get', date))['error'], matchFailed, JSON.stringify(date));
		for (const none of [null, 5, '', new Date().toISOString(), { $gt: 5 }])
			assert.ok(Array.isArray(await wire.call('rooms/get', none)), JSON.stringify(none));
	});

	test('other special values are understood and fit nowhere: 400, never an operator, never a 500', async (t) => {
		const wire = await openLoggedIn(t, server, ana);
		for (const value of [
			{ $InfNaN: 0 },
			{ $InfNaN: 1 },
			{ $InfNaN: -1 },
			{ $InfNaN: 'x' },
			{ $regexp: '.*', $flags: 'i' },
			{ $regexp: '.*', $flags: 5 },
			{ $type: 'oid', $value: '507f1f77bcf86cd799439011' },
			{ $type: 'Decimal', $value: '1.5' },
			{ $type: 'stranger', $value: 1 },
			{ $binary: 'AAEC' },
			{ $binary: '***' },
			{ $escape: { $date: 5 } },
			{ $escape: 'x' },
			[{ $date: 5 }],
		]) {
			const text = JSON.stringify(value);
			assert.deepEqual((await wire.ask('getRoomIdByNameOrId', value))['error'], matchFailed, text);
			assert.deepEqual((await wire.ask('sendMessage', { rid: 'GENERAL', msg: value }))['error'], matchFailed, text);
			const sub = await wire.sub('special', 'stream-room-messages', value);
			assert.deepEqual([sub['msg'], sub['error']], ['nosub', matchFailed], text);
		}
	});

	test('too many levels and too many keys are 400 for methods and subs, and the session goes on', async (t) => {
		const wire = await openLoggedIn(t, server, ana);
		const deep = JSON.parse(`${'['.repeat(40)}1${']'.repeat(40)}`) as unknown;
		const wide = Object.fromEntries(Array.from({ length: 10_100 }, (_, index) => [`k${index}`, 1]));
		for (const value of [deep, wide]) {
			assert.deepEqual((await wire.ask('getRoomIdByNameOrId', value))['error'], matchFailed);
			assert.deepEqual((await wire.sub('large', 'stream-notify-all', 'x', value))['error'], matchFailed);
		}
	});

	test('texts that look like special values stay texts, and `null` parameters count as absent', async (t) => {
		const wire = await openLoggedIn(t, server, ana);
		const msg = '{"$date":5} {"$type":"x","$value":1} __proto__ $where';
		const sent = await wire.call('sendMessage', { rid: 'GENERAL', msg });
		assert.equal(sent.msg, msg);
		assert.deepEqual(
			(await wire.call('rooms/get', null)).map((room: Frame) => room['_id']),
			['GENERAL'],
		);
		assert.equal((await wire.call('public-settings/get', null, null)).length > 50, true);
	});

	test('keys that reach a prototype go no further', async (t) => {
		const wire = await openLoggedIn(t, server, ana);
		wire.send(
			`{"msg":"method","id":"p","method":"sendMessage","params":[{"rid":"GENERAL","msg":"polluted","__proto__":{"alias":"x"},"constructor":{"prototype":{"y":1}}}]}`,
		);
		const { result } = await wire.next((frame) => frame['msg'] === 'result' && frame['id'] === 'p');
		assert.equal(result.alias, undefined);
		const stored = await server.db.collection('rocketchat_message').findOne({ msg: 'polluted' });
		assert.deepEqual([stored?.['alias'], Object.hasOwn(stored ?? {}, 'constructor')], [undefined, false]);
	});

	test('dates are `$date` in every record a socket carries, never texts', async (t) => {
		const wire = await openLoggedIn(t, server, ana);
		await wire.sub('1', 'stream-room-messages', 'GENERAL', false);
		for (const event of ['rooms-changed', 'subscriptions-changed'])
			await wire.sub(event, 'stream-notify-user', `${ana.userId}/${event}`, false);
		const { message } = await ok(server.url, 'POST', 'chat.postMessage', {
			session: server.admin,
			body: { roomId: 'GENERAL', text: 'for @ana' },
		});
		const [event] = await wire.event('stream-room-messages', 'GENERAL', ([entry]) => entry._id === message._id);
		const [, room] = await wire.event('stream-notify-user', `${ana.userId}/rooms-changed`);
		const [, subscription] = await wire.event('stream-notify-user', `${ana.userId}/subscriptions-changed`);
		const [history, rooms, subscriptions, settings] = [
			await wire.call('loadHistory', 'GENERAL', null, 20, { $date: 0 }),
			await wire.call('rooms/get'),
			await wire.call('subscriptions/get'),
			await wire.call('public-settings/get', { $date: 0 }),
		];
		for (const [record, wanted] of [
			[event, ['ts', '_updatedAt']],
			[room, ['_updatedAt', 'lm', 'lastMessage.ts', 'lastMessage._updatedAt']],
			[subscription, ['_updatedAt', 'ts']],
			[history, ['messages.0.ts', 'messages.0._updatedAt']],
			[rooms, ['0._updatedAt']],
			[subscriptions, ['0._updatedAt']],
			[settings, []],
		] as const) {
			const { texts, dates } = datesIn(record);
			assert.deepEqual(texts, []);
			for (const path of wanted) assert.ok(dates.includes(path), `${path} of ${dates.join(' ')}`);
		}
	});

	test('tunnel: the method in the body runs, however the path names it; `id` comes back as it came', async () => {
		for (const path of ['rooms:get', 'rooms%3Aget', 'rooms%2Fget', 'anything']) {
			for (const id of ['7', 7, null]) {
				const frame = { msg: 'method', id, method: 'rooms/get', params: [{ $date: 0 }], randomSeed: 'x', more: 1 };
				const { status, body } = await tunnel(`method.call/${path}`, frame, ana);
				assert.deepEqual([status, body['success']], [200, true], path);
				const answer = inner(body);
				assert.deepEqual([answer['msg'], answer['id'], 'error' in answer], ['result', id, false]);
				assert.equal(answer['result'].update[0]._id, 'GENERAL');
				assert.deepEqual(datesIn(answer).texts, []);
			}
		}
		const settings = { msg: 'method', id: '1', method: 'public-settings/get' };
		const { body } = await tunnel('method.callAnon/public-settings%2Fget', settings);
		assert.ok(inner(body)['result'].length > 50);
	});

	test('tunnel: an error of the method is HTTP 200, a wrong argument tells the sanitized error as well', async () => {
		const call = (method: string, ...params: unknown[]) =>
			tunnel(`method.call/${method}`, { msg: 'method', id: '1', method, params }, ana);
		for (const [answer, code] of [
			[await call('joinRoom', 'nowhere'), 'error-'],
			[await call('no such method'), '404'],
		] as const) {
			assert.deepEqual([answer.status, answer.body['success']], [200, true]);
			const { error } = inner(answer.body);
			assert.ok(String(error.error).startsWith(code), JSON.stringify(error));
			assert.equal(error.errorType, 'Meteor.Error');
			assert.equal(error.sanitizedError, undefined);
		}
		const wrong = await call('joinRoom', { $ne: null });
		assert.equal(wrong.status, 200);
		assert.deepEqual(inner(wrong.body)['error'], { ...matchFailed, sanitizedError: matchFailed });
	});

	test('tunnel: what is no call is 400, who is not logged in 401', async () => {
		for (const message of ['{', '[]', '"x"', '{"msg":"sub","id":"1","name":"x"}', '{"msg":"method","id":"1"}', '']) {
			const { status, body } = await rest(server.url, 'POST', 'method.call/x', { session: ana, body: { message } });
			assert.deepEqual([status, body['success'], body['error']], [400, false, 'Invalid method call'], message);
		}
		const frame = { msg: 'method', id: '1', method: 'rooms/get', params: [] };
		for (const session of [undefined, { ...ana, authToken: 'wrong' }]) {
			const { status, body } = await tunnel('method.call/rooms:get', frame, session);
			assert.equal(status, 401);
			assert.equal(body['message'], 'You must be logged in to do this.');
			assert.deepEqual([body['status'], body['success']], ['error', false]);
		}
	});

	test('tunnel: a login gives a token and logs in no socket', async (t) => {
		const wire = await openConnected(t, server);
		const params = [{ user: { username: 'ana' }, password: 'secret of ana' }];
		const answer = await tunnel('method.callAnon/login', { msg: 'method', id: '1', method: 'login', params });
		const { result } = inner(answer.body);
		assert.equal(result.id, ana.userId);
		assert.equal(typeof result.tokenExpires.$date, 'number');
		assert.equal((await wire.ask('joinRoom', 'GENERAL'))['error'].error, 'error-invalid-user');
		await wire.login({ authToken: result.token });
		assert.equal((await wire.call('rooms/get')).length, 1);
	});
});
