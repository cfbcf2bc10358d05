import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { isAnswerTo, openLoggedIn, openWire, type Frame, type Wire } from './wire.ts';

/**
 * The ways in which clients come back after a lost connection, frame by frame, and how the server ends connections itself.
 *
 * @see realtime contract 1.8, 2.4, 2.5, 8 (A4, A17)
 */

const stream = 'stream-room-messages';
const connect = (version = '1', support = ['1', 'pre2', 'pre1']) => ({ msg: 'connect', version, support });
const login = (id: string, { authToken }: Session) => ({
	msg: 'method',
	id,
	method: 'login',
	params: [{ resume: authToken }],
});
const sub = (id: string, rid: string, options: unknown = false) => ({
	msg: 'sub',
	id,
	name: stream,
	params: [rid, options],
});
const sendMessage = (id: string, rid: string, _id: string) => ({
	msg: 'method',
	id,
	method: 'sendMessage',
	params: [{ _id, rid, msg: `sent as ${_id}` }],
});

/** One way to come back: what is said on a new connection. Resolves when the client takes itself for back. */
type Style = (wire: Wire, user: Session, rid: string, attempt: number) => Promise<void>;

const settledSub = async (wire: Wire, id: string) => {
	assert.equal((await wire.next((frame) => isAnswerTo(frame, id)))['msg'], 'ready');
};
const isUpdated = (id: string) => (frame: Frame) => frame['msg'] === 'updated' && frame['methods'][0] === id;

const styles: Record<string, Style> = {
	'the mobile app: connect, login, then all subs under their ids, twice': async (wire, user, rid) => {
		wire.send(connect());
		await wire.next(({ msg }) => msg === 'connected');
		for (const id of ['ddp-2', 'ddp-5']) {
			const from = wire.frames.length;
			wire.send(login(id, user));
			await wire.next(isUpdated(id), from);
			wire.send(sub('ddp-3', rid, { useCollection: false, args: [false] }), sub('ddp-4', rid));
			for (const own of ['ddp-3', 'ddp-4']) await wire.next((frame) => isAnswerTo(frame, own), from);
		}
	},
	'ddp-client: login and subs without waiting': async (wire, user, rid) => {
		wire.send(connect(), login('rc-ddp-client-1', user), sub('rc-ddp-client-2', rid, { args: [null] }));
		await settledSub(wire, 'rc-ddp-client-2');
	},
	'asteroid: pre2, the publication first, then login, subs under new ids with a collection': async (
		wire,
		user,
		rid,
		attempt,
	) => {
		wire.send(connect('pre2', ['pre2']), {
			msg: 'sub',
			id: `${attempt}0`,
			name: 'meteor.loginServiceConfiguration',
			params: [],
		});
		await settledSub(wire, `${attempt}0`);
		wire.send(login(`${attempt}1`, user));
		await wire.next(isUpdated(`${attempt}1`));
		wire.send(sub(`${attempt}2`, rid, true));
		await settledSub(wire, `${attempt}2`);
		const added = wire.frames.find(({ msg, collection }) => msg === 'added' && collection === stream);
		assert.deepEqual(added?.['fields'], { eventName: rid });
	},
	'Go: connect, and what was called before is called again, then subs': async (wire, user, rid) => {
		wire.send(
			connect('1', ['1']),
			login('1', user),
			sendMessage('2', rid, `go${rid.slice(0, 14)}`),
			sub('3', rid, true),
		);
		await wire.next(isUpdated('2'));
		await settledSub(wire, '3');
	},
	'the documented client: all in order, each answer awaited': async (wire, user, rid) => {
		await wire.negotiate();
		await wire.login(user);
		assert.equal((await wire.sub('room', stream, rid, false))['msg'], 'ready');
	},
};

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`ways to come back, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let ana: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana', { roles: ['user', 'bot'] });
		});
		after(() => server?.stop());

		const post = async (rid: string, text: string): Promise<string> =>
			(await ok(server.url, 'POST', 'chat.postMessage', { session: server.admin, body: { roomId: rid, text } }))[
				'message'
			]._id;

		for (const [name, comeBack] of Object.entries(styles)) {
			test(`${name}: nothing lost, nothing twice`, async (t: TestContext) => {
				const body = { name: `way-${Object.keys(styles).indexOf(name)}`, members: ['ana'] };
				const rid: string = (await ok(server.url, 'POST', 'groups.create', { session: server.admin, body }))['group']
					._id;
				const sent: string[] = [];
				const known = new Set<string>();
				for (let attempt = 0; attempt < 3; attempt += 1) {
					const wire = await openWire(t, server.socketUrl);
					await comeBack(wire, ana, rid, attempt);
					const history = await wire.call('loadHistory', rid, null, 50, { $date: 0 });
					for (const { _id } of history.messages) known.add(_id);
					for (const text of ['one', 'two']) sent.push(await post(rid, `${attempt} ${text}`));
					const last = sent.at(-1);
					await wire.event(stream, rid, ([message]) => message._id === last);
					const live = wire.events(stream, rid).map(([message]) => message._id as string);
					assert.equal(new Set(live).size, live.length, 'nothing twice on one connection');
					// What was posted just before may be told just after `ready`: its event was on the way.
					const told = live.filter((_id) => sent.includes(_id));
					assert.ok(told.length === 2 || told.length === 3, 'live from `ready` on');
					assert.deepEqual(told, sent.slice(-told.length), 'live from `ready` on, in order');
					for (const _id of live) known.add(_id);
					wire.terminate();
					sent.push(await post(rid, `${attempt} away`));
				}
				const { messages } = await ok(server.url, 'GET', `groups.history?roomId=${rid}&count=50`, { session: ana });
				const stored = messages
					.filter(({ t: type }: Frame) => type === undefined)
					.map(({ _id }: Frame) => _id as string);
				assert.equal(new Set(stored).size, stored.length);
				assert.equal(
					stored.length,
					sent.length + (name.startsWith('Go') ? 1 : 0),
					'what was sent again stands there once',
				);
				for (const _id of sent.slice(0, -1)) assert.ok(known.has(_id), 'heard or read');
			});
		}

		test('a revoked token ends its sockets with 4403; coming back with it is refused, the socket stays', async (t) => {
			const wire = await openLoggedIn(t, server, await createUser(server, 'gone'));
			await ok(server.url, 'POST', 'logout', {
				session: { ...(await loginOf(wire)), username: 'gone' },
			});
			assert.deepEqual(await wire.closed, { code: 4403, reason: 'LOGGED_OUT' });
			const again = await openWire(t, server.socketUrl);
			await again.negotiate();
			const { authToken } = await loginOf(wire);
			const { error } = await again.ask('login', { resume: authToken });
			assert.equal(error.error, 403);
			assert.match(error.reason, /you've been logged out by the server/i);
			await again.settled();
		});

		test('a stop closes every socket with 1012, raw and SockJS, logged in or not; none with 1000 or 4000', async (t) => {
			const own = await startServer(mode);
			t.after(() => own.stop());
			const user = await createUser(own, 'ana');
			const raw = await openLoggedIn(t, own, user);
			await raw.sub('s', stream, 'GENERAL', false);
			const anonymous = await openWire(t, own.socketUrl);
			await anonymous.negotiate();
			const sockjs = await openWire(t, `${own.url.replace('http', 'ws')}/sockjs/001/abcdefgh/websocket`);
			await sockjs.negotiate();
			await sockjs.login(user);
			const stopped = own.stop();
			for (const wire of [raw, anonymous, sockjs])
				assert.deepEqual(await wire.closed, { code: 1012, reason: 'SERVICE_RESTART' });
			assert.equal(sockjs.messages.at(-1), 'c[1012,"SERVICE_RESTART"]');
			assert.equal(await stopped, 0);
		});
	});
}

/** Who a socket has logged in as, by the answer to its login. */
async function loginOf(wire: Wire): Promise<{ userId: string; authToken: string }> {
	const { result } = await wire.next(({ msg, result: value }) => msg === 'result' && value?.token !== undefined);
	return { userId: result.id, authToken: result.token };
}
