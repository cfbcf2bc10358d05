import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { openConnected, openLoggedIn, type Wire } from './wire.ts';

/** Who may read which event, who may say what, and who hears it. @see realtime contract 4.2 - 4.14, 3.10 */

type Who = 'anonymous' | 'outsider' | 'member' | 'admin';

const everybody: Who[] = ['anonymous', 'outsider', 'member', 'admin'];
const users: Who[] = ['outsider', 'member', 'admin'];
const members: Who[] = ['member'];
const admins: Who[] = ['admin'];
const nobody: Who[] = [];

/** `ROOM`: a private group of `member`. `ME`, `HIM`: ids of the caller and of somebody else. */
const readers: [stream: string, event: string, may: Who[]][] = [
	['room-messages', 'ROOM', members],
	['room-messages', 'GENERAL', users],
	['room-messages', '__my_messages__', everybody],
	['room-messages', 'no-such-room', nobody],
	['notify-all', 'public-settings-changed', everybody],
	['notify-all', 'updateAvatar', everybody],
	['notify-logged', 'updateAvatar', users],
	['notify-logged', 'anything', users],
	['notify-logged', 'private-settings-changed', admins],
	['notify-room', 'ROOM/user-activity', members],
	['notify-room', 'ROOM/typing', members],
	['notify-room', 'ROOM/deleteMessage', members],
	['notify-room', 'ROOM/webrtc', members],
	['notify-room', 'no-such-room/typing', nobody],
	['notify-user', 'ME/message', users],
	['notify-user', 'ME/subscriptions-changed', users],
	['notify-user', 'ME/otr', users],
	['notify-user', 'HIM/message', nobody],
	['notify-user', 'HIM/rooms-changed', nobody],
	['notify-user', 'HIM/webrtc', nobody],
	['notify-room-users', 'ROOM/webrtc', nobody],
	['room-data', 'ROOM', members],
	['room-data', 'no-such-room', nobody],
	['roles', 'roles', users],
	['apps', 'app/added', users],
	['livechat-room', 'ROOM', nobody],
	['importers', 'progress', admins],
	['integrationHistory', 'x', admins],
	['stdout', 'stdout', admins],
	['local', 'x', nobody],
	['apps-engine', 'x', nobody],
];

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`streams, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let ana: Session;
		let ben: Session;
		let eva: Session;
		let rid: string;
		before(async () => {
			server = await startServer(mode);
			[ana, ben, eva] = [
				await createUser(server, 'ana', { name: 'Ana Real' }),
				await createUser(server, 'ben'),
				await createUser(server, 'eva'),
			];
			const body = { name: 'closed', members: ['ben'] };
			rid = (await ok(server.url, 'POST', 'groups.create', { session: ana, body }))['group']._id;
		});
		after(() => server?.stop());

		const login = (t: TestContext, session: Session) => openLoggedIn(t, server, session);
		const room = (event: string) => `${rid}/${event}`;

		test('who may read which event: each of them, as nobody, an outsider, a member and an administrator', async (t) => {
			const callers: Record<Who, { wire: Wire; uid: string }> = {
				anonymous: { wire: await openConnected(t, server), uid: 'nobody' },
				outsider: { wire: await login(t, eva), uid: eva.userId },
				member: { wire: await login(t, ben), uid: ben.userId },
				admin: { wire: await login(t, server.admin), uid: server.admin.userId },
			};
			await Promise.all(
				everybody.flatMap((who) =>
					readers.map(async ([stream, event, may], index) => {
						const { wire, uid } = callers[who];
						const name = event.replace('ROOM', rid).replace('ME', uid).replace('HIM', ana.userId);
						const answer = await wire.sub(`${index}`, `stream-${stream}`, name, false);
						const what = `${stream} ${event} for ${who}: ${JSON.stringify(answer)}`;
						if (may.includes(who)) assert.equal(answer['msg'], 'ready', what);
						else assert.deepEqual([answer['msg'], answer['error']?.error], ['nosub', 'not-allowed'], what);
					}),
				),
			);
		});

		test('typing: told in the old and the new way, in one frame each, to the others only, under the own name only', async (t) => {
			const [sender, second, hearer] = [await login(t, ana), await login(t, ana), await login(t, ben)];
			for (const wire of [sender, second, hearer]) {
				for (const [n, event] of ['typing', 'user-activity', 'user-activity'].entries())
					await wire.sub(`${n}`, 'stream-notify-room', room(event), false);
			}
			const say = async (wire: Wire, event: string, ...args: unknown[]) => {
				const answer = await wire.ask('stream-notify-room', room(event), ...args);
				assert.deepEqual(Object.keys(answer), ['msg', 'id'], 'nothing is returned, whether it was heard or not');
			};
			// Refused ones count for the rate of a connection, too: others say them.
			const wrong = await login(t, ana);
			await say(wrong, 'typing', 'ben', true);
			await say(wrong, 'user-activity', 'Ana Real', ['user-typing'], {});
			await say(wrong, 'user-activity', 'ana', ['user-hacking']);
			await say(await login(t, eva), 'typing', 'eva', true);
			await say(await openConnected(t, server), 'typing', 'ana', true);
			await say(sender, 'user-activity', 'ana', ['user-typing'], { tmid: 'thread', more: 1 }, '');
			await hearer.event('stream-notify-room', room('typing'));
			await say(sender, 'typing', 'ana', false);
			const isLast = ([, list]: any[]) => Array.isArray(list) && list.length === 0;
			for (const wire of [hearer, second]) {
				await wire.event('stream-notify-room', room('user-activity'), isLast);
				assert.deepEqual(wire.events('stream-notify-room', room('typing')), [
					['ana', true],
					['ana', false],
				]);
				const activities = wire.events('stream-notify-room', room('user-activity')).map((args) => args.slice(0, 3));
				assert.deepEqual(activities[0], ['ana', ['user-typing'], { tmid: 'thread' }]);
				assert.deepEqual(activities[1]?.slice(0, 2), ['ana', []]);
				assert.equal(activities.length, 2);
			}
			await sender.settled();
			for (const event of ['typing', 'user-activity'])
				assert.deepEqual(sender.events('stream-notify-room', room(event)), []);
		});

		test('typing under the real name, when real names are shown', async (t) => {
			const settings = server.db.collection<{ _id: string }>('rocketchat_settings');
			const show = (value: boolean) => settings.updateOne({ _id: 'UI_Use_Real_Name' }, { $set: { value } });
			const admin = await login(t, server.admin);
			await admin.sub('s', 'stream-notify-all', 'public-settings-changed', false);
			const shown = (value: boolean) =>
				admin.event('stream-notify-all', 'public-settings-changed', ([, entry]) => {
					return entry._id === 'UI_Use_Real_Name' && entry.value === value;
				});
			await show(true);
			t.after(() => show(false));
			await shown(true);
			const [sender, hearer] = [await login(t, ana), await login(t, ben)];
			await hearer.sub('1', 'stream-notify-room', room('typing'), false);
			const heard = () =>
				hearer.events('stream-notify-room', room('typing')).map(([name, isTyping]) => `${name} ${isTyping}`);
			// Another process may hear of the setting a moment later.
			while (!heard().includes('Ana Real true')) {
				await sender.ask('stream-notify-room', room('typing'), 'Ana Real', true);
				await hearer.settled();
			}
			await show(false);
			await shown(false);
		});

		test('forged events reach nobody: for a user, for the members of a room, in rooms and for all', async (t) => {
			const [thief, victim] = [await login(t, eva), await login(t, ben)];
			const events = ['message', 'notification', 'force_logout', 'subscriptions-changed', 'userData', 'uiInteraction'];
			for (const event of [...events, 'otr', 'webrtc', 'video-conference'])
				await victim.sub(event, 'stream-notify-user', `${ben.userId}/${event}`, false);
			await victim.sub('r', 'stream-room-messages', rid, false);
			await victim.sub('d', 'stream-notify-room', room('deleteMessage'), false);
			await victim.sub('l', 'stream-notify-logged', 'updateAvatar', false);
			for (const wire of [thief, await login(t, ana), await openConnected(t, server)]) {
				for (const event of events)
					await wire.ask('stream-notify-user', `${ben.userId}/${event}`, { title: 'forged', _id: 'forged', rid });
				await wire.ask('stream-notify-room-users', room('force_logout'), 'forged');
				await wire.ask('stream-notify-room-users', room('userData'), { type: 'forged' });
				await wire.ask('stream-notify-room', room('deleteMessage'), { _id: 'forged' });
				await wire.ask('stream-room-messages', rid, { _id: 'forged', msg: 'forged' });
				await wire.ask('stream-notify-logged', 'updateAvatar', { username: 'forged' });
				await wire.ask('stream-roles', 'roles', { type: 'forged' });
			}
			await ok(server.url, 'POST', 'chat.postMessage', { session: ana, body: { roomId: rid, text: 'true' } });
			await victim.event('stream-room-messages', rid, ([message]) => message.msg === 'true');
			await victim.settled();
			assert.ok(victim.texts.every((text) => !text.includes('forged')));
		});

		test('an outsider hears nothing of a room: no message, no typing, no deletion, no record of it', async (t) => {
			const [outsider, member] = [await login(t, eva), await login(t, ben)];
			for (const event of ['rooms-changed', 'subscriptions-changed', 'notification', 'message'])
				await outsider.sub(event, 'stream-notify-user', `${eva.userId}/${event}`, false);
			await outsider.sub('my', 'stream-room-messages', '__my_messages__', true);
			for (const [stream, event] of [
				['room-messages', rid],
				['notify-room', room('deleteMessage')],
				['room-data', rid],
			])
				await outsider.sub(`${stream}`, `stream-${stream}`, event, { args: [{ token: 'x', visitorToken: 'y', rid }] });
			await member.sub('d', 'stream-notify-room', room('deleteMessage'), false);
			const body = { roomId: rid, text: '@all secret' };
			const { message } = await ok(server.url, 'POST', 'chat.postMessage', { session: ana, body });
			await ok(server.url, 'POST', 'chat.delete', { session: ana, body: { roomId: rid, msgId: message._id } });
			await member.event('stream-notify-room', room('deleteMessage'), ([entry]) => entry._id === message._id);
			await ok(server.url, 'POST', 'chat.postMessage', { session: eva, body: { roomId: 'GENERAL', text: 'own' } });
			await outsider.event('stream-room-messages', '__my_messages__', ([entry]) => entry.msg === 'own');
			assert.ok(outsider.texts.every((text) => !text.includes(message._id) && !text.includes('secret')));
		});

		test('anonymous presence shows nothing', async (t) => {
			const anonymous = await openConnected(t, server);
			const answer = await anonymous.sub('p', 'stream-user-presence', '', { added: [ana.userId] });
			assert.deepEqual([answer['msg'], answer['error']?.error], ['nosub', 'not-allowed']);
		});
	});
}
