import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { connect, type Ddp } from './socket.ts';

/** `__my_messages__` from end to end: what a bot hears that has joined nothing. */

type Stored = { _id: string; roles?: string[]; t?: string; _updatedAt?: Date };

const stream = 'stream-room-messages';
const mine = '__my_messages__';

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`messages of all rooms, ${mode}`, { concurrency: false, timeout: 240_000 }, () => {
		let server: TestServer;
		let ana: Session;
		let bot: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana');
			bot = await createUser(server, 'bot', { roles: ['bot'], joinDefaultChannels: false });
		});
		after(() => server?.stop());

		const post = async (roomId: string, text: string, session = ana): Promise<string> =>
			(await ok(server.url, 'POST', 'chat.postMessage', { session, body: { roomId, text } }))['message']._id;
		const create = async (kind: 'channels' | 'groups', name: string, members: string[] = []): Promise<string> => {
			const body = { name, members };
			const made = await ok(server.url, 'POST', `${kind}.create`, { session: ana, body });
			return made[kind === 'channels' ? 'channel' : 'group']._id;
		};
		const listening = async (): Promise<Ddp> => {
			const socket = await connect(server.socketUrl);
			await socket.login(bot);
			await socket.sub(stream, mine, true);
			return socket;
		};
		const told = (socket: Ddp, id: string) => socket.event(stream, mine, ([message]) => message._id === id);
		const heardIn = (socket: Ddp, rid: string): string[] =>
			socket
				.events(stream, mine)
				.filter(([message]) => message.rid === rid)
				.map(([message]) => message.msg);
		const change = (collection: string, _id: string, fields: Partial<Stored>) =>
			server.db
				.collection<Stored>(collection)
				.updateOne({ _id }, { $set: fields, $currentDate: { _updatedAt: true } }, { writeConcern: { w: 'majority' } });

		test('a public channel is heard without joining it; a private group and other people’s talk are not', async (t) => {
			const socket = await listening();
			t.after(() => socket.close());
			const open = await create('channels', 'open');
			const closed = await create('groups', 'closed');
			const { room } = await ok(server.url, 'POST', 'im.create', { session: ana, body: { username: 'admin' } });
			await post(closed, 'not for bots');
			await post(room._id, 'nor this');
			const id = await post(open, 'for everybody');
			const [message, about] = await told(socket, id);
			assert.equal(message.msg, 'for everybody');
			assert.deepEqual(about, { roomParticipant: false, roomType: 'c', roomName: 'open' });
			await ok(server.url, 'POST', 'channels.invite', { session: ana, body: { roomId: open, userId: bot.userId } });
			await ok(server.url, 'POST', 'groups.invite', { session: ana, body: { roomId: closed, userId: bot.userId } });
			await socket.event(stream, mine, ([{ t: type, rid }]) => type === 'au' && rid === closed);
			for (const rid of [open, closed]) {
				const [, joined] = await told(socket, await post(rid, 'welcome'));
				assert.equal(joined.roomParticipant, true);
			}
			await ok(server.url, 'POST', 'groups.kick', { session: ana, body: { roomId: closed, userId: bot.userId } });
			await post(closed, 'he is gone');
			await told(socket, await post(open, 'the end'));
			assert.deepEqual(
				[...heardIn(socket, closed), ...heardIn(socket, room._id)].filter((text) => text !== 'bot'),
				['welcome'],
			);
		});

		test('before the login nothing is heard, behind it everything, after the logout nothing', async (t) => {
			const rid = await create('channels', 'doors');
			const [socket, probe] = [await connect(server.socketUrl), await listening()];
			t.after(() => [socket, probe].forEach((one) => one.close()));
			await socket.sub(stream, mine, true);
			await told(probe, await post(rid, 'before'));
			await socket.call('UserPresence:online');
			assert.deepEqual(socket.events(stream, mine), []);
			const session = await ok(server.url, 'POST', 'login', { body: { user: 'bot', password: 'secret of bot' } });
			await socket.call('login', { resume: session['data'].authToken });
			const id = await post(rid, 'between');
			await told(socket, id);
			await socket.call('logout');
			await told(probe, await post(rid, 'after'));
			await socket.call('UserPresence:online');
			assert.deepEqual(heardIn(socket, rid), ['between']);
		});

		test('a lost right ends it within a second, a regained one brings it back', async (t) => {
			const socket = await listening();
			const other = await connect(server.socketUrl);
			t.after(() => [socket, other].forEach((one) => one.close()));
			await other.login(ana);
			const rid = await create('channels', 'rights');
			await other.sub(stream, rid, false);
			/** Posts all the time: what the bot hears a second after the change is too late. */
			const postsAfter = async (apply: () => Promise<unknown>): Promise<string[]> => {
				await told(socket, await post(rid, 'still open'));
				await apply();
				const late: string[] = [];
				const changedAt = performance.now();
				while (performance.now() - changedAt < 1_300 || late.length === 0) {
					const isLate = performance.now() - changedAt > 1_000;
					const id = await post(rid, 'going on');
					if (isLate) late.push(id);
				}
				const last = await post(rid, 'the last one');
				await other.event(stream, rid, ([message]) => message._id === last);
				await socket.call('UserPresence:online');
				const heard = new Set(socket.events(stream, mine).map(([message]) => message._id));
				return [...late, last].filter((id) => heard.has(id));
			};
			const before = await server.db.collection<Stored>('rocketchat_permissions').findOne({ _id: 'view-c-room' });
			const roles = before?.roles ?? [];
			const less = { roles: roles.filter((role) => role !== 'bot') };
			assert.deepEqual(await postsAfter(() => change('rocketchat_permissions', 'view-c-room', less)), []);
			await change('rocketchat_permissions', 'view-c-room', { roles });
			for (;;) {
				const id = await post(rid, 'again?');
				await other.event(stream, rid, ([message]) => message._id === id);
				await socket.call('UserPresence:online');
				if (socket.events(stream, mine).some(([message]) => message._id === id)) break;
			}
			assert.deepEqual(await postsAfter(() => change('rocketchat_room', rid, { t: 'p' })), []);
		});

		test('200 quick posts come in the order in which the channel’s own subscribers get them, each once', async (t) => {
			const [socket, other] = [await listening(), await connect(server.socketUrl)];
			t.after(() => [socket, other].forEach((one) => one.close()));
			await other.login(ana);
			const rid = await create('channels', 'quick');
			await other.sub(stream, rid, false);
			const texts = Array.from({ length: 200 }, (_, index) => `post ${index}`);
			const waiting = texts.values();
			const writer = async () => {
				for (const text of waiting) await post(rid, text);
			};
			await Promise.all([writer(), writer(), writer(), writer()]);
			await told(socket, await post(rid, 'the end'));
			await other.event(stream, rid, ([message]) => message.msg === 'the end');
			const inRoom = other.events(stream, rid).map(([message]) => message.msg);
			assert.deepEqual(heardIn(socket, rid), inRoom);
			assert.equal(new Set(inRoom.filter((text) => text.startsWith('post '))).size, 200);
			assert.equal(inRoom.filter((text) => text.startsWith('post ')).length, 200);
		});
	});
}
