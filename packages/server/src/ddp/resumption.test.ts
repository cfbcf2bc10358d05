import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anaIn, comeBack, eveToken, isUpdated, lose, messagesOf, say } from '../testing/returning-clients.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';
import { until, type TestSocket } from '../testing/sockets.ts';

const isLoggedIn = isUpdated('again');

/** The client proves that it has everything sent so far. */
async function prove(rig: StreamerRig, socket: TestSocket): Promise<void> {
	const from = socket.frames.length;
	rig.clock.advance(5_001);
	const ping = await socket.next(({ msg, id }) => msg === 'ping' && id !== undefined, from).catch(() => null);
	assert.ok(ping !== null, 'no ping to prove with');
	socket.send({ msg: 'pong', id: ping.id });
	await socket.settled();
}

test('who comes back with his session gets what he missed, once, in order, behind his own record; then events go on', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	say(rig, 'one');
	await socket.event('room-messages', 'r');
	await prove(rig, socket);
	await lose(rig, socket);
	say(rig, 'two');
	say(rig, 'three');
	const back = await comeBack(rig, session);
	assert.equal(back.isResumed, true);
	await back.socket.next(isLoggedIn);
	assert.deepEqual(messagesOf(back.socket), ['two', 'three']);
	const order = back.socket.frames.map(({ msg, collection }) => (msg === 'added' ? collection : msg));
	assert.deepEqual(order.slice(1, 4), ['connected', 'users', 'changed']);
	assert.equal(await back.socket.sub('room', 'stream-room-messages', 'r', false), 'ready');
	say(rig, 'four');
	await back.socket.event('room-messages', 'r', ([message]) => (message as { msg: string }).msg === 'four');
	assert.deepEqual(messagesOf(back.socket), ['two', 'three', 'four']);
	assert.deepEqual([rig.ddp.stats().detached, rig.ddp.stats().sockets], [0, 1]);
});

test('what was sent and not proven is sent again; also while the old socket still seems to be there', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	say(rig, 'one');
	await socket.event('room-messages', 'r');
	const back = await comeBack(rig, session);
	await back.socket.next(isLoggedIn);
	assert.deepEqual([back.isResumed, messagesOf(back.socket)], [true, ['one']]);
	assert.equal((await socket.closed).code, 1012);
});

test('typing and notifications of the time between are not told again', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await socket.sub('typing', 'stream-notify-room', 'r/user-activity', false);
	await socket.sub('deleted', 'stream-notify-room', 'r/deleteMessage', false);
	await lose(rig, socket);
	const tell = (event: string, args: unknown[]) =>
		rig.bus.publish({ key: 'room:r', parts: [{ kind: 'direct', stream: 'notify-room', event, args }] });
	tell('r/user-activity', ['bob', ['user-typing'], {}]);
	tell('r/deleteMessage', [{ _id: 'm' }]);
	const back = await comeBack(rig, session);
	await back.socket.next(isLoggedIn);
	assert.equal(back.socket.events('notify-room', 'r/user-activity').length, 0);
	assert.deepEqual(back.socket.events('notify-room', 'r/deleteMessage'), [[{ _id: 'm' }]]);
});

test('another user, or a login that fails, gets nothing: the socket is closed 1012 and the session is gone', async (t) => {
	for (const resume of [eveToken, 'unknown']) {
		const rig = await streamerRig(t);
		const { socket, session } = await anaIn(rig);
		await lose(rig, socket);
		say(rig, 'secret');
		const other = await comeBack(rig, session, resume);
		assert.equal(other.isResumed, true);
		assert.equal((await other.socket.closed).code, 1012);
		assert.equal(other.socket.texts.join().includes('secret'), false);
		assert.equal((await comeBack(rig, session)).isResumed, false);
	}
});

test('a session is gone after a minute, after its token was revoked, and when nobody logs in for ten seconds', async (t) => {
	const rig = await streamerRig(t);
	const gone = () => until(() => rig.ddp.stats().detached === 0);
	const lost = async () => {
		const { socket, session } = await anaIn(rig);
		await lose(rig, socket);
		return session;
	};
	const late = await lost();
	rig.clock.advance(60_500);
	await gone();
	assert.equal((await comeBack(rig, late)).isResumed, false);
	const revoked = await lost();
	rig.bus.publish({
		key: 'user:ana',
		parts: [
			{
				kind: 'record',
				record: 'logout',
				action: 'removed',
				body: { uid: 'ana', hashedTokens: null, reason: 'test' },
			},
		],
	});
	await gone();
	assert.equal((await comeBack(rig, revoked)).isResumed, false);
	const silent = await lost();
	const socket = await rig.connect();
	socket.send({ msg: 'connect', version: '1', support: ['1'], session: silent });
	await socket.next(({ msg }) => msg === 'connected');
	rig.clock.advance(10_500);
	assert.equal((await socket.closed).code, 1012);
	assert.equal((await comeBack(rig, silent)).isResumed, false);
});

test('a room lost in between is not told: the subscription ends with nosub', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	say(rig, 'before');
	rig.rights.rooms.set('r', new Set());
	rig.bus.publish({
		key: 'user:ana',
		parts: [
			{
				kind: 'record',
				record: 'subscription',
				action: 'removed',
				body: {
					subscription: { _id: 's', rid: 'r', t: 'p', u: { _id: 'ana', username: 'ana' } } as never,
					fields: null,
				},
			},
		],
	});
	say(rig, 'after');
	const back = await comeBack(rig, session);
	await back.socket.next(isLoggedIn);
	assert.deepEqual(messagesOf(back.socket), []);
	assert.ok(back.socket.frames.some(({ msg, id }) => msg === 'nosub' && id === 'room'));
});

test('a method whose answer was lost is answered without running again, and one under way is answered when it ends', async (t) => {
	const rig = await streamerRig(t);
	let end: (value: string) => void = () => undefined;
	rig.core.answer = ({ method }) =>
		method === 'slow'
			? new Promise((resolve) => {
					end = resolve;
				})
			: Promise.resolve(`answer ${rig.calls.length}`);
	const { socket, session } = await anaIn(rig);
	const quick = { msg: 'method', method: 'quick', params: [1], id: '7' };
	const slow = { msg: 'method', method: 'slow', params: [], id: '8' };
	socket.send(quick);
	socket.send(slow);
	await socket.next(({ msg, id }) => msg === 'result' && id === '7');
	await until(() => rig.calls.length === 2);
	await lose(rig, socket);
	const back = await comeBack(rig, session);
	back.socket.send(quick);
	back.socket.send(slow);
	const first = await back.socket.next(({ msg, id }) => msg === 'result' && id === '7');
	assert.equal(first['result'], 'answer 1');
	end('done');
	const second = await back.socket.next(({ msg, id }) => msg === 'result' && id === '8');
	assert.equal(second['result'], 'done');
	await back.socket.settled();
	for (const id of ['7', '8']) {
		const updates = back.socket.frames.filter((frame) => (frame['methods'] as string[] | undefined)?.[0] === id);
		assert.equal(updates.length, 1);
	}
	assert.equal(rig.calls.length, 2);
});

test('sessions change the streamer: nothing is lost in between, and the old one keeps nothing', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	say(one, 'one');
	await socket.event('room-messages', 'r');
	await prove(one, socket);
	await lose(one, socket);
	say(one, 'two');
	const back = await comeBack(two, session);
	assert.equal(back.isResumed, true);
	await back.socket.next(isLoggedIn);
	say(one, 'three');
	await back.socket.event('room-messages', 'r', ([message]) => (message as { msg: string }).msg === 'three');
	assert.deepEqual(messagesOf(back.socket), ['two', 'three']);
	assert.equal(await back.socket.sub('room', 'stream-room-messages', 'r', false), 'ready');
	assert.deepEqual([one.ddp.stats().detached, two.ddp.stats().subscriptions], [0, 1]);
});

test('a session moves on and back: each streamer knows where it is, whoever made its id', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	const three = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	let before = socket;
	for (const [index, rig] of [two, three, one, one, two].entries()) {
		before.terminate();
		await until(() => one.ddp.stats().detached + two.ddp.stats().detached + three.ddp.stats().detached === 1);
		say(one, `missed ${index}`);
		const back = await comeBack(rig, session);
		await back.socket.next(isLoggedIn);
		assert.equal(back.isResumed, true, `return ${index}`);
		assert.equal(messagesOf(back.socket).at(-1), `missed ${index}`);
		await prove(rig, back.socket);
		before = back.socket;
	}
});

test('streamers are replaced one after the other: a session goes on through all of them', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	const moveTo = async (from: StreamerRig, to: StreamerRig, before: TestSocket) => {
		const stopped = from.ddp.stop();
		await before.closed;
		const back = await comeBack(to, session);
		await back.socket.next(isLoggedIn);
		await stopped;
		assert.equal(back.isResumed, true);
		return back.socket;
	};
	const onTwo = await moveTo(one, two, socket);
	const three = await streamerRig(t, { beside: one });
	await onTwo.settled();
	const onThree = await moveTo(two, three, onTwo);
	say(one, 'at last');
	await onThree.event('room-messages', 'r', ([message]) => (message as { msg: string }).msg === 'at last');
});

test('what one streamer handed over and was not proven is handed on, in order, unless the room was lost', async (t) => {
	const rigs = [await streamerRig(t)];
	const [one] = rigs;
	assert.ok(one !== undefined);
	for (let count = 1; count < 4; count++) rigs.push(await streamerRig(t, { beside: one }));
	const { socket, session } = await anaIn(one);
	let before = socket;
	const said: string[] = [];
	for (const [index, rig] of rigs.entries()) {
		before.terminate();
		await until(() => rigs.reduce((sum, { ddp }) => sum + ddp.stats().detached, 0) === 1);
		said.push(`missed ${index}`);
		say(one, `missed ${index}`);
		const back = await comeBack(rig, session);
		await back.socket.next(isLoggedIn);
		assert.deepEqual([back.isResumed, messagesOf(back.socket)], [true, said]);
		before = back.socket;
	}
	await before.unsub('room');
	before.terminate();
	await until(() => rigs.reduce((sum, { ddp }) => sum + ddp.stats().detached, 0) === 1);
	const last = await comeBack(one, session);
	await last.socket.next(isLoggedIn);
	assert.deepEqual([last.isResumed, messagesOf(last.socket)], [true, []]);
});

test('a client that vanishes between its claim and its login may come again, also elsewhere', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	await lose(one, socket);
	for (const rig of [two, one]) {
		const first = await rig.connect();
		first.send({ msg: 'connect', version: '1', support: ['1'], session });
		await first.next(({ msg }) => msg === 'connected');
		first.terminate();
		await until(() => rig.ddp.stats().sockets === 0);
	}
	say(one, 'kept');
	const back = await comeBack(two, session);
	await back.socket.next(isLoggedIn);
	assert.deepEqual([back.isResumed, messagesOf(back.socket)], [true, ['kept']]);
});

test('a streamer that stops hands its sessions over; one that is alone ends them at once', async (t) => {
	const one = await streamerRig(t, { limits: { lingerMs: 5_000 } });
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	const stopped = one.ddp.stop();
	assert.equal((await socket.closed).code, 1012);
	say(one, 'meanwhile');
	const back = await comeBack(two, session);
	await back.socket.next(isLoggedIn);
	assert.deepEqual([back.isResumed, messagesOf(back.socket)], [true, ['meanwhile']]);
	await stopped;
	const last = two.ddp.stop();
	assert.equal((await back.socket.closed).code, 1012);
	await last;
	assert.equal(two.ddp.stats().detached, 0);
});

test('a session is resumed by its exact id only, and never one that ended by a fault or without a ping', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	for (const guess of [session.slice(0, -1), `${session}x`, '', '__proto__', 'a'.repeat(10_000), '\u0000.*>']) {
		assert.equal((await comeBack(rig, guess)).isResumed, false);
	}
	const old = await rig.connect();
	old.send({ msg: 'connect', version: 'pre1', support: ['pre1'] });
	await old.next(({ msg }) => msg === 'connected');
	await old.sub('s', 'stream-notify-all', 'public-settings-changed');
	old.terminate();
	const wrong = await rig.connect();
	await wrong.negotiate();
	await wrong.sub('s', 'stream-notify-all', 'public-settings-changed');
	wrong.sendBinary(Buffer.from([1]));
	await wrong.closed;
	const probe = await rig.connect();
	await probe.negotiate();
	assert.equal(rig.ddp.stats().detached, 1);
});
