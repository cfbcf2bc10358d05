import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createUser, rest, startServer, type Answer, type Session, type TestServer } from './server.ts';
import { connect } from './socket.ts';

/** Bad input is a clear error in the contract's form, changes nothing and kills nothing. */

/** Every route with the parameters it reads: name and a value of the right shape that names nothing real. */
const routes: [http: 'GET' | 'POST', path: string, params: Record<string, unknown>][] = [
	['POST', 'login', { user: 'nobody', password: 'x', resume: 'token', code: '123456' }],
	['GET', 'settings.public', { _id: 'Site_Name', count: 5, offset: 0, query: '{}' }],
	['POST', 'users.register', { username: 'x y', email: 'no', pass: 'p', name: 'n' }],
	['POST', 'users.create', { username: 'x y', email: 'no', password: 'p', name: 'n', roles: ['none'] }],
	['GET', 'users.info', { userId: 'none', username: 'none' }],
	['GET', 'users.list', { count: 5, offset: 0, query: '{}', sort: '{"username":1}' }],
	['POST', 'users.createToken', { userId: 'none', username: 'none' }],
	['POST', 'channels.create', { name: '', members: ['none'], readOnly: false, customFields: {}, extraData: {} }],
	['GET', 'channels.list', { count: 5, offset: 0, sort: '{"name":1}', query: '{}' }],
	['GET', 'channels.list.joined', { count: 5, offset: 0 }],
	['GET', 'channels.info', { roomId: 'none', roomName: 'none' }],
	['POST', 'channels.join', { roomId: 'none', roomName: 'none', joinCode: 'x' }],
	['POST', 'channels.leave', { roomId: 'none', roomName: 'none' }],
	['POST', 'channels.invite', { roomId: 'none', userId: 'none', username: 'none', userIds: ['none'] }],
	['POST', 'channels.kick', { roomId: 'none', userId: 'none', username: 'none' }],
	['GET', 'channels.history', { roomId: 'none', latest: 'x', oldest: 'x', count: 5, offset: 0, inclusive: 'x' }],
	['GET', 'channels.messages', { roomId: 'none', count: 5, offset: 0, query: '{}', mentionIds: 'x' }],
	['GET', 'channels.members', { roomId: 'none', count: 5, filter: 'x' }],
	['POST', 'channels.delete', { roomId: 'none', roomName: 'none' }],
	['POST', 'groups.create', { name: '', members: ['none'] }],
	['GET', 'groups.list', { count: 5, offset: 0 }],
	['GET', 'groups.info', { roomId: 'none', roomName: 'none' }],
	['GET', 'groups.history', { roomId: 'none', latest: 'x', count: 5 }],
	['GET', 'groups.members', { roomId: 'none', count: 5 }],
	['POST', 'groups.invite', { roomId: 'none', userId: 'none' }],
	['POST', 'im.create', { username: 'none' }],
	['GET', 'im.list', { count: 5, offset: 0 }],
	['GET', 'im.history', { roomId: 'none', latest: 'x', count: 5 }],
	[
		'POST',
		'chat.postMessage',
		{ roomId: 'none', channel: '#none', text: 1, attachments: [], tmid: 'none', alias: 'x' },
	],
	['POST', 'chat.sendMessage', { message: { rid: 'none', msg: 'x', _id: 'none', tmid: 'none', tshow: true } }],
	['POST', 'chat.update', { roomId: 'none', msgId: 'none', text: 'x' }],
	['POST', 'chat.delete', { roomId: 'none', msgId: 'none', asUser: false }],
	['GET', 'chat.getMessage', { msgId: 'none' }],
	['GET', 'chat.syncMessages', { roomId: 'none', lastUpdate: 'x' }],
	['GET', 'rooms.get', { updatedSince: 'x' }],
	['GET', 'rooms.info', { roomId: 'none', roomName: 'none' }],
	['GET', 'subscriptions.get', { updatedSince: 'x' }],
	['GET', 'subscriptions.getOne', { roomId: 'none' }],
	['POST', 'subscriptions.read', { rid: 'none', readThreads: false }],
	['POST', 'subscriptions.unread', { roomId: 'none', firstUnreadMessage: { _id: 'none' } }],
	['GET', 'permissions.listAll', { updatedSince: 'x' }],
];

/** What is put in place of each value in turn. */
const poisons: unknown[] = [
	{ $ne: null },
	{ $gt: '' },
	{ $regex: '.*' },
	{ $where: 'sleep(1000)' },
	[{ $ne: null }],
	['a', ['b']],
	12.5,
	-1,
	true,
	{},
	{ a: { b: { c: {} } } },
	'\u0000',
	'x'.repeat(70_000),
];

const methods: [name: string, params: unknown[]][] = [
	['login', [{ user: { username: 'nobody' }, password: 'x' }]],
	['sendMessage', [{ rid: 'none', msg: 'x' }]],
	['updateMessage', [{ _id: 'none', rid: 'none', msg: 'x' }]],
	['deleteMessage', [{ _id: 'none' }]],
	['setReaction', [':x:', 'none', true]],
	['rooms/get', [{ $date: 5 }]],
	['subscriptions/get', [{ $date: 5 }]],
	['permissions/get', [{ $date: 5 }]],
	['public-settings/get', [{ $date: 5 }]],
	['getRoomIdByNameOrId', ['none']],
	['getRoomNameById', ['none']],
	['createDirectMessage', ['none']],
	['createChannel', ['', [], false]],
	['createPrivateGroup', ['', [], false]],
	['joinRoom', ['none', 'code']],
	['leaveRoom', ['none']],
	['loadHistory', ['none', { $date: 5 }, 20, { $date: 5 }]],
	['loadMissedMessages', ['none', { $date: 5 }]],
	['readMessages', ['none']],
	['setUserStatus', ['online', 'text']],
	['UserPresence:setDefaultStatus', ['online']],
	['stream-notify-room', ['none/typing', 'x', true]],
];

function queryOf(params: Record<string, unknown>): string {
	const pairs = Object.entries(params).flatMap(([key, value]): string[] => {
		if (typeof value !== 'object' || value === null)
			return [`${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`];
		const [name, inner] = Object.entries(value)[0] ?? ['', ''];
		// Both ways an operator may be written into a query string.
		return [
			`${key}[${encodeURIComponent(name)}]=${encodeURIComponent(String(inner))}`,
			`${key}=${encodeURIComponent(JSON.stringify(value))}`,
		];
	});
	return pairs.join('&');
}

describe('bad input', { concurrency: false, timeout: 240_000 }, () => {
	let server: TestServer;
	let ana: Session;
	before(async () => {
		server = await startServer('one process');
		ana = await createUser(server, 'ana');
	});
	after(() => server?.stop());

	/** Everything a bad request could have changed: a hash of each collection of content. */
	async function contents(): Promise<unknown> {
		const collections = [
			'rocketchat_message',
			'rocketchat_room',
			'rocketchat_subscription',
			'rocketchat_settings',
			'rocketchat_roles',
			'rocketchat_permissions',
		];
		const { collections: hashes } = await server.db.command({ dbHash: 1, collections });
		const users = await server.db.collection('users').countDocuments();
		return { hashes, users };
	}

	function assertRefusal(answer: Answer, what: string): void {
		assert.ok(answer.status < 500, `${what}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`);
		assert.equal(answer.headers.get('content-type'), 'application/json', what);
		if (answer.status === 200) return;
		assert.equal(answer.body['success'], false, `${what}: ${JSON.stringify(answer.body).slice(0, 300)}`);
		assert.ok(answer.body['error'] !== undefined || answer.status === 400, what);
		assert.ok(!JSON.stringify(answer.body).includes('    at '), `${what}: no stack trace`);
	}

	for (const [http, path, params] of routes) {
		test(`${http} ${path}: operators and wrong types in every parameter`, async () => {
			const before = await contents();
			for (const [name, value] of Object.entries(params)) {
				for (const poison of poisons) {
					if (http === 'GET' && typeof poison === 'string' && poison.length > 5000) continue;
					for (const session of [ana, server.admin]) {
						const poisoned = { ...params, [name]: poison };
						const answer =
							http === 'GET'
								? await rest(server.url, http, `${path}?${queryOf(poisoned)}`, { session })
								: await rest(server.url, http, path, { session, body: poisoned });
						assertRefusal(answer, `${path} ${name}=${JSON.stringify(poison)?.slice(0, 80)}`);
						const isObject =
							typeof poison === 'object' &&
							poison !== null &&
							!Array.isArray(poison) &&
							Object.keys(poison).some((key) => key.startsWith('$'));
						if (http === 'POST' && isObject && typeof value === 'string')
							assert.notEqual(answer.status, 200, `${path} ${name}`);
					}
				}
			}
			assert.deepEqual(await contents(), before, 'nothing changed');
		});
	}

	test('inside the message of chat.sendMessage', async () => {
		const before = await contents();
		for (const name of ['rid', 'msg', '_id', 'tmid', 'alias', 'avatar', 'emoji', 'ts']) {
			for (const poison of [{ $ne: null }, ['x'], 5, { $literal: 1 }]) {
				const message = { rid: 'GENERAL', msg: 'x', [name]: poison };
				const answer = await rest(server.url, 'POST', 'chat.sendMessage', { session: server.admin, body: { message } });
				assertRefusal(answer, `${name}=${JSON.stringify(poison)}`);
				if (name !== 'ts') assert.equal(answer.status, 400, name);
			}
		}
		assert.deepEqual(await contents(), before, 'nothing changed');
	});

	test('malformed JSON, wrong content types, empty bodies, arrays and deep nesting', async () => {
		const before = await contents();
		for (const [http, path] of routes.filter(([http]) => http === 'POST')) {
			const bodies: [string, string][] = [
				['application/json', '{'],
				['application/json', '[]'],
				['application/json', '"text"'],
				['application/json', 'null'],
				['application/json; charset=latin1', '{"a"'],
				['application/json', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
				['application/json', '{"__proto__":{"admin":true},"constructor":{"prototype":{}}}'],
				['application/x-www-form-urlencoded', 'roomId[$ne]=x&message[rid]=y&%'],
				['application/x-www-form-urlencoded', 'payload={'],
				['text/plain', 'x'],
				['application/xml', '<x/>'],
			];
			for (const [type, text] of bodies) {
				const answer = await rest(server.url, http, path, { session: ana, text, headers: { 'Content-Type': type } });
				assertRefusal(answer, `${path} ${type} ${text.slice(0, 40)}`);
				if (type === 'text/plain' || type === 'application/xml') assert.equal(answer.status, 415, `${path} ${type}`);
				else assert.ok(answer.status >= 400, `${path} ${type} ${text.slice(0, 40)}`);
			}
		}
		assert.deepEqual(await contents(), before, 'nothing changed');
	});

	test('unknown routes 404, wrong methods 405, too large 413, no login 401: JSON each time', async () => {
		const unknown = await rest(server.url, 'GET', 'no.such.route');
		assert.equal(unknown.status, 404);
		assert.deepEqual(unknown.body, {
			success: false,
			status: 'error',
			error: 'Resource not found',
			message: 'API endpoint does not exist',
		});
		assert.equal((await rest(server.url, 'GET', '/no/such/path')).status, 404);
		const wrong = await rest(server.url, 'DELETE', 'channels.create');
		assert.equal(wrong.status, 405);
		assert.equal(wrong.headers.get('allow'), 'POST');
		const large = await rest(server.url, 'POST', 'chat.postMessage', {
			session: ana,
			text: `{"text":"${'x'.repeat(1_100_000)}"}`,
			headers: { 'Content-Type': 'application/json' },
		});
		assert.equal(large.status, 413);
		assert.deepEqual(large.body, { success: false, error: 'Payload Too Large' });
		const publicOnes = new Set(['login', 'settings.public', 'users.register']);
		for (const [http, path] of routes.filter(([, path]) => !publicOnes.has(path))) {
			const answer = await rest(server.url, http, path, {
				session: { userId: ana.userId, authToken: 'wrong', username: '' },
			});
			assert.equal(answer.status, 401, path);
			assert.deepEqual(answer.body, {
				success: false,
				status: 'error',
				error: 'You must be logged in to do this.',
				message: 'You must be logged in to do this.',
			});
		}
	});

	test('credentials: an operator object is never a user, a token or a password', async () => {
		for (const body of [
			{ user: { $ne: null }, password: 'x' },
			{ username: { $gt: '' }, password: 'x' },
			{ user: { username: { $ne: null } }, password: 'x' },
			{ user: 'admin', password: { $ne: null } },
			{ user: 'admin', password: { digest: { $ne: null }, algorithm: 'sha-256' } },
			{ resume: { $ne: null } },
		]) {
			const answer = await rest(server.url, 'POST', 'login', { body });
			assert.ok([400, 401].includes(answer.status), JSON.stringify(body));
			assert.equal(answer.body['data'], undefined);
		}
	});

	test('methods: over the socket and through the tunnel', async (t) => {
		const before = await contents();
		const socket = await connect(server.socketUrl);
		t.after(() => socket.close());
		await socket.login(ana);
		for (const [name, params] of methods) {
			for (let index = 0; index < params.length; index += 1) {
				for (const poison of [
					{ $ne: null },
					[{ $gt: '' }],
					{ $regexp: '.*', $flags: 'i' },
					{ $InfNaN: 0 },
					{ $type: 'oid', $value: '507f1f77bcf86cd799439011' },
					-1,
				]) {
					const poisoned = params.with(index, poison);
					const error = await socket.call(name, ...poisoned).then(
						() => null,
						(reason: any) => reason,
					);
					assert.ok(
						error === null || error.error !== 500,
						`${name} ${JSON.stringify(poisoned)}: ${JSON.stringify(error)}`,
					);
					const message = JSON.stringify({ msg: 'method', id: '1', method: name, params: poisoned });
					const answer = await rest(server.url, 'POST', `method.call/${encodeURIComponent(name)}`, {
						session: ana,
						body: { message },
					});
					assert.ok([200, 400].includes(answer.status), `${name}: ${answer.status}`);
					const inner = answer.status === 200 ? (JSON.parse(answer.body['message']) as any) : {};
					assert.notEqual(inner.error?.error, 500, `${name} ${JSON.stringify(poisoned)}`);
				}
			}
		}
		assert.deepEqual(await contents(), before, 'nothing changed');
	});

	test('frames: what is no DDP is answered by an error and the process lives', async () => {
		const texts = [
			'{',
			'[]',
			'5',
			'null',
			'{"msg":5}',
			'{"msg":"nonsense"}',
			'{"msg":"method"}',
			'{"msg":"method","id":5,"method":"x"}',
			'{"msg":"sub","id":5}',
			'{"msg":"sub","id":"1","name":"stream-notify-all","params":{}}',
			`{"msg":"method","id":"1","method":"x","params":${'['.repeat(3000)}${']'.repeat(3000)}}`,
			`{"msg":"method","id":"1","method":"x","params":[{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":1`).join(',')}}]}`.slice(
				0,
				65_000,
			),
		];
		for (const text of texts) {
			const socket = await connect(server.socketUrl);
			socket.sendText(text);
			const answer = await socket.next((frame) => frame['msg'] === 'error' || frame['error'] !== undefined);
			assert.ok(answer['reason'] ?? answer['error'].error, text.slice(0, 60));
			socket.send({ msg: 'ping', id: 'alive' });
			await socket.next((frame) => frame['msg'] === 'pong' && frame['id'] === 'alive');
			socket.close();
		}
		const tooLarge = await connect(server.socketUrl);
		tooLarge.sendText('x'.repeat(70_000));
		assert.equal((await tooLarge.closed).code, 1009);
		const answer = await rest(server.url, 'GET', '/api/info');
		assert.equal(answer.body['success'], true);
		assert.equal(server.child.exitCode, null);
	});
});
