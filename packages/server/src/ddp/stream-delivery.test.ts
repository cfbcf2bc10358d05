import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventKey, StreamName } from '@rookery/protocol/events.ts';
import { streams } from '../streams/streams.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';
import type { TestSocket } from '../testing/sockets.ts';

type Who = 'anonymous' | 'member' | 'stranger' | 'holder' | 'visitor';

/** An event somebody tells: its stream, name and key of the bus, and who may hear it. */
type Row = [stream: StreamName, event: string, key: EventKey, hears: Who[]];

const everybody: Who[] = ['anonymous', 'member', 'stranger', 'holder', 'visitor'];
const loggedIn: Who[] = ['member', 'stranger', 'holder'];
const forAll = (stream: StreamName, key: EventKey, hears: Who[], events: string[]): Row[] =>
	events.map((event) => [stream, event, key, hears]);

/** Room `r` has a member; `holder` has every permission that a stream without a room asks for; `chat` has the visitor. */
const rows: Row[] = [
	['room-messages', 'r', 'room:r', ['member']],
	['room-messages', 'chat', 'room:chat', ['visitor']],
	...forAll('notify-all', 'all:public', everybody, [
		'public-settings-changed',
		'public-info',
		'updateCustomSound',
		'deleteCustomSound',
		'license',
	]),
	...forAll('notify-logged', 'all:logged', loggedIn, [
		'Users:NameChanged',
		'Users:Deleted',
		'updateAvatar',
		'updateEmojiCustom',
		'deleteEmojiCustom',
		'updateCustomUserStatus',
		'deleteCustomUserStatus',
		'roles-change',
		'banner-changed',
		'voip.statuschanged',
		'omnichannel.priority-changed',
	]),
	['notify-logged', 'permissions-changed', 'all:permissions', loggedIn],
	['notify-logged', 'private-settings-changed', 'all:settings', ['holder']],
	...forAll(
		'notify-room',
		'room:r',
		['member'],
		[
			'r/user-activity',
			'r/typing',
			'r/deleteMessage',
			'r/deleteMessageBulk',
			'r/e2e.keyRequest',
			'r/webrtc',
			'r/videoconf',
			'r/messagesRead',
			'r/messagesImported',
		],
	),
	['notify-room', 'chat/user-activity', 'room:chat', ['visitor']],
	...forAll(
		'notify-user',
		'user:member',
		['member'],
		[
			'member/message',
			'member/notification',
			'member/userData',
			'member/otr',
			'member/webrtc',
			'member/video-conference',
			'member/media-signal',
			'member/e2ekeyRequest',
			'member/uiInteraction',
			'member/webdav',
			'member/updateInvites',
			'member/departmentAgentData',
			'member/force_logout',
			'member/banners',
			'member/calendar',
			'member/voip.events',
			'member/call.hangup',
		],
	),
	['roles', 'roles', 'all:roles', loggedIn],
	['room-data', 'r', 'room:r', ['member']],
	['livechat-room', 'chat', 'room:chat', ['visitor']],
];

async function given(rig: StreamerRig): Promise<Map<Who, TestSocket>> {
	rig.rights.rooms.set('r', new Set(['member']));
	rig.rights.visitors.set('t1', { _id: 'v1', username: 'guest-1', rid: 'chat' });
	const permissions = [...streams.values()].flatMap(({ read, events }) =>
		[read, ...events.values()].flatMap((rule) => rule.permissions),
	);
	for (const permission of permissions) rig.rights.permissions.set(permission, new Set(['holder']));
	const sockets = new Map<Who, TestSocket>();
	for (const who of everybody) {
		const isAnonymous = who === 'anonymous' || who === 'visitor';
		const socket = isAnonymous ? await rig.connect() : await rig.login(who);
		if (isAnonymous) await socket.negotiate();
		sockets.set(who, socket);
	}
	return sockets;
}

test('every event: one frame for who may read it however often he subscribed, refused and nothing for others', async (t) => {
	const rig = await streamerRig(t, { limits: { loginWaitMs: 10 } });
	const sockets = await given(rig);
	const answers = new Map<string, Who[]>();
	await Promise.all(
		[...sockets].map(async ([who, socket]) => {
			const args = who === 'visitor' ? [{ token: 't1', visitorToken: 't1' }] : [];
			for (const [stream, event] of rows) {
				const name = `stream-${stream}`;
				const answer = await socket.sub(`${stream} ${event}`, name, event, { args });
				if (answer === 'ready') {
					assert.equal(
						await socket.sub(`${stream} ${event} again`, name, event, { useCollection: false, args }),
						'ready',
					);
					answers.set(`${stream} ${event}`, [...(answers.get(`${stream} ${event}`) ?? []), who]);
				} else {
					assert.equal((answer as { error: unknown }).error, 'not-allowed');
				}
			}
		}),
	);
	for (const [stream, event, key] of rows) {
		const args = [{ _id: event }, 2];
		rig.bus.publish({ key, parts: [{ kind: 'direct', stream, event, args }] });
	}
	const told = async (who: Who, socket: TestSocket) => {
		const own = rows.filter(([, , , hears]) => hears.includes(who));
		for (const [stream, event] of own) {
			assert.deepEqual(await socket.event(stream, event), [{ _id: event }, 2], `${stream}/${event}`);
		}
		await socket.settled();
		for (const [stream, event, , hears] of rows) {
			assert.equal(socket.events(stream, event).length, hears.includes(who) ? 1 : 0, `${who}: ${stream}/${event}`);
		}
	};
	for (const [who, socket] of sockets) await told(who, socket);
	for (const [stream, event, , hears] of rows) {
		assert.deepEqual(new Set(answers.get(`${stream} ${event}`)), new Set(hears), `${stream}/${event}`);
	}
});

const uid = 'member';
const own = (...events: string[]) => events.map((event) => ['notify-user', `${uid}/${event}`]);
const logged = (...events: string[]) => events.map((event) => ['notify-logged', event]);
const publicly = (...events: string[]) => events.map((event) => ['notify-all', event]);
const ofRoom = (...events: string[]) => events.map((event) => ['notify-room', `r/${event}`]);
const ofApps = (...events: string[]) => events.map((event) => ['apps', event]);

/** What clients subscribe to once somebody has logged in and opened a room, most of which nobody emits. */
const asked = [
	...publicly('public-settings-changed', 'updateCustomSound', 'deleteCustomSound', 'public-info', 'license'),
	...publicly('roles-change', 'updateEmojiCustom', 'deleteEmojiCustom', 'updateAvatar', 'permissions-changed'),
	...ofApps('app/added', 'app/removed', 'app/updated', 'app/statusUpdate', 'app/settingUpdated', 'command/added'),
	...ofApps('command/updated', 'command/disabled', 'command/removed', 'actions/changed', 'apps'),
	...logged('Users:NameChanged', 'Users:Deleted', 'updateAvatar', 'updateEmojiCustom', 'deleteEmojiCustom'),
	...logged('updateCustomUserStatus', 'deleteCustomUserStatus', 'roles-change', 'permissions-changed'),
	...logged('banner-changed', 'new-banner', 'voip.statuschanged', 'user-status', 'omnichannel.priority-changed'),
	['roles', 'roles'],
	...own('rooms-changed', 'subscriptions-changed', 'userData', 'message', 'notification', 'uiInteraction', 'webdav'),
	...own('otr', 'webrtc', 'e2ekeyRequest', 'departmentAgentData', 'video-conference', 'media-signal', 'banners'),
	...own('calendar', 'force_logout', 'updateInvites', 'audioNotification', 'voip.events', 'call.hangup'),
	['room-messages', 'r'],
	['room-messages', '__my_messages__'],
	['room-data', 'r'],
	...ofRoom('user-activity', 'typing', 'deleteMessage', 'deleteMessageBulk', 'webrtc', 'messagesRead', 'videoconf'),
	...ofRoom('messagesImported', 'e2e.keyRequest', 'some call id'),
] as [string, string][];

test('everything clients subscribe to is ready, also with the arguments and names that mean nothing', async (t) => {
	const rig = await streamerRig(t);
	rig.rights.rooms.set('r', new Set([uid]));
	const socket = await rig.login(uid);
	const forms: unknown[] = [false, true, null, { useCollection: false, args: [] }, { args: [null] }];
	for (const [index, [stream, event]] of asked.entries()) {
		const answer = await socket.sub(`s${index}`, `stream-${stream}`, event, forms[index % forms.length]);
		assert.equal(answer, 'ready', `${stream}/${event}`);
	}
	for (const name of ['meteor.loginServiceConfiguration', 'meteor_autoupdate_clientVersions']) {
		assert.equal(await socket.sub(name, name, null), 'ready');
	}
	for (const name of ['activeUsers', 'userData', 'roles', 'adminRooms', 'subscription', 'room', 'livechat:agents']) {
		assert.equal(await socket.sub(name, name), 'ready');
	}
	assert.equal(
		socket.frames.some(({ msg }) => msg === 'nosub'),
		false,
	);
	assert.equal(
		socket.frames.some(
			(frame) =>
				frame.msg === 'added' && !String(frame['collection']).startsWith('stream-') && frame['collection'] !== 'users',
		),
		false,
		'publications without documents have none',
	);
});

test('names that mean something elsewhere are harmless as streams, publications and events', async (t) => {
	const rig = await streamerRig(t);
	const socket = await rig.login('member');
	for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
		for (const asked of [name, `stream-${name}`]) {
			assert.equal(((await socket.sub(`${asked} x`, asked, 'x')) as { error: unknown }).error, 404);
		}
		assert.equal(await socket.sub(name, 'stream-notify-all', name), 'ready');
		const refused = (await socket.sub(`r ${name}`, 'stream-room-messages', name)) as { error: unknown };
		assert.equal(refused.error, 'not-allowed');
	}
	assert.equal(rig.ddp.stats().subscriptions, 4);
});
