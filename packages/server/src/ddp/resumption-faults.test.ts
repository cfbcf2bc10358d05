import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventPart } from '@rookery/protocol/events.ts';
import { allowingAuthorization } from '../testing/authorization.ts';
import type { AccountsApi } from '../services/contracts.ts';
import {
	anaIn,
	anaToken,
	comeBack,
	eveToken,
	isUpdated,
	lose,
	messagesOf,
	nextPosition,
	say,
} from '../testing/returning-clients.ts';
import { actorOf, streamerRig, type StreamerRig } from '../testing/streamer.ts';
import { until, type Frame, type TestSocket } from '../testing/sockets.ts';

const isResult = (id: string) => (frame: Frame) => frame.msg === 'result' && frame.id === id;
const isReady = (id: string) => (frame: Frame) => frame.msg === 'ready' && (frame['subs'] as string[])[0] === id;

/** Core answers methods when a test says so. */
function heldCore(rig: StreamerRig) {
	const ends: ((value: unknown) => void)[] = [];
	rig.core.answer = () =>
		new Promise((resolve) => {
			ends.push(resolve);
		});
	return ends;
}

const write = (id: string, msg: string) => ({
	msg: 'method',
	id,
	method: 'sendMessage',
	params: [{ _id: `m${id}`, rid: 'r', msg }],
});

for (const isAskedAgain of [true, false]) {
	test(`a write that waited for an earlier one of its room is done although the socket went, asked for again: ${isAskedAgain}`, async (t) => {
		const rig = await streamerRig(t);
		const { socket, session } = await anaIn(rig);
		const ends = heldCore(rig);
		socket.send(write('1', 'first'));
		socket.send(write('2', 'second'));
		await until(() => rig.calls.length === 1);
		await socket.settled();
		await lose(rig, socket);
		const back = await comeBack(rig, session);
		await back.socket.next(isUpdated('again'));
		if (isAskedAgain) for (const frame of [write('1', 'first'), write('2', 'second')]) back.socket.send(frame);
		await back.socket.settled();
		ends[0]?.('one');
		await until(() => rig.calls.length === 2);
		ends[1]?.('two');
		if (isAskedAgain) {
			assert.equal((await back.socket.next(isResult('1')))['result'], 'one');
			assert.equal((await back.socket.next(isResult('2')))['result'], 'two');
			await back.socket.next(isUpdated('2'));
		}
		await back.socket.settled();
		assert.equal(rig.calls.length, 2);
		assert.equal(back.socket.frames.filter(isUpdated('2')).length, isAskedAgain ? 1 : 0);
	});
}

for (const next of [eveToken, null]) {
	test(`who logs out leaves no answers and no private settings behind, for ${next ?? 'nobody'}`, async (t) => {
		const rig = await streamerRig(t);
		rig.core.answer = async () => `answer ${rig.calls.length}`;
		rig.rights.permissions.set('view-privileged-setting', new Set(['ana', 'eve']));
		const { socket, session } = await anaIn(rig);
		const settings = 'private-settings-changed';
		await socket.sub('settings', 'stream-notify-logged', settings, false);
		await socket.sub('public', 'stream-notify-all', 'public-settings-changed', false);
		const args = ['updated', { _id: 'S', value: 'secret' }];
		rig.bus.publish(
			{ key: 'all:settings', parts: [{ kind: 'direct', stream: 'notify-logged', event: settings, args }] },
			nextPosition(),
		);
		const asked = { msg: 'method', id: '7', method: 'mine', params: [] };
		socket.send(asked);
		await socket.next(isUpdated('7'));
		await socket.event('notify-logged', settings);
		await socket.call('logout');
		if (next !== null) await socket.call('login', { resume: next });
		await lose(rig, socket);
		const back = await comeBack(rig, session, next);
		assert.equal(back.isResumed, true);
		if (next !== null) await back.socket.next(isUpdated('again'));
		back.socket.send(asked);
		const answer = await back.socket.next(isResult('7'));
		assert.equal(answer['result'], 'answer 2');
		assert.equal(back.socket.texts.join().includes('secret'), false);
	});
}

test('messages told to one user are not told again to the next one of the same socket', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	rig.rights.rooms.set('r', new Set(['ana', 'eve']));
	say(rig, 'for ana');
	await socket.event('room-messages', 'r');
	await socket.call('login', { resume: eveToken });
	say(rig, 'for eve');
	await lose(rig, socket);
	const back = await comeBack(rig, session, eveToken);
	await back.socket.next(isUpdated('again'));
	assert.deepEqual(messagesOf(back.socket), ['for eve']);
});

test('a change of roles loses no event of the user', async (t) => {
	const rig = await streamerRig(t);
	const { socket } = await anaIn(rig);
	await socket.sub('mine', 'stream-notify-user', 'ana/message', false);
	rig.bus.publish(
		{
			key: 'user:ana',
			parts: [
				{
					kind: 'record',
					record: 'user',
					action: 'updated',
					body: {
						user: { ...actorOf('ana', anaToken), _id: 'ana', roles: ['user', 'admin'] },
						diff: {},
						unset: {},
					} as never,
				},
				{ kind: 'direct', stream: 'notify-user', event: 'ana/message', args: [{ msg: 'hello' }] },
			],
		},
		nextPosition(),
	);
	assert.deepEqual(await socket.event('notify-user', 'ana/message'), [{ msg: 'hello' }]);
});

test('a role that was lost while its user came back is obeyed: he logged in knowing of it, his subscriptions did not', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	rig.tokens.set(anaToken, { ...actorOf('ana', anaToken), roles: ['user', 'muted'] });
	const back = await comeBack(rig, session);
	await back.socket.next(isUpdated('again'));
	rig.rights.rooms.set('r', new Set());
	const user = { ...actorOf('ana', anaToken), _id: 'ana', roles: ['user', 'muted'] };
	const part = {
		kind: 'record',
		record: 'user',
		action: 'updated',
		body: { user, diff: { roles: user.roles }, unset: {} },
	};
	rig.bus.publish({ key: 'user:ana', parts: [part as never] }, nextPosition());
	await back.socket.next(({ msg, id }) => msg === 'nosub' && id === 'room');
});

test('the end of a subscription is not told again to who has begun it anew since', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	const isEnd = ({ msg, id }: Frame) => msg === 'nosub' && id === 'room';
	rig.rights.rooms.set('r', new Set());
	const part: EventPart = { kind: 'record', record: 'roomAccess', action: 'updated', body: { rid: 'r' } };
	rig.bus.publish({ key: 'all:permissions', parts: [part] }, nextPosition());
	await socket.next(isEnd);
	rig.rights.rooms.set('r', new Set(['ana']));
	assert.equal(await socket.sub('room', 'stream-room-messages', 'r', false), 'ready');
	say(rig, 'again');
	await lose(rig, socket);
	const back = await comeBack(rig, session);
	await back.socket.next(isUpdated('again'));
	assert.deepEqual([messagesOf(back.socket), back.socket.frames.some(isEnd)], [['again'], false]);
});

test('who missed more than is sent again starts anew, and nothing of his two sockets is left', async (t) => {
	const rig = await streamerRig(t, { limits: { maxReplayBytes: 10 } });
	const keys = rig.ddp.stats().keys;
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	say(rig, 'much');
	const back = await comeBack(rig, session, null, [settingsSub]);
	await back.socket.next(isReady('public'));
	back.socket.send({ msg: 'method', id: 'again', method: 'login', params: [{ resume: anaToken }] });
	assert.equal((await back.socket.closed).code, 1012);
	await until(() => rig.ddp.stats().keys === keys);
	assert.deepEqual([rig.ddp.stats().resumed, rig.ddp.stats().subscriptions], [0, 0]);
});

test('a presence sub that waits for the login of a client that comes back is answered', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	const sub = { msg: 'sub', id: 'presence', name: 'stream-user-presence', params: ['', { added: ['bob'] }] };
	const back = await comeBack(rig, session, anaToken, [sub]);
	await back.socket.next(isReady('presence'));
});

test('a subscription that waits for the login of a client that comes back is answered, and misses nothing', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	let before = socket;
	let from = one;
	for (const rig of [one, two]) {
		await lose(from, before);
		const said = rig === one ? 'here' : 'there';
		say(one, said);
		const sub = { msg: 'sub', id: 'room', name: 'stream-room-messages', params: ['r', false] };
		const back = await comeBack(rig, session, anaToken, [sub]);
		assert.equal(back.isResumed, true);
		await back.socket.next(isUpdated('again'));
		await back.socket.next(isReady('room'));
		await back.socket.settled();
		assert.equal(back.socket.frames.filter(isReady('room')).length, 1);
		assert.equal(messagesOf(back.socket).at(-1), said);
		before = back.socket;
		from = rig;
	}
});

test('an answer that was lost outlives the first proof on the next socket: that leaves before the client asks again', async (t) => {
	const rig = await streamerRig(t);
	rig.core.answer = async () => `answer ${rig.calls.length}`;
	const { socket, session } = await anaIn(rig);
	const asked = { msg: 'method', id: '7', method: 'mine', params: [] };
	socket.send(asked);
	await socket.next(isUpdated('7'));
	say(rig, 'one');
	await lose(rig, socket);
	const back = await comeBack(rig, session);
	const ping = await back.socket.next(({ msg, id }) => msg === 'ping' && id !== undefined);
	back.socket.send({ msg: 'pong', id: ping.id });
	await back.socket.next(isUpdated('again'));
	back.socket.send(asked);
	assert.equal((await back.socket.next(isResult('7')))['result'], 'answer 1');
	assert.equal(rig.calls.length, 1);
});

test('answers that come after their session has ended take no room from others', async (t) => {
	const rig = await streamerRig(t, { limits: { maxAnswerBytes: 400 } });
	const ends = heldCore(rig);
	const gone = await rig.connect();
	await gone.negotiate();
	gone.send({ msg: 'method', id: '1', method: 'slow', params: [] });
	await until(() => rig.calls.length === 1);
	gone.terminate();
	await until(() => rig.ddp.stats().sockets === 0);
	ends[0]?.('x'.repeat(100));
	const { socket, session } = await anaIn(rig);
	rig.core.answer = async () => 'y'.repeat(100);
	const asked = { msg: 'method', id: '7', method: 'mine', params: [] };
	socket.send(asked);
	await socket.next(isUpdated('7'));
	await lose(rig, socket);
	const back = await comeBack(rig, session);
	back.socket.send(asked);
	await back.socket.next(isUpdated('7'));
	assert.equal(rig.calls.length, 2);
});

test('a method asked for before the login of a client that comes back is answered once, also on the socket after it', async (t) => {
	const rig = await streamerRig(t);
	const ends = heldCore(rig);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	const asked = { msg: 'method', id: '7', method: 'slow', params: [] };
	const first = await comeBack(rig, session, anaToken, [asked]);
	await first.socket.next(isUpdated('again'));
	await until(() => rig.calls.length === 1);
	await lose(rig, first.socket);
	const second = await comeBack(rig, session);
	await second.socket.next(isUpdated('again'));
	second.socket.send(asked);
	await second.socket.settled();
	ends[0]?.('done');
	assert.equal((await second.socket.next(isResult('7')))['result'], 'done');
	await second.socket.next(isUpdated('7'));
	await second.socket.settled();
	assert.equal(second.socket.frames.filter(isUpdated('7')).length, 1);
	assert.equal(rig.calls.length, 1);
});

test('a broken call with the id of one under way is ignored as any second one: updated comes once', async (t) => {
	const rig = await streamerRig(t);
	const ends = heldCore(rig);
	const { socket } = await anaIn(rig);
	socket.send({ msg: 'method', id: '7', method: 'slow', params: [] });
	await until(() => rig.calls.length === 1);
	socket.send({ msg: 'method', id: '7', method: 'slow', params: [{ $type: 'unknown', $value: 1 }] });
	await socket.settled();
	ends[0]?.('done');
	await socket.next(isUpdated('7'));
	await socket.settled();
	assert.equal(socket.frames.filter(isUpdated('7')).length, 1);
	assert.equal(socket.frames.filter(isResult('7')).length, 1);
});

test('what is kept back until it is judged is not lost on the way to another streamer', async (t) => {
	let gate = Promise.resolve();
	const authorization = allowingAuthorization({ canReadRoom: () => gate.then(() => true) });
	const one = await streamerRig(t, { authorization });
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	await lose(one, socket);
	const { promise, resolve: judge } = Promise.withResolvers<void>();
	gate = promise;
	const part: EventPart = { kind: 'record', record: 'roomAccess', action: 'updated', body: { rid: 'r' } };
	one.bus.publish({ key: 'all:permissions', parts: [part] }, nextPosition());
	say(one, 'held');
	const call = one.bus.call.bind(one.bus);
	t.mock.method(one.bus, 'call', (...args: Parameters<typeof call>) => {
		const answer = call(...args);
		if (args[0].endsWith('.release')) setImmediate(judge);
		return answer;
	});
	const back = await comeBack(two, session);
	await back.socket.next(isUpdated('again'));
	assert.deepEqual(messagesOf(back.socket), ['held']);
});

test('a hand-over is off when somebody else has logged in on the old socket meanwhile', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	one.core.answer = async () => `answer ${one.calls.length}`;
	const { socket, session } = await anaIn(one);
	const back = await comeBack(two, session, null);
	assert.equal(back.isResumed, true);
	await socket.call('login', { resume: eveToken });
	const asked = { msg: 'method', id: '7', method: 'mine', params: [] };
	socket.send(asked);
	await socket.next(isUpdated('7'));
	back.socket.send({ msg: 'method', id: 'again', method: 'login', params: [{ resume: anaToken }] });
	back.socket.send(asked);
	assert.equal((await back.socket.closed).code, 1012);
	assert.equal(back.socket.texts.join().includes('answer 1'), false);
	await socket.settled();
});

test('a session is not taken over while somebody logs in on its old socket', async (t) => {
	const { promise, resolve: letIn } = Promise.withResolvers<void>();
	let asked = 0;
	const accounts: Partial<AccountsApi> = {
		async login(options) {
			const { resume } = options as { resume: string };
			const actor = actorOf(resume.slice('token-of-'.length), resume);
			asked += 1;
			if (actor.uid === 'eve') await promise;
			return { id: actor.uid, token: resume, tokenExpires: new Date(), type: 'resume', actor, emails: [] };
		},
		authenticate: async (uid, resume) => actorOf(uid, resume),
	};
	const rig = await streamerRig(t, { accounts: accounts as AccountsApi });
	const { socket, session } = await anaIn(rig);
	const back = await comeBack(rig, session, null);
	socket.send({ msg: 'method', id: 'other', method: 'login', params: [{ resume: eveToken }] });
	await until(() => asked === 2);
	back.socket.send({ msg: 'method', id: 'again', method: 'login', params: [{ resume: anaToken }] });
	await until(() => asked === 3);
	assert.equal((await back.socket.closed).code, 1012);
	letIn();
	assert.equal(
		back.socket.frames.some(({ collection, id }) => collection === 'users' && id === 'eve'),
		false,
	);
});

/** Settings are public: anybody may listen. */
const settingsSub = { msg: 'sub', id: 'public', name: 'stream-notify-all', params: ['public-settings-changed', false] };

function tellSetting(rig: StreamerRig, value: number): void {
	const args = ['updated', { _id: 'Site_Name', value }];
	const part: EventPart = { kind: 'direct', stream: 'notify-all', event: 'public-settings-changed', args };
	rig.bus.publish({ key: 'all:public', parts: [part] }, nextPosition());
}

const settingsTold = (socket: TestSocket) =>
	socket.events('notify-all', 'public-settings-changed').map(([, setting]) => (setting as { value: number }).value);

test('a subscription of the new socket alone goes on without a gap when the session is taken up', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	const back = await comeBack(rig, session, null, [settingsSub]);
	await back.socket.next(isReady('public'));
	back.socket.send({ msg: 'method', id: 'again', method: 'login', params: [{ resume: anaToken }] });
	await until(() => rig.ddp.stats().detached === 0);
	tellSetting(rig, 1);
	await back.socket.next(isUpdated('again'));
	tellSetting(rig, 2);
	await until(() => settingsTold(back.socket).includes(2));
	assert.deepEqual(settingsTold(back.socket), [1, 2]);
	assert.equal(back.socket.frames.filter(isReady('public')).length, 1);
});

test('a subscription of the new socket alone misses nothing that the earlier streamer has heard', async (t) => {
	const one = await streamerRig(t);
	const two = await streamerRig(t, { beside: one });
	const { socket, session } = await anaIn(one);
	const other = await one.login('bob');
	await other.sub('public', settingsSub.name, 'public-settings-changed', false);
	const ends = heldCore(one);
	socket.send({ msg: 'method', id: '7', method: 'slow', params: [] });
	await until(() => one.calls.length === 1);
	await lose(one, socket);
	const back = await comeBack(two, session, anaToken, [settingsSub]);
	await back.socket.next(isReady('public'));
	await until(() => two.ddp.stats().subscriptions === 2);
	await socket.closed;
	tellSetting(one, 1);
	ends[0]?.('done');
	await back.socket.next(isUpdated('again'));
	tellSetting(one, 2);
	await until(() => settingsTold(back.socket).includes(2));
	assert.deepEqual(settingsTold(back.socket), [1, 2]);
});

test('a proof of what was sent before the session was taken up proves nothing of what is sent then', async (t) => {
	const rig = await streamerRig(t);
	const { socket, session } = await anaIn(rig);
	await lose(rig, socket);
	say(rig, 'one');
	const back = await comeBack(rig, session, null, [settingsSub]);
	await back.socket.next(isReady('public'));
	rig.clock.advance(5_001);
	tellSetting(rig, 1);
	const early = await back.socket.next(({ msg, id }) => msg === 'ping' && id !== undefined);
	back.socket.send({ msg: 'method', id: 'again', method: 'login', params: [{ resume: anaToken }] });
	await back.socket.next(isUpdated('again'));
	assert.deepEqual(messagesOf(back.socket), ['one']);
	await back.socket.next((frame) => frame.msg === 'ping' && frame !== early && frame.id !== undefined);
	back.socket.send({ msg: 'pong', id: early.id });
	await back.socket.settled();
	await lose(rig, back.socket);
	const third = await comeBack(rig, session);
	await third.socket.next(isUpdated('again'));
	assert.deepEqual(messagesOf(third.socket), ['one']);
});
