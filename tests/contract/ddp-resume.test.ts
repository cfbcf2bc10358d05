import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { tcpProxy } from '../../packages/server/src/testing/tcp-proxy.ts';
import { meteorClient, type MeteorClient } from './meteor-client.ts';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { openLoggedIn, openWire } from './wire.ts';

/**
 * A client as Meteor's comes back with its session: it goes on where it was, without reading anything again.
 *
 * @see realtime contract 1.8, 2.2, 2.4; architecture 3, "Session resumption"
 */

const stream = 'stream-room-messages';

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`sessions that are resumed, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let ana: Session;
		let ben: Session;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana');
			ben = await createUser(server, 'ben');
		});
		after(() => server?.stop());

		const post = async (text: string, roomId = 'GENERAL'): Promise<string> =>
			(await ok(server.url, 'POST', 'chat.postMessage', { session: server.admin, body: { roomId, text } }))['message']
				._id;

		async function start(t: TestContext, pipelines: boolean) {
			const proxy = await tcpProxy('127.0.0.1', Number(new URL(server.url).port));
			const client = meteorClient(() => `ws://127.0.0.1:${proxy.port}/websocket`, ana.authToken, { pipelines });
			t.after(async () => {
				client.stop();
				await proxy.close();
			});
			await client.next(({ msg }) => msg === 'updated');
			await client.subscribe(stream, 'GENERAL', false);
			await client.subscribe('stream-notify-user', `${ana.userId}/subscriptions-changed`, false);
			await client.subscribe('meteor.loginServiceConfiguration');
			return { proxy, client };
		}

		const live = (client: MeteorClient) => client.events(stream, 'GENERAL').map(([message]) => message._id as string);
		const hears = (client: MeteorClient, _id: string) =>
			client.next(({ collection, fields }) => collection === stream && fields?.args?.[0]?._id === _id);
		const isReadyAgain = async (client: MeteorClient, connection: number) => {
			await client.next(({ msg, session }) => msg === 'connected' && session === client.sessions[connection]);
		};

		for (const pipelines of [false, true]) {
			test(`cut off and back, ${pipelines ? 'all said at once' : 'methods behind the login'}: the same session, missed events in order, own record again`, async (t) => {
				const { proxy, client } = await start(t, pipelines);
				const sent = [await post('before 1'), await post('before 2')];
				for (const id of sent) await hears(client, id);
				proxy.cut();
				for (let n = 1; n <= 5; n += 1) sent.push(await post(`away ${n}`));
				const from = client.frames.length;
				proxy.restore();
				for (const id of sent) await hears(client, id);
				await client.call('getRoomIdByNameOrId', 'general');
				sent.push(await post('after'));
				await hears(client, sent.at(-1) ?? '');

				assert.equal(client.sessions.length, 2);
				assert.equal(client.sessions[1], client.sessions[0], 'resumed');
				const firsts = [...new Set(live(client))].filter((id) => sent.includes(id));
				assert.deepEqual(firsts, sent);
				assert.deepEqual(client.problems, []);
				assert.equal(client.collections.get('users')?.get(ana.userId)?.['username'], 'ana');
				const back = client.frames.slice(from);
				assert.deepEqual(
					back.filter(({ msg }) => msg === 'added').map(({ collection }) => collection as string),
					['users'],
				);
				const answered = back.filter(({ msg }) => msg === 'ready').map(({ subs }) => subs[0] as string);
				assert.equal(new Set(answered).size, 3, 'each sub is answered again');
				assert.equal(answered.length, 3);
				assert.equal(back.filter(({ msg }) => msg === 'nosub').length, 0);
			});
		}

		test('a method whose answer was lost ran once and is answered once on the next connection', async (t) => {
			for (const pipelines of [false, true]) {
				const { client } = await start(t, pipelines);
				const watcher = await openLoggedIn(t, server, server.admin);
				await watcher.sub('w', stream, 'GENERAL', false);
				const msg = `once, ${mode}, ${String(pipelines)}`;
				const before = client.frames.length;
				client.deafen();
				// Without an id of its own: the server would store it again if it ran again.
				const answer = client.call('sendMessage', { rid: 'GENERAL', msg });
				const [stored] = await watcher.event(stream, 'GENERAL', ([message]) => message.msg === msg);
				client.cut();
				const result = await answer;
				assert.equal(result._id, stored._id);
				assert.equal(client.sessions[1], client.sessions[0], 'resumed');
				assert.equal(await server.db.collection('rocketchat_message').countDocuments({ msg }), 1);
				await client.call('getRoomIdByNameOrId', 'general');
				const results = client.frames.slice(before).filter((frame) => frame['result']?._id === stored._id);
				assert.equal(results.length, 1);
				assert.deepEqual(client.problems, []);
			}
		});

		test('five cuts in a row while others post and this one does, too: everything once or again, in order, nothing upset', async (t) => {
			const { client } = await start(t, false);
			const sent: string[] = [];
			for (let cut = 0; cut < 5; cut += 1) {
				sent.push(await post(`cut ${cut} a`));
				client.cut();
				const own = client.call('sendMessage', { rid: 'GENERAL', msg: `cut ${cut} own` });
				sent.push(await post(`cut ${cut} b`));
				const { _id } = await own;
				assert.equal(await server.db.collection('rocketchat_message').countDocuments({ msg: `cut ${cut} own` }), 1);
				await hears(client, _id);
				await isReadyAgain(client, cut + 1);
			}
			for (const id of sent) await hears(client, id);
			const firsts = [...new Set(live(client))].filter((id) => sent.includes(id));
			assert.deepEqual(firsts, sent);
			assert.deepEqual(new Set(client.sessions).size, 1);
			assert.deepEqual(client.problems, []);
		});

		test('somebody else with the session gets nothing of it, and is closed with 1012', async (t) => {
			const own = await openWire(t, server.socketUrl);
			const session = await own.negotiate();
			await own.login(ana);
			await own.sub('s', 'stream-notify-user', `${ana.userId}/message`, false);
			await own.sub('r', stream, 'GENERAL', false);
			own.terminate();
			await own.closed;
			const secret = await post('not for a thief');
			for (const token of [ben.authToken, 'wrong']) {
				const thief = await openWire(t, server.socketUrl);
				const connect = { msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'], session };
				thief.send(connect, { msg: 'method', id: '1', method: 'login', params: [{ resume: token }] });
				const { session: given } = await thief.next(({ msg }) => msg === 'connected');
				if (given === session) assert.equal((await thief.closed).code, 1012);
				assert.ok(thief.texts.every((text) => !text.includes(secret) && !text.includes('"username":"ana"')));
			}
		});
	});
}
