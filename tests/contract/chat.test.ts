import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, ok, rest, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { connect, type Ddp } from './socket.ts';

/** The main job from end to end: what one person does by REST or method, others see live on their sockets. */

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`a chat, ${mode}`, { concurrency: false, timeout: 240_000 }, () => {
		let server: TestServer;
		let ana: Session;
		let ben: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana');
			ben = await createUser(server, 'ben');
		});
		after(() => server?.stop());

		async function online(t: TestContext, session: Session): Promise<Ddp> {
			const socket = await connect(server.socketUrl);
			t.after(() => socket.close());
			await socket.login(session);
			for (const event of ['rooms-changed', 'subscriptions-changed', 'notification', 'message', 'userData']) {
				await socket.sub('stream-notify-user', `${session.userId}/${event}`, false);
			}
			return socket;
		}

		const post = (session: Session, body: object) => ok(server.url, 'POST', 'chat.postMessage', { session, body });
		const subscriptionOf = async (session: Session, roomId: string) =>
			(await ok(server.url, 'GET', `subscriptions.getOne?roomId=${roomId}`, { session }))['subscription'];

		test('a post reaches another member: message, room and unread state, in this order of commits', async (t) => {
			const socket = await online(t, ben);
			await socket.sub('stream-room-messages', 'GENERAL', false);
			await ok(server.url, 'POST', 'subscriptions.read', { session: ben, body: { rid: 'GENERAL' } });
			const { message } = await post(ana, { roomId: 'GENERAL', text: 'good morning' });
			const [frame] = await socket.event('stream-room-messages', 'GENERAL', ([entry]) => entry._id === message._id);
			assert.equal(frame.msg, 'good morning');
			assert.deepEqual({ _id: frame.u._id, username: frame.u.username }, { _id: ana.userId, username: 'ana' });
			assert.equal(frame.ts.$date, Date.parse(message.ts));
			const user = `${ben.userId}/`;
			const [, room] = await socket.event(
				'stream-notify-user',
				`${user}rooms-changed`,
				([, entry]) => entry.lastMessage?._id === message._id,
			);
			assert.equal(room._id, 'GENERAL');
			assert.equal(room.rk, undefined);
			assert.equal(room.joinCode, undefined);
			const [action, subscription] = await socket.event(
				'stream-notify-user',
				`${user}subscriptions-changed`,
				([, entry]) => entry.rid === 'GENERAL' && entry.alert === true,
			);
			assert.equal(action, 'updated');
			assert.equal(subscription.rk, undefined);
			const fetched = await subscriptionOf(ben, 'GENERAL');
			for (const field of ['alert', 'open', 'unread', 'userMentions', 'groupMentions'])
				assert.equal(subscription[field], fetched[field], field);
		});

		test('a mention counts for the one mentioned, the group mention for all but the author; reading clears both', async (t) => {
			const { channel } = await ok(server.url, 'POST', 'channels.create', {
				session: ana,
				body: { name: `mentions-${mode.length}`, members: ['ben', 'admin'] },
			});
			const socket = await online(t, ben);
			await ok(server.url, 'POST', 'subscriptions.read', { session: ben, body: { rid: channel._id } });
			await post(ana, { roomId: channel._id, text: 'hello @ben' });
			const [notification] = await socket.event(
				'stream-notify-user',
				`${ben.userId}/notification`,
				([entry]) => entry.payload.rid === channel._id,
			);
			assert.equal(notification.payload.sender._id, ana.userId);
			const [, changed] = await socket.event(
				'stream-notify-user',
				`${ben.userId}/subscriptions-changed`,
				([, entry]) => entry.rid === channel._id && entry.userMentions === 1,
			);
			assert.equal(changed.unread, 1);
			await post(server.admin, { roomId: channel._id, text: '@all please read' });
			await socket.event(
				'stream-notify-user',
				`${ben.userId}/subscriptions-changed`,
				([, entry]) => entry.rid === channel._id && entry.groupMentions === 1,
			);
			const before = await subscriptionOf(ben, channel._id);
			assert.deepEqual([before.unread, before.userMentions, before.groupMentions, before.alert], [2, 1, 1, true]);
			assert.equal((await subscriptionOf(server.admin, channel._id)).groupMentions, 0);
			await ok(server.url, 'POST', 'subscriptions.read', { session: ben, body: { rid: channel._id } });
			await socket.event(
				'stream-notify-user',
				`${ben.userId}/subscriptions-changed`,
				([, entry]) => entry.rid === channel._id && entry.unread === 0 && entry.alert === false,
			);
			const after = await subscriptionOf(ben, channel._id);
			assert.deepEqual([after.unread, after.userMentions, after.groupMentions, after.alert], [0, 0, 0, false]);
		});

		test('two hundred posts by two people arrive once each, one person’s in the order he sent them', async (t) => {
			const socket = await online(t, ben);
			await socket.sub('stream-room-messages', 'GENERAL', false);
			const sent = await Promise.all(
				[ana, server.admin].map(async (session) => {
					const ids: string[] = [];
					for (let n = 0; n < 100; n += 1)
						ids.push((await post(session, { roomId: 'GENERAL', text: `order ${n}` })).message._id);
					return ids;
				}),
			);
			const wanted = new Set(sent.flat());
			await Promise.all(
				[...wanted].map((id) => socket.event('stream-room-messages', 'GENERAL', ([message]) => message._id === id)),
			);
			const heard = socket
				.events('stream-room-messages', 'GENERAL')
				.map(([message]) => message)
				.filter(({ _id }) => wanted.has(_id));
			assert.equal(heard.length, 200, 'each once');
			for (const ids of sent) {
				const own = heard.filter(({ _id }) => ids.includes(_id)).map(({ _id }) => _id);
				assert.deepEqual(own, ids, 'one person’s posts in the order they were sent');
			}
		});

		test('the same message sent again is stored, counted and delivered once', async (t) => {
			const socket = await online(t, ben);
			await socket.sub('stream-room-messages', 'GENERAL', false);
			const body = { message: { _id: `repeated${mode.length}abcdefg`.slice(0, 17), rid: 'GENERAL', msg: 'again' } };
			const before = await ok(server.url, 'GET', 'rooms.info?roomId=GENERAL', { session: ana });
			const answers = await Promise.all(
				Array.from({ length: 10 }, () => ok(server.url, 'POST', 'chat.sendMessage', { session: ana, body })),
			);
			for (const answer of answers) assert.deepEqual(answer['message'], answers[0]?.['message']);
			const other = await rest(server.url, 'POST', 'chat.sendMessage', { session: ben, body });
			assert.deepEqual([other.status, other.body['errorType'] ?? other.body['error']], [400, 'error-not-allowed']);
			const after = await ok(server.url, 'GET', 'rooms.info?roomId=GENERAL', { session: ana });
			assert.equal(after['room'].msgs, before['room'].msgs + 1);
			const { message: fence } = await post(ana, { roomId: 'GENERAL', text: 'after it' });
			await socket.event('stream-room-messages', 'GENERAL', ([message]) => message._id === fence._id);
			const frames = socket
				.events('stream-room-messages', 'GENERAL')
				.filter(([message]) => message._id === body.message._id);
			assert.equal(frames.length, 1);
		});

		test('edit, reaction and deletion are seen by members, and history tells the same', async (t) => {
			const socket = await online(t, ben);
			await socket.sub('stream-room-messages', 'GENERAL', false);
			await socket.sub('stream-notify-room', 'GENERAL/deleteMessage', false);
			const { message } = await post(ana, { roomId: 'GENERAL', text: 'draft' });
			await ok(server.url, 'POST', 'chat.update', {
				session: ana,
				body: { roomId: 'GENERAL', msgId: message._id, text: 'final' },
			});
			const [edited] = await socket.event(
				'stream-room-messages',
				'GENERAL',
				([entry]) => entry._id === message._id && entry.msg === 'final',
			);
			assert.equal(edited.editedBy.username, 'ana');
			await socket.call('setReaction', ':tada:', message._id);
			const [reacted] = await socket.event(
				'stream-room-messages',
				'GENERAL',
				([entry]) => entry._id === message._id && entry.reactions !== undefined,
			);
			assert.deepEqual(reacted.reactions, { ':tada:': { usernames: ['ben'] } });
			const refused = await rest(server.url, 'POST', 'chat.delete', {
				session: ben,
				body: { roomId: 'GENERAL', msgId: message._id },
			});
			assert.deepEqual([refused.status, refused.body['errorType']], [400, 'error-action-not-allowed']);
			await ok(server.url, 'POST', 'chat.delete', { session: ana, body: { roomId: 'GENERAL', msgId: message._id } });
			await socket.event('stream-notify-room', 'GENERAL/deleteMessage', ([entry]) => entry._id === message._id);
			const history = await ok(server.url, 'GET', 'channels.history?roomId=GENERAL&count=5', { session: ben });
			assert.ok(history['messages'].every((entry: any) => entry._id !== message._id));
		});

		test('a private group is closed to others: no subscription, no history, no event; a kick ends both', async (t) => {
			const { group } = await ok(server.url, 'POST', 'groups.create', {
				session: ana,
				body: { name: `secret-${mode.length}`, members: ['ben'] },
			});
			const outsider = await createUser(server, `eve${mode.length}`);
			const eve = await online(t, outsider);
			await assert.rejects(eve.sub('stream-room-messages', group._id, false), { error: 'not-allowed' });
			const refused = await rest(server.url, 'GET', `groups.history?roomId=${group._id}`, { session: outsider });
			assert.deepEqual([refused.status, refused.body['errorType']], [400, 'error-room-not-found']);
			const socket = await online(t, ben);
			const sub = await socket.sub('stream-room-messages', group._id, false);
			await ok(server.url, 'POST', 'groups.kick', { session: ana, body: { roomId: group._id, userId: ben.userId } });
			const ended = await socket.next((frame) => frame['msg'] === 'nosub' && frame['id'] === sub);
			assert.equal(ended['error'].error, 'not-allowed');
			await socket.event(
				'stream-notify-user',
				`${ben.userId}/subscriptions-changed`,
				([action, entry]) => action === 'removed' && entry.rid === group._id,
			);
			const { message } = await post(ana, { roomId: group._id, text: 'just us' });
			await post(ana, { roomId: 'GENERAL', text: 'fence' });
			await socket.event(
				'stream-notify-user',
				`${ben.userId}/rooms-changed`,
				([, entry]) => entry._id === 'GENERAL' && entry.lastMessage?.msg === 'fence',
			);
			const leaked = socket.frames.filter((frame) => JSON.stringify(frame).includes(message._id));
			assert.deepEqual(leaked, []);
		});

		test('a direct message opens for the other person with the first message', async (t) => {
			const socket = await online(t, ben);
			const { room } = await ok(server.url, 'POST', 'im.create', { session: ana, body: { username: 'ben' } });
			assert.equal(room._id, [ana.userId, ben.userId].sort().join(''));
			const [, inserted] = await socket.event(
				'stream-notify-user',
				`${ben.userId}/subscriptions-changed`,
				([action, entry]) => action === 'inserted' && entry.rid === room._id,
			);
			assert.equal(inserted.open, false);
			assert.equal(inserted.name, 'ana');
			await post(ana, { channel: '@ben', text: 'psst' });
			const [, opened] = await socket.event(
				'stream-notify-user',
				`${ben.userId}/subscriptions-changed`,
				([, entry]) => entry.rid === room._id && entry.open === true && entry.unread === 1,
			);
			assert.equal(opened.alert, true);
		});

		test('typing is seen by others of the room under the true name only, never by its sender', async (t) => {
			const [a, b] = [await online(t, ana), await online(t, ben)];
			for (const socket of [a, b]) {
				await socket.sub('stream-notify-room', 'GENERAL/user-activity', false);
				await socket.sub('stream-notify-room', 'GENERAL/typing', false);
			}
			await a.call('stream-notify-room', 'GENERAL/user-activity', 'admin', ['user-typing']);
			await a.call('stream-notify-room', 'GENERAL/user-activity', 'ana', ['user-typing'], {});
			const [name, activities] = await b.event('stream-notify-room', 'GENERAL/user-activity');
			assert.deepEqual([name, activities], ['ana', ['user-typing']]);
			assert.deepEqual(await b.event('stream-notify-room', 'GENERAL/typing'), ['ana', true]);
			await b.call('stream-notify-room', 'GENERAL/typing', 'ben', true);
			await a.event('stream-notify-room', 'GENERAL/user-activity', ([who]) => who === 'ben');
			assert.deepEqual(
				a.events('stream-notify-room', 'GENERAL/typing').filter(([who]) => who === 'ana'),
				[],
			);
		});

		test('a changed setting reaches anonymous sockets; a secret one carries no value to anybody', async (t) => {
			const anonymous = await connect(server.socketUrl);
			t.after(() => anonymous.close());
			await anonymous.sub('stream-notify-all', 'public-settings-changed', false);
			const admin = await online(t, server.admin);
			await admin.sub('stream-notify-logged', 'private-settings-changed', false);
			const settings = server.db.collection<{ _id: string }>('rocketchat_settings');
			// As a script of an operator would do it: the hub sees every write.
			await settings.updateOne(
				{ _id: 'SMTP_Password' },
				{ $set: { value: 'hush' }, $currentDate: { _updatedAt: true } },
			);
			await settings.updateOne(
				{ _id: 'Site_Name' },
				{ $set: { value: 'Our place' }, $currentDate: { _updatedAt: true } },
			);
			const [action, setting] = await anonymous.event(
				'stream-notify-all',
				'public-settings-changed',
				([, entry]) => entry._id === 'Site_Name',
			);
			assert.deepEqual([action, setting.value], ['updated', 'Our place']);
			await admin.event('stream-notify-logged', 'private-settings-changed', ([, entry]) => entry._id === 'Site_Name');
			const all = JSON.stringify([...anonymous.frames, ...admin.frames]);
			assert.ok(!all.includes('hush'));
			const listed = await ok(server.url, 'GET', 'settings.public?_id=Site_Name');
			assert.equal(listed['settings'][0].value, 'Our place');
		});

		test('presence: online while a socket is, offline after it went, told to those who watch', async (t) => {
			const watcher = await online(t, ana);
			const carl = await createUser(server, `carl${mode.length}`);
			await watcher.sub('stream-user-presence', '', { added: [carl.userId] });
			const socket = await online(t, carl);
			const shown = (code: number) =>
				watcher.next(
					(frame) =>
						frame['collection'] === 'stream-user-presence' &&
						frame['id'] === carl.userId &&
						frame['fields'].args[0][1] === code,
				);
			const frame = await shown(1);
			assert.deepEqual(frame['fields'], { uid: carl.userId, args: [[carl.username, 1, '']], eventName: carl.userId });
			await socket.call('setUserStatus', 'busy', 'in a meeting');
			const busy = await shown(3);
			assert.equal(busy['fields'].args[0][2], 'in a meeting');
			await socket.call('logout');
			await shown(0);
		});

		test('a logged-out token ends the other sockets that used it, and no others', async (t) => {
			const again: Session = {
				...ben,
				authToken: (await ok(server.url, 'POST', 'login', { body: { user: 'ben', password: 'secret of ben' } }))['data']
					.authToken,
			};
			const [first, second] = [await online(t, ben), await online(t, again)];
			await ok(server.url, 'POST', 'logout', { session: again });
			assert.equal((await second.closed).code, 4403);
			await first.call('getRoomIdByNameOrId', 'general');
			assert.equal((await rest(server.url, 'GET', 'me', { session: again })).status, 401);
			assert.equal((await rest(server.url, 'GET', 'me', { session: ben })).status, 200);
		});
	});
}
