import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RoomType } from '@rookery/protocol/records.ts';
import { allowingAuthorization } from '../testing/authorization.ts';
import { streamerRig, type RigOptions, type StreamerRig } from '../testing/streamer.ts';
import type { TestSocket } from '../testing/sockets.ts';

type Given = { rig: StreamerRig; ana: TestSocket; bob: TestSocket };

/** A room `r` with ana and bob in it; bob's connection is the one that listens. */
async function given(t: TestContext, options: RigOptions = {}, type: RoomType = 'd'): Promise<Given> {
	const rig = await streamerRig(t, options);
	rig.rights.rooms.set('r', new Set(['ana', 'bob']));
	rig.rights.members.set('r', { t: type, uids: ['ana', 'bob'] });
	return { rig, ana: await rig.login('ana'), bob: await rig.login('bob') };
}

async function listen(socket: TestSocket, stream: string, ...events: string[]): Promise<void> {
	for (const event of events) {
		assert.equal(await socket.sub(`${stream}/${event}`, `stream-${stream}`, event, false), 'ready');
	}
}

/** Whatever was said before has arrived when this is over: the same way, by the same connections. */
async function passed({ rig, ana, bob }: Given): Promise<void> {
	await ana.settled();
	await rig.bus.flush();
	await new Promise((resolve) => {
		setImmediate(() => setImmediate(resolve));
	});
	await bob.settled();
}

const activity = (socket: TestSocket) => socket.events('notify-room', 'r/user-activity');
const typing = (socket: TestSocket) => socket.events('notify-room', 'r/typing');

test('typing, old sender to new receiver and new sender to old receiver: start, renewal and end', async (t) => {
	const it = await given(t);
	const { ana, bob } = it;
	await listen(bob, 'notify-room', 'r/user-activity', 'r/typing');
	await listen(ana, 'notify-room', 'r/user-activity', 'r/typing');
	await ana.call('stream-notify-room', 'r/typing', 'ana', true);
	await ana.call('stream-notify-room', 'r/typing', 'ana', false, {});
	await ana.call('stream-notify-room', 'r/user-activity', 'ana', ['user-typing'], { tmid: 'th' });
	await ana.call('stream-notify-room', 'r/user-activity', 'ana', []);
	await bob.event('notify-room', 'r/user-activity', ([, list]) => activity(bob).length === 4 && Array.isArray(list));
	await passed(it);
	assert.deepEqual(activity(bob), [
		['ana', ['user-typing']],
		['ana', []],
		['ana', ['user-typing'], { tmid: 'th' }],
		['ana', []],
	]);
	assert.deepEqual(typing(bob), [
		['ana', true],
		['ana', false],
		['ana', true],
		['ana', false],
	]);
	assert.deepEqual([activity(ana), typing(ana)], [[], []], 'never to the connection it came from');
});

test('what is not typing is not told as typing; unknown activities are left out, and do not end anything', async (t) => {
	const it = await given(t);
	const { ana, bob } = it;
	await listen(bob, 'notify-room', 'r/user-activity', 'r/typing');
	await ana.call('stream-notify-room', 'r/user-activity', 'ana', ['user-recording', 'user-dancing']);
	await ana.call('stream-notify-room', 'r/user-activity', 'ana', ['user-dancing']);
	await passed(it);
	assert.deepEqual([activity(bob), typing(bob)], [[['ana', ['user-recording']]], []]);
});

test('what mobile apps append is not told; the thread alone is left of the rest', async (t) => {
	const it = await given(t);
	const { ana, bob } = it;
	await listen(bob, 'notify-room', 'r/user-activity', 'r/typing');
	const factor = { twoFactorCode: '123', twoFactorMethod: 'totp' };
	assert.equal(await ana.call('stream-notify-room', 'r/user-activity', 'ana', ['user-typing'], {}, ''), undefined);
	await ana.call('stream-notify-room', 'r/typing', 'ana', true, factor);
	await ana.call('stream-notify-room', 'r/user-activity', 'ana', [], { tmid: 'th', html: '<b>' }, 'more', factor);
	await passed(it);
	assert.deepEqual(activity(bob), [
		['ana', ['user-typing']],
		['ana', ['user-typing']],
		['ana', [], { tmid: 'th' }],
	]);
});

test('only under the own name; by the real name, too, where those are shown', async (t) => {
	const it = await given(t);
	const { rig, ana, bob } = it;
	await listen(bob, 'notify-room', 'r/typing');
	const say = (name: unknown) => ana.call('stream-notify-room', 'r/typing', name, true);
	for (const name of ['bob', 'Name of ana', '', null, { $ne: null }]) assert.equal(await say(name), undefined);
	rig.clock.advance(2_000);
	rig.settings['UI_Use_Real_Name'] = true;
	await say('Name of ana');
	await say('ana');
	await say('Name of bob');
	await passed(it);
	assert.deepEqual(typing(bob), [
		['Name of ana', true],
		['ana', true],
	]);
});

test('typing only where one may write: not outsiders, not who is silenced, not without a login', async (t) => {
	const it = await given(t);
	const { rig, ana, bob } = it;
	const eve = await rig.login('eve');
	const anonymous = await rig.connect();
	await anonymous.negotiate();
	await listen(bob, 'notify-room', 'r/typing', 'r/user-activity');
	await eve.call('stream-notify-room', 'r/typing', 'eve', true);
	assert.equal(await anonymous.call('stream-notify-room', 'r/typing', 'ana', true), undefined);
	rig.rights.silenced.add('r/ana');
	await ana.call('stream-notify-room', 'r/typing', 'ana', true);
	rig.rights.silenced.clear();
	await ana.call('stream-notify-room', 'r/typing', 'ana', false);
	await passed(it);
	assert.deepEqual(typing(bob), [['ana', false]]);
});

test('typing of a visitor and of his agent: by the token he gives, or gave before, and by his own name', async (t) => {
	const rig = await streamerRig(t);
	rig.rights.rooms.set('chat', new Set(['agent']));
	rig.rights.visitors.set('t1', { _id: 'v1', username: 'guest-1', name: 'Guest', rid: 'chat' });
	rig.rights.visitors.set('t2', { _id: 'v2', username: 'guest-2', rid: 'other' });
	const agent = await rig.login('agent');
	await listen(agent, 'notify-room', 'chat/user-activity', 'chat/typing');
	const visitor = await rig.connect();
	await visitor.negotiate();
	const say = (name: string, extra?: object) =>
		visitor.call('stream-notify-room', 'chat/user-activity', name, ['user-typing'], extra);
	await say('guest-1');
	await say('guest-1', { token: 't2' });
	await say('agent', { token: 't1' });
	rig.clock.advance(2_000);
	await say('guest-1', { token: 't1' });
	assert.deepEqual(await agent.event('notify-room', 'chat/typing'), ['guest-1', true]);
	const extra = { args: [{ token: 't1', visitorToken: 't1' }] };
	assert.equal(await visitor.sub('a', 'stream-notify-room', 'chat/user-activity', extra), 'ready');
	await visitor.call('stream-notify-room', 'chat/typing', 'Guest', false);
	await agent.event('notify-room', 'chat/typing', ([name]) => name === 'Guest');
	await agent.call('stream-notify-room', 'chat/typing', 'agent', true);
	assert.deepEqual(await visitor.event('notify-room', 'chat/user-activity'), ['agent', ['user-typing']]);
	assert.deepEqual(agent.events('notify-room', 'chat/user-activity'), [
		['guest-1', ['user-typing']],
		['Guest', []],
	]);
	const told = agent.texts.filter((text) => text.includes('stream-notify-room'));
	assert.ok(told.length === 4 && !told.some((text) => text.includes('t1')), 'a token is nobody else’s');
});

test('at most 4 a second per room and connection; the rest is dropped in silence', async (t) => {
	const it = await given(t);
	const { rig, ana, bob } = it;
	rig.rights.rooms.set('s', new Set(['ana', 'bob']));
	await listen(bob, 'notify-room', 'r/typing', 's/typing');
	for (let count = 0; count < 10; count++) await ana.call('stream-notify-room', 'r/typing', 'ana', count % 2 === 0);
	await ana.call('stream-notify-room', 's/typing', 'ana', true);
	const other = await rig.login('ana');
	await other.call('stream-notify-room', 'r/typing', 'ana', true);
	await bob.event('notify-room', 's/typing');
	await bob.event('notify-room', 'r/typing', () => typing(bob).length === 5);
	rig.clock.advance(1_001);
	await ana.call('stream-notify-room', 'r/typing', 'ana', false);
	await bob.event('notify-room', 'r/typing', () => typing(bob).length === 6);
	await passed(it);
	assert.equal(typing(bob).length, 6);
});

test('forged events of every stream do nothing, and answer nothing', async (t) => {
	const it = await given(t);
	const { rig, ana, bob } = it;
	rig.settings['OTR_Enable'] = true;
	const own = ['message', 'notification', 'subscriptions-changed', 'rooms-changed', 'userData', 'force_logout'];
	own.push('uiInteraction', 'media-signal', 'media-calls', 'banners', 'otr', 'webrtc', 'video-conference', '__proto__');
	await listen(bob, 'notify-user', ...own.map((event) => `bob/${event}`));
	await listen(bob, 'notify-room', 'r/deleteMessage', 'r/deleteMessageBulk', 'r/messagesRead', 'r/webrtc', 'r/call');
	await listen(bob, 'room-messages', 'r');
	await listen(bob, 'notify-logged', 'Users:Deleted', 'permissions-changed');
	await listen(bob, 'notify-all', 'public-settings-changed');
	await listen(bob, 'roles', 'roles');
	const from = bob.frames.length;
	for (const event of own) await ana.call('stream-notify-user', `bob/${event}`, { _id: 'x' });
	for (const event of ['deleteMessage', 'deleteMessageBulk', 'messagesRead', 'constructor', '__proto__', 'toString'])
		await ana.call('stream-notify-room', `r/${event}`, { _id: 'x' });
	for (const event of ['userData', 'notification', 'force_logout', '__proto__'])
		await ana.call('stream-notify-room-users', `r/${event}`, { _id: 'x' });
	await ana.call('stream-room-messages', 'r', { _id: 'x', rid: 'r', msg: 'forged' });
	await ana.call('stream-notify-logged', 'Users:Deleted', { userId: 'bob' });
	await ana.call('stream-notify-all', 'public-settings-changed', 'updated', { _id: 'Site_Name' });
	await ana.call('stream-roles', 'roles', { type: 'removed', _id: 'admin' });
	for (const stream of ['__proto__', 'constructor', 'nothing', '', 'user-presence', 'local', 'apps-engine', 'stdout'])
		assert.equal(await ana.call(`stream-${stream}`, 'r', 1), undefined);
	for (const params of [[], [null], [7], [{ $ne: 1 }], ['r'], ['/typing', 'ana', true], ['x'.repeat(9_999)]])
		assert.equal(await ana.call('stream-notify-room', ...params), undefined);
	await passed(it);
	assert.deepEqual(
		bob.frames.slice(from).filter(({ msg }) => msg !== 'pong'),
		[],
	);
});

const handshake = (roomId: string, userId = 'ana') => ['handshake', { roomId, userId, publicKey: 'k', extra: 1 }];

test('otr: between two people of a direct room, in the own name, while it is on and nobody is blocked', async (t) => {
	const it = await given(t);
	const { rig, ana, bob } = it;
	rig.rights.rooms.set('group', new Set(['ana', 'bob']));
	rig.rights.members.set('group', { t: 'p', uids: ['ana', 'bob'] });
	await listen(bob, 'notify-user', 'bob/otr');
	const heard = () => bob.events('notify-user', 'bob/otr');
	await ana.call('stream-notify-user', 'bob/otr', ...handshake('r'));
	rig.settings['OTR_Enable'] = true;
	await ana.call('stream-notify-user', 'bob/otr', ...handshake('r', 'eve'));
	await ana.call('stream-notify-user', 'bob/otr', ...handshake('group'));
	await ana.call('stream-notify-user', 'bob/otr', ...handshake('nowhere'));
	await ana.call('stream-notify-user', 'bob/otr', 'shout', { roomId: 'r', userId: 'ana' });
	const eve = await rig.login('eve');
	await eve.call('stream-notify-user', 'bob/otr', ...handshake('r', 'eve'));
	rig.rights.silenced.add('r/ana');
	await ana.call('stream-notify-user', 'bob/otr', ...handshake('r'));
	rig.rights.silenced.clear();
	await ana.call('stream-notify-user', 'bob/otr', 'end', { roomId: 'r', userId: 'ana' });
	await ana.call('stream-notify-user', 'bob/otr', ...handshake('r'), '');
	await bob.event('notify-user', 'bob/otr', ([type]) => type === 'handshake');
	await passed(it);
	assert.deepEqual(heard(), [
		['end', { roomId: 'r', userId: 'ana' }],
		['handshake', { roomId: 'r', userId: 'ana', publicKey: 'k' }],
	]);
});

test('webrtc to a user: where it is on for rooms of the type, from oneself, to members of the room', async (t) => {
	for (const [type, setting] of [
		['c', 'WebRTC_Enable_Channel'],
		['p', 'WebRTC_Enable_Private'],
		['d', 'WebRTC_Enable_Direct'],
	] as const) {
		const it = await given(t, {}, type);
		const { rig, ana, bob } = it;
		await listen(bob, 'notify-user', 'bob/webrtc');
		const call = { from: 'ana', room: 'r', media: { audio: true }, monitor: false, extra: 1 };
		await ana.call('stream-notify-user', 'bob/webrtc', 'call', call);
		rig.settings[setting] = true;
		await ana.call('stream-notify-user', 'bob/webrtc', 'call', { ...call, from: 'eve' });
		await ana.call('stream-notify-user', 'eve/webrtc', 'call', call);
		await ana.call('stream-notify-user', 'bob/webrtc', 'call', { ...call, room: 'x' });
		await ana.call('stream-notify-user', 'bob/webrtc', 'description', { ...call, description: 'x'.repeat(70_000) });
		await ana.call('stream-notify-user', 'bob/webrtc', 'candidate', { ...call, candidate: { sdp: 1 } }, '');
		await passed(it);
		const { extra: _, ...told } = call;
		assert.deepEqual(bob.events('notify-user', 'bob/webrtc'), [['candidate', { ...told, candidate: { sdp: 1 } }]]);
	}
});

test('video-conference: of the caller’s own, in a room both are in', async (t) => {
	const it = await given(t, {}, 'c');
	const { ana, bob } = it;
	await listen(bob, 'notify-user', 'bob/video-conference');
	const ring = (params: object, action: unknown = 'call') => [{ action, params, more: 1 }];
	const mine = { callId: 'c7', uid: 'ana', rid: 'r' };
	await ana.call('stream-notify-user', 'bob/video-conference', ...ring({ ...mine, uid: 'eve' }));
	await ana.call('stream-notify-user', 'bob/video-conference', ...ring({ ...mine, rid: 'elsewhere' }));
	await ana.call('stream-notify-user', 'bob/video-conference', ...ring(mine, { $ne: 1 }));
	await ana.call('stream-notify-user', 'bob/video-conference', ...ring({ uid: 'ana', rid: 'r' }));
	await ana.call('stream-notify-user', 'bob/video-conference', ...ring(mine), '');
	await passed(it);
	assert.deepEqual(bob.events('notify-user', 'bob/video-conference'), [[{ action: 'call', params: mine }]]);
});

test('notify-room-users: members reach all other members, as their own events, and no stranger anybody', async (t) => {
	const it = await given(t, {}, 'c');
	const { rig, ana, bob } = it;
	const twin = await rig.login('ana');
	const eve = await rig.login('eve');
	await listen(bob, 'notify-user', 'bob/e2ekeyRequest', 'bob/webrtc', 'bob/video-conference', 'bob/userData');
	await listen(twin, 'notify-user', 'ana/e2ekeyRequest');
	await listen(eve, 'notify-user', 'eve/e2ekeyRequest');
	const say = (socket: TestSocket, event: string, ...args: unknown[]) =>
		socket.call('stream-notify-room-users', `r/${event}`, ...args);
	await say(ana, 'e2ekeyRequest', 'elsewhere', 'k1');
	await say(ana, 'e2ekeyRequest', 'r', { $ne: 1 });
	await say(eve, 'e2ekeyRequest', 'r', 'k1');
	await say(ana, 'userData', { type: 'updated' });
	const webrtc = { from: 'ana', room: 'r' };
	await say(ana, 'webrtc', 'join', webrtc);
	rig.settings['WebRTC_Enable_Channel'] = true;
	await say(ana, 'webrtc', 'join', webrtc);
	await say(ana, 'video-conference', { action: 'end', params: { callId: 'c', uid: 'ana', rid: 'r' } });
	await say(ana, 'e2ekeyRequest', 'r', 'k1', '');
	await bob.event('notify-user', 'bob/e2ekeyRequest');
	await passed(it);
	assert.deepEqual(bob.events('notify-user', 'bob/e2ekeyRequest'), [['r', 'k1']]);
	assert.deepEqual(bob.events('notify-user', 'bob/webrtc'), [['join', webrtc]]);
	assert.equal(bob.events('notify-user', 'bob/video-conference').length, 1);
	assert.deepEqual(bob.events('notify-user', 'bob/userData'), []);
	assert.deepEqual(twin.events('notify-user', 'ana/e2ekeyRequest'), []);
	assert.deepEqual(eve.events('notify-user', 'eve/e2ekeyRequest'), []);
});

test('state of a call in a room: who may read it may tell it, while calls are on; declining is told as call status', async (t) => {
	const it = await given(t, {}, 'l');
	const { rig, ana, bob } = it;
	rig.rights.visitors.set('t1', { _id: 'v1', username: 'guest-1', rid: 'r' });
	const eve = await rig.login('eve');
	const visitor = await rig.connect();
	await visitor.negotiate();
	await listen(bob, 'notify-room', 'r/webrtc', 'r/call');
	const heard = () => bob.events('notify-room', 'r/webrtc');
	await ana.call('stream-notify-room', 'r/webrtc', 'callStatus', { callStatus: 'inProgress' });
	rig.settings['WebRTC_Enabled'] = true;
	await eve.call('stream-notify-room', 'r/webrtc', 'callStatus', { callStatus: 'ended' });
	await visitor.call('stream-notify-room', 'r/call', 'decline');
	await ana.call('stream-notify-room', 'r/webrtc', 'shout', {});
	await ana.call('stream-notify-room', 'r/webrtc', 'callStatus', { callStatus: 'inProgress' }, '');
	await bob.event('notify-room', 'r/webrtc');
	const extra = { args: [{ token: 't1' }] };
	assert.equal(await visitor.sub('w', 'stream-notify-room', 'r/webrtc', extra), 'ready');
	await visitor.call('stream-notify-room', 'r/call', 'accept');
	await visitor.call('stream-notify-room', 'r/call', 'decline');
	await bob.event('notify-room', 'r/webrtc', ([, data]) => (data as { callStatus: string }).callStatus === 'declined');
	assert.deepEqual(heard(), [
		['callStatus', { callStatus: 'inProgress' }],
		['callStatus', { callStatus: 'declined' }],
	]);
	assert.deepEqual(bob.events('notify-room', 'r/call'), []);
});

test('what one connection says in a room is heard in its order, however long the answers take', async (t) => {
	const waiting: (() => void)[] = [];
	const rig = await streamerRig(t, {
		authorization: allowingAuthorization({
			canWriteRoom: () => new Promise((resolve) => waiting.push(() => resolve(true))),
		}),
	});
	const [ana, bob] = [await rig.login('ana'), await rig.login('bob')];
	await listen(bob, 'notify-room', 'r/typing');
	const said = [ana.call('stream-notify-room', 'r/typing', 'ana', true)];
	said.push(ana.call('stream-notify-room', 'r/typing', 'ana', false));
	await ana.settled();
	while (waiting.length === 0) await ana.settled();
	assert.equal(waiting.length, 1, 'the second one waits for the first');
	waiting[0]?.();
	while (waiting.length === 1) await ana.settled();
	waiting[1]?.();
	await Promise.all(said);
	await bob.event('notify-room', 'r/typing', ([, isTyping]) => isTyping === false);
	assert.deepEqual(typing(bob), [
		['ana', true],
		['ana', false],
	]);
});

test('nobody who can be asked, no bus: nothing is told and the answer is empty', async (t) => {
	const it = await given(t, { limits: { busLostMs: 60_000 } });
	const { rig, ana, bob } = it;
	await listen(bob, 'notify-room', 'r/typing');
	rig.bus.disconnect();
	assert.equal(await ana.call('stream-notify-room', 'r/typing', 'ana', true), undefined);
	await ana.settled();
	assert.deepEqual(typing(bob), []);
});
