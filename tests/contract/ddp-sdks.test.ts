import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { tcpProxy } from '../../packages/server/src/testing/tcp-proxy.ts';
import { startClient, told } from './client-programs.ts';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { openLoggedIn } from './wire.ts';

/** Both generations of `@rocket.chat/sdk`, unmodified, lose their connection and come back. @see realtime contract 1.8, A4, A17 */

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`SDKs that come back, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let ana: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana', { roles: ['user', 'bot'] });
		});
		after(() => server?.stop());

		async function proxyOf(t: TestContext) {
			const proxy = await tcpProxy('127.0.0.1', Number(new URL(server.url).port));
			t.after(() => proxy.close());
			return proxy;
		}
		const post = async (text: string): Promise<string> =>
			(await ok(server.url, 'POST', 'chat.postMessage', { session: ana, body: { roomId: 'GENERAL', text } }))['message']
				._id;

		test('1.0.0-alpha: subscribes again under new ids, hears each message once, and history has the rest', async (t) => {
			const ben = await createUser(server, 'ben');
			const proxy = await proxyOf(t);
			const args = [`http://127.0.0.1:${proxy.port}`, 'ben', 'secret of ben', 'GENERAL'];
			const client = await startClient(t, 'alpha.cjs', args);
			const heard: string[] = [];
			client.on('message', ({ message }: any) => message !== undefined && heard.push(message._id));
			const hears = (text: string) => told(client, ({ message }) => message?.msg === text);

			const sent: string[] = [];
			for (let outage = 0; outage < 2; outage += 1) {
				const before = hears(`before ${outage}`);
				sent.push(await post(`before ${outage}`));
				await before;
				const back = told(client, (message) => message.back === true);
				proxy.cut();
				sent.push(await post(`away ${outage}`));
				proxy.restore();
				await back;
				const later = hears(`after ${outage}`);
				sent.push(await post(`after ${outage}`));
				await later;
			}
			assert.equal(new Set(heard).size, heard.length, 'nothing twice');
			const history = await ok(server.url, 'GET', 'channels.history?roomId=GENERAL&count=50', { session: ben });
			const known = new Set([...heard, ...history['messages'].map(({ _id }: { _id: string }) => _id)]);
			for (const id of sent) assert.ok(known.has(id));
		});

		test('0.2.9: a bot goes on answering after its connection was lost, each message once', async (t) => {
			await createUser(server, 'robot', { roles: ['bot'] });
			const proxy = await proxyOf(t);
			const watcher = await openLoggedIn(t, server, ana);
			await watcher.sub('w', 'stream-room-messages', 'GENERAL', false);
			await startClient(t, 'bot.cjs', [`127.0.0.1:${proxy.port}`, 'robot', 'secret of robot', 'general']);
			const answersTo = (text: string) =>
				watcher
					.events('stream-room-messages', 'GENERAL')
					.filter(([message]) => message.msg === `answer to robot, ${text} in general`).length;
			const answered = (text: string) =>
				watcher.event('stream-room-messages', 'GENERAL', ([message]) => {
					return message.msg === `answer to robot, ${text} in general`;
				});
			await post('robot, first');
			await answered('first');
			proxy.cut();
			proxy.restore();
			// It says nothing of being back, so it is asked until it answers.
			let tries = 0;
			const isBack = () => Array.from({ length: tries }, (_, n) => answersTo(`back ${n}`)).some((count) => count > 0);
			const endAt = performance.now() + 25_000;
			while (!isBack() && performance.now() < endAt) {
				await post(`robot, back ${tries}`);
				tries += 1;
				const pausedUntil = performance.now() + 300;
				while (!isBack() && performance.now() < pausedUntil) await watcher.settled();
			}
			assert.ok(isBack(), `no answer in ${tries} tries`);
			for (const text of ['again', 'and again']) {
				await post(`robot, ${text}`);
				await answered(text);
			}
			await watcher.settled();
			for (const text of ['first', 'again', 'and again']) assert.equal(answersTo(text), 1, text);
		});
	});
}
