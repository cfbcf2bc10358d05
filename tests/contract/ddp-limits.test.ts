import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, ok, startServer, type Session, type TestServer } from './server.ts';
import { isAnswerTo, openConnected, openLoggedIn, openWire, type Frame, type Wire } from './wire.ts';

/** Limits as they are by default: what clients do at their start passes, what nobody does is refused. */

const connectFrame = { msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] };

/** What clients subscribe to when they start and have rooms open. @see realtime contract 4.16 */
const own = (uid: string, events: string[]) => events.map((event) => ['stream-notify-user', `${uid}/${event}`]);
const all = (events: string[]) => events.map((event) => ['stream-notify-all', event]);
const logged = (events: string[]) => events.map((event) => ['stream-notify-logged', event]);
const inRoom = (rid: string, events: string[]) => [
	['stream-room-messages', rid],
	...events.map((event) => ['stream-notify-room', `${rid}/${event}`]),
];
const apps = [
	...['added', 'removed', 'updated', 'statusUpdate', 'settingUpdated'].map((what) => `app/${what}`),
	...['added', 'disabled', 'updated', 'removed'].map((what) => `command/${what}`),
	'actions/changed',
];
const webEvents = [
	'rooms-changed',
	'subscriptions-changed',
	'userData',
	'message',
	'notification',
	'uiInteraction',
	'webdav',
	'otr',
	'webrtc',
	'e2ekeyRequest',
	'departmentAgentData',
];
const loggedEvents = [
	'Users:NameChanged',
	'Users:Deleted',
	'updateAvatar',
	'updateEmojiCustom',
	'deleteEmojiCustom',
	'updateCustomUserStatus',
	'deleteCustomUserStatus',
	'roles-change',
	'permissions-changed',
	'banner-changed',
	'voip.statuschanged',
];

function web(uid: string, rids: string[]): string[][] {
	return [
		['meteor.loginServiceConfiguration'],
		['meteor_autoupdate_clientVersions'],
		...all(['public-settings-changed', 'updateCustomSound', 'deleteCustomSound']),
		...apps.map((event) => ['stream-apps', event]),
		...logged(loggedEvents),
		['stream-roles', 'roles'],
		...own(uid, webEvents),
		...rids.flatMap((rid) => inRoom(rid, ['user-activity', 'deleteMessage', 'deleteMessageBulk'])),
	];
}

const newerWeb = (uid: string, rids: string[]): string[][] => [
	...web(uid, []),
	...all(['public-info', 'license']),
	['stream-apps', 'apps'],
	...own(uid, ['force_logout', 'banners', 'calendar', 'video-conference', 'media-signal']),
	...logged(['omnichannel.priority-changed']),
	...rids.flatMap((rid) =>
		inRoom(rid, [
			'user-activity',
			'deleteMessage',
			'deleteMessageBulk',
			'videoconf',
			'messagesRead',
			'messagesImported',
		]),
	),
];

const mobile = (uid: string, rids: string[]): string[][] => [
	...all(['public-settings-changed']),
	...own(uid, [
		'message',
		'otr',
		'webrtc',
		'notification',
		'rooms-changed',
		'subscriptions-changed',
		'uiInteraction',
		'e2ekeyRequest',
		'userData',
		'video-conference',
		'media-signal',
	]),
	...logged(['permissions-changed', 'updateAvatar', 'Users:NameChanged', 'user-status']),
	['stream-roles', 'roles'],
	...rids.flatMap((rid) =>
		inRoom(rid, ['user-activity', 'typing', 'deleteMessage', 'deleteMessageBulk', 'messagesRead']),
	),
];

/** Of SDKs: also names that nobody ever emits there. */
const sdk = (uid: string, rids: string[]): string[][] => [
	...all(['roles-change', 'updateEmojiCustom', 'deleteEmojiCustom', 'updateAvatar', 'public-settings-changed']),
	...all(['permissions-changed']),
	...logged(['Users:NameChanged', 'Users:Deleted', 'updateAvatar', 'updateEmojiCustom', 'deleteEmojiCustom']),
	...own(uid, ['message', 'otr', 'webrtc', 'notification', 'rooms-changed', 'subscriptions-changed', 'uiInteraction']),
	['stream-room-messages', '__my_messages__'],
	...rids.flatMap((rid) => inRoom(rid, ['typing', 'deleteMessage'])),
];

describe('limits', { concurrency: false, timeout: 180_000 }, () => {
	let server: TestServer;
	let ana: Session;
	const rids = ['GENERAL'];
	before(async () => {
		server = await startServer('one process', {
			env: {
				OVERWRITE_SETTING_DDP_Rate_Limit_User_By_Method_Enabled: 'true',
				OVERWRITE_SETTING_DDP_Rate_Limit_Connection_By_Method_Enabled: 'true',
			},
		});
		ana = await createUser(server, 'ana');
		for (let n = 0; n < 30; n += 1) {
			const body = { name: `room-${n}`, members: ['ana'] };
			rids.push((await ok(server.url, 'POST', 'groups.create', { session: server.admin, body }))['group']._id);
		}
	});
	after(() => server?.stop());

	const answers = async (wire: Wire, count: number) =>
		Promise.all(Array.from({ length: count }, (_, n) => wire.next((frame) => isAnswerTo(frame, `s${n}`))));

	for (const [name, subsOf, options] of [
		['web 5', web, [{ useCollection: false, args: [] }]],
		['web 8', newerWeb, [{ useCollection: false, args: [null] }]],
		['mobile', mobile, [{ useCollection: false, args: [false] }, '']],
		['the SDKs', sdk, [false]],
	] as const) {
		test(`the start of ${name}, all of it at once behind the login and 31 rooms open: every sub is ready, three times over`, async (t) => {
			for (let time = 0; time < 3; time += 1) {
				const wire = await openWire(t, server.socketUrl);
				const subs = subsOf(ana.userId, rids);
				wire.send(connectFrame, {
					msg: 'method',
					id: 'login',
					method: 'login',
					params: [{ resume: ana.authToken }],
				});
				for (const method of ['public-settings/get', 'permissions/get', 'rooms/get', 'subscriptions/get'])
					wire.send({ msg: 'method', id: method, method, params: [] });
				for (const [n, [stream, event]] of subs.entries()) {
					const params = event === undefined ? [] : [event, ...options];
					wire.send({ msg: 'sub', id: `s${n}`, name: stream, params });
				}
				wire.send({ msg: 'sub', id: `s${subs.length}`, name: 'stream-user-presence', params: ['', { added: [] }] });
				const found = await answers(wire, subs.length + 1);
				const refused = found.flatMap((frame, n) =>
					frame['msg'] === 'ready' ? [] : [`${subs[n]?.join(' ')}: ${JSON.stringify(frame['error'])}`],
				);
				assert.deepEqual(refused, []);
				const { result } = await wire.next((frame) => frame['msg'] === 'result' && frame['id'] === 'rooms/get');
				assert.equal(result.length, 31);
				wire.close();
				await wire.closed;
			}
		});
	}

	function assertTooMany(error: Frame, what: string): void {
		assert.equal(error['error'], 'too-many-requests', what);
		const { timeToReset } = error['details'];
		assert.ok(Number.isInteger(timeToReset) && timeToReset > 0, `${what}: ${timeToReset}`);
		const seconds = /^Error, too many requests\. Please slow down\. You must wait (\d+) seconds before trying again\.$/;
		assert.equal(
			Number(seconds.exec(error['reason'])?.[1]),
			Math.max(1, Math.ceil(timeToReset / 1000)),
			error['reason'],
		);
		assert.equal(error['message'], `${error['reason']} [too-many-requests]`);
		assert.equal(error['errorType'], 'Meteor.Error');
	}

	async function burst(t: TestContext, session: Session, method: string, count: number, params: unknown[]) {
		const wire = await openLoggedIn(t, server, session);
		for (let n = 0; n < count; n += 1) wire.send({ msg: 'method', id: `b${n}`, method, params });
		const results = await Promise.all(
			Array.from({ length: count }, (_, n) =>
				wire.next((frame) => frame['msg'] === 'result' && frame['id'] === `b${n}`),
			),
		);
		return { wire, refused: results.filter((frame) => 'error' in frame) };
	}

	test('a method by name: so many at once, then refused with the time to wait; others go on, pings always', async (t) => {
		const user = await createUser(server, 'quick');
		const { wire, refused } = await burst(t, user, 'getRoomIdByNameOrId', 40, ['general']);
		assert.ok(refused.length >= 20 && refused.length < 40, `${refused.length} refused`);
		for (const { error } of refused) assertTooMany(error, 'by name');
		assert.equal(refused.filter((frame) => 'result' in frame).length, 0);
		assert.ok(Array.isArray(await wire.call('subscriptions/get')));
		for (let n = 0; n < 50; n += 1) await wire.settled();
	});

	test('sendMessage: 5 a second, and again after the time that was told', async (t) => {
		const user = await createUser(server, 'talker');
		const { wire, refused } = await burst(t, user, 'sendMessage', 12, [{ rid: 'GENERAL', msg: 'many at once' }]);
		assert.ok(refused.length >= 3 && refused.length <= 7, `${refused.length} refused`);
		for (const { error } of refused) assertTooMany(error, 'sendMessage');
		const stored = await server.db.collection('rocketchat_message').countDocuments({ msg: 'many at once' });
		assert.equal(stored, 12 - refused.length);
		const waitMs = Math.max(...refused.map(({ error }) => error.details.timeToReset as number));
		assert.ok(waitMs <= 1_000);
		const endAt = performance.now() + waitMs;
		while (performance.now() < endAt) await wire.settled();
		assert.equal((await wire.call('sendMessage', { rid: 'GENERAL', msg: 'later' })).msg, 'later');
	});

	test('login: five in ten seconds for a connection, whether right or wrong', async (t) => {
		const wire = await openConnected(t, server);
		const errors: Frame[] = [];
		for (let n = 0; n < 12; n += 1) errors.push((await wire.ask('login', { resume: `wrong ${n}` }))['error']);
		const refused = errors.filter(({ error }) => error === 'too-many-requests');
		assert.ok(refused.length >= 6, JSON.stringify(errors.map(({ error }) => error as unknown)));
		for (const error of refused) assertTooMany(error, 'login');
	});

	test('1,000 subs may be open; more are refused, and who asks on and on is asked to wait', async (t) => {
		const wire = await openLoggedIn(t, server, await createUser(server, 'collector'));
		for (let n = 0; n < 1_100; n += 1)
			wire.send({ msg: 'sub', id: `s${n}`, name: 'stream-notify-logged', params: [`event-${n}`, false] });
		const found = await answers(wire, 1_100);
		const ready = found.filter(({ msg }) => msg === 'ready').length;
		assert.equal(ready, 1_000);
		for (const frame of found.slice(1_000)) assert.equal(frame['error'].error, 'too-many-requests');
		assertTooMany(found.at(-1)?.['error'], 'sub');
		await wire.settled();
	});
});
