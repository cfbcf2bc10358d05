import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { startClient, told } from './client-programs.ts';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { connect } from './socket.ts';

/** Programs that we did not write, unmodified, against one process and against six. */

const require = createRequire(import.meta.url);

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`real clients, ${mode}`, { concurrency: false, timeout: 240_000 }, () => {
		let server: TestServer;
		let ana: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana');
		});
		after(() => server?.stop());

		test('@rocket.chat/sdk 0.2.9: a bot answers a message in its room, by id and in private', async (t) => {
			await createUser(server, 'robot', { roles: ['bot'] });
			const socket = await connect(server.socketUrl);
			t.after(() => socket.close());
			await socket.login(ana);
			await socket.sub('stream-room-messages', 'GENERAL');
			await socket.sub('stream-room-messages', '__my_messages__');
			const host = server.url.replace('http://', '');
			await startClient(t, 'bot.cjs', [host, 'robot', 'secret of robot', 'general']);
			await socket.event('stream-room-messages', 'GENERAL', ([message]) => message.msg === 'the bot is listening');

			await ok(server.url, 'POST', 'chat.postMessage', {
				session: ana,
				body: { channel: '#general', text: 'robot, hello' },
			});

			const said = (text: string) =>
				socket.event('stream-room-messages', '__my_messages__', ([message]) => message.msg === text);
			const [answer, where] = await said('answer to robot, hello in general');
			assert.equal(answer.u.username, 'robot');
			assert.deepEqual(where, { roomParticipant: true, roomType: 'c', roomName: 'general' });
			await said('and by id');
			const [secret, room] = await said('and in private');
			assert.equal(room.roomType, 'd');
			assert.ok(secret.rid.includes(ana.userId));
		});

		test('@rocket.chat/sdk 1.0.0-alpha: REST and socket of one client, both ways', async (t) => {
			const ben = await createUser(server, `ben${mode.length}`);
			await ok(server.url, 'POST', 'channels.join', { session: ben, body: { roomId: 'GENERAL' } });
			const client = await startClient(t, 'alpha.cjs', [
				server.url,
				ben.username,
				`secret of ${ben.username}`,
				'GENERAL',
			]);

			const heard = told(client, (message) => message.message?.msg === 'to the alpha client');
			await ok(server.url, 'POST', 'chat.postMessage', {
				session: ana,
				body: { roomId: 'GENERAL', text: 'to the alpha client' },
			});
			const { message } = await heard;
			assert.equal(message.u.username, 'ana');
			assert.ok(Math.abs(Date.now() - new Date(message.ts.$date ?? message.ts).getTime()) < 60_000);

			const sent = told(client, (answer) => answer.sent !== undefined || answer.error !== undefined);
			client.send({ send: 'from the alpha client' });
			assert.equal((await sent).error, undefined);
			const history = await ok(server.url, 'GET', 'channels.history?roomId=GENERAL', { session: ana });
			assert.ok(history['messages'].some((entry: any) => entry.msg === 'from the alpha client'));

			const result = told(client, (answer) => 'result' in answer || answer.error !== undefined);
			client.send({ call: 'getRoomIdByNameOrId', params: ['general'] });
			assert.equal((await result).result, 'GENERAL');
		});

		test('simpleddp: logs in, subscribes, calls', async (t) => {
			const simpleDDP = require('simpleddp');
			const client = new simpleDDP({
				endpoint: server.socketUrl,
				SocketConstructor: WebSocket,
				reconnectInterval: 1000,
			});
			t.after(() => client.disconnect());
			await client.connect();
			const { id } = await client.call('login', { resume: ana.authToken });
			assert.equal(id, ana.userId);
			const stream = client.sub('stream-room-messages', ['GENERAL', false]);
			await stream.ready();
			const heard = new Promise<any>((resolve) => {
				client.ddpConnection.on('changed', (frame: any) => {
					if (frame.fields?.args?.[0]?.msg === 'to simpleddp') resolve(frame.fields.args[0]);
				});
			});
			const stored = await client.call('sendMessage', { rid: 'GENERAL', msg: 'to simpleddp' });
			assert.equal((await heard)._id, stored._id);
			await assert.rejects(client.call('no such method'), (error: any) => error.error === 404);
			await stream.stop();
		});

		test('sockjs-client over WebSocket: the same session in SockJS framing', async (t) => {
			const SockJS = require('sockjs-client');
			const client = new SockJS(`${server.url}/sockjs`, null, { transports: ['websocket'] });
			t.after(() => client.close());
			const frames: any[] = [];
			let wake = () => {};
			client.addEventListener('message', ({ data }: { data: string }) => {
				frames.push(JSON.parse(data));
				wake();
			});
			const next = async (fits: (frame: any) => boolean) => {
				const deadline = AbortSignal.timeout(15_000);
				for (;;) {
					const found = frames.find(fits);
					if (found !== undefined) return found;
					await new Promise<void>((resolve, reject) => {
						wake = resolve;
						deadline.addEventListener('abort', () => reject(new Error('no such frame')), { once: true });
					});
				}
			};
			await new Promise((resolve) => client.addEventListener('open', resolve));
			assert.equal(client.transport, 'websocket');
			client.send(JSON.stringify({ msg: 'connect', version: '1', support: ['1'] }));
			await next((frame) => frame.msg === 'connected');
			client.send(JSON.stringify({ msg: 'method', id: '1', method: 'login', params: [{ resume: ana.authToken }] }));
			await next((frame) => frame.msg === 'updated' && frame.methods[0] === '1');
			client.send(JSON.stringify({ msg: 'sub', id: 's', name: 'stream-room-messages', params: ['GENERAL', false] }));
			await next((frame) => frame.msg === 'ready');
			await ok(server.url, 'POST', 'chat.postMessage', {
				session: ana,
				body: { roomId: 'GENERAL', text: 'to sockjs \u200f\u2028 ✓' },
			});
			const event = await next(
				(frame) => frame.collection === 'stream-room-messages' && frame.fields.args[0].msg.startsWith('to sockjs'),
			);
			assert.equal(event.fields.args[0].msg, 'to sockjs \u200f\u2028 ✓');
		});
	});
}
