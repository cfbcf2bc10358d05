import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { tcpProxy } from '../../packages/server/src/testing/tcp-proxy.ts';
import {
	ddpClient,
	ddpJsClient,
	simpleDdpClient,
	sockjsClient,
	type LiveClient,
	type LiveTarget,
	type Message,
} from './live-clients.ts';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';

/**
 * Unmodified client libraries lose their connection and come back by themselves: nothing is lost and nothing doubled.
 *
 * @see realtime contract 1.8, 4.1.5, A2, A17
 */

type Start = (target: LiveTarget) => LiveClient;

/** `resumes`: offers its session, so that what it missed is told again instead of read again. */
const clients: { name: string; start: Start; resumes: boolean }[] = [
	{ name: 'ddp', start: ddpClient, resumes: false },
	{ name: 'ddp.js', start: ddpJsClient, resumes: false },
	{ name: 'simpleddp', start: simpleDdpClient, resumes: true },
	...(['websocket', 'xhr-streaming', 'xhr-polling', 'eventsource'] as const).map((transport) => ({
		name: `sockjs-client, ${transport}`,
		start: sockjsClient(transport),
		resumes: false,
	})),
];

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`clients that come back, ${mode}`, { concurrency: false, timeout: 240_000 }, () => {
		let server: TestServer;
		let ana: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana');
		});
		after(() => server?.stop());

		async function room(name: string): Promise<string> {
			const body = { name: `${name.replaceAll(/[^a-z]+/g, '-')}-${mode.length}`, members: ['ana'] };
			const { group } = await ok(server.url, 'POST', 'groups.create', { session: server.admin, body });
			return group._id as string;
		}
		const post = async (rid: string, ...texts: string[]): Promise<Message[]> => {
			const posted: Message[] = [];
			for (const text of texts) {
				const body = { roomId: rid, text };
				posted.push((await ok(server.url, 'POST', 'chat.postMessage', { session: server.admin, body }))['message']);
			}
			return posted;
		};

		async function start(t: TestContext, startClient: Start, rid: string) {
			const proxy = await tcpProxy('127.0.0.1', Number(new URL(server.url).port));
			const client = startClient({ port: proxy.port, token: ana.authToken, rid });
			t.after(async () => {
				client.stop();
				await proxy.close();
			});
			await client.ready(1);
			return { proxy, client };
		}

		for (const { name, start: startClient, resumes } of clients) {
			test(`${name}: logs in, hears a room, is cut off, comes back, has everything once and in order`, async (t) => {
				const rid = await room(name);
				const { proxy, client } = await start(t, startClient, rid);
				const texts = (part: string) => [1, 2, 3].map((n) => `${part} ${n}`);
				const sent = await post(rid, ...texts('before'));
				for (const { _id } of sent) await client.hear((message) => message._id === _id);
				proxy.cut();
				sent.push(...(await post(rid, ...texts('away'))));
				proxy.restore();
				await client.ready(2);
				const { messages } = (await client.call('loadHistory', rid, null, 50, null)) as { messages: Message[] };
				sent.push(...(await post(rid, ...texts('after'))));
				for (const text of texts('after')) await client.hear(({ msg }) => msg === text);
				if (resumes) for (const text of texts('away')) await client.hear(({ msg }) => msg === text);

				const wanted = sent.map(({ _id }) => _id);
				const live = client.heard.map(({ _id }) => _id);
				const known = new Set([...live, ...messages.map(({ _id }) => _id)]);
				assert.deepEqual(
					wanted.filter((_id) => !known.has(_id)),
					[],
					'nothing is lost',
				);
				if (!resumes) assert.equal(new Set(live).size, live.length, 'nothing twice');
				const firsts = [...new Set(live)];
				assert.deepEqual(
					firsts,
					wanted.filter((_id) => firsts.includes(_id)),
					'in order',
				);
			});
		}

		test('three short cuts in a row, posts going on: every client ends with the same room', async (t) => {
			const rid = await room('short cuts');
			const running = await Promise.all(
				[ddpClient, ddpJsClient, simpleDdpClient].map((startClient) => start(t, startClient, rid)),
			);
			const sent: Message[] = [];
			for (let cut = 0; cut < 3; cut += 1) {
				sent.push(...(await post(rid, `cut ${cut}`)));
				for (const { proxy } of running) proxy.cut();
				sent.push(...(await post(rid, `meanwhile ${cut}`)));
				for (const { proxy } of running) proxy.restore();
				sent.push(...(await post(rid, `back ${cut}`)));
				await Promise.all(running.map(({ client }) => client.ready(cut + 2)));
			}
			const last = await post(rid, 'the last');
			for (const { client } of running) {
				await client.hear(({ _id }) => _id === last[0]?._id);
				const { messages } = (await client.call('loadHistory', rid, null, 50, null)) as { messages: Message[] };
				const texts = messages.map(({ msg }) => msg).filter((msg) => /^(cut|meanwhile|back|the last)/.test(msg));
				assert.deepEqual(
					texts.toReversed(),
					[...sent, ...last].map(({ msg }) => msg),
				);
			}
		});
	});
}
