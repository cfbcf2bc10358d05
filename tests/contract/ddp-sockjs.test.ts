import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { openWire, type Wire } from './wire.ts';

/** SockJS framing over WebSocket and the plain requests beside it. @see realtime contract 1.1, 1.4, 1.5 */

const connectText = JSON.stringify({ msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] });
const ping = (id: string) => JSON.stringify({ msg: 'ping', id });

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`SockJS, ${mode}`, { concurrency: false, timeout: 120_000 }, () => {
		let server: TestServer;
		let base: string;
		let ana: Session;
		before(async () => {
			server = await startServer(mode);
			base = server.url.replace('http', 'ws');
			ana = await createUser(server, 'ana');
		});
		after(() => server?.stop());

		const open = (t: TestContext, session = 'abcdefgh') => openWire(t, `${base}/sockjs/123/${session}/websocket`);
		const pong = (wire: Wire, id: string) => wire.next((frame) => frame['msg'] === 'pong' && frame['id'] === id);

		test('begins with `o`, then the known first frame; every frame is an array of strings', async (t) => {
			for (const path of ['/sockjs/123/abcdefgh/websocket', '/sockjs/0/x/websocket?t=1', '/sockjs/a-b/c d/websocket']) {
				const wire = await openWire(t, `${base}${path}`);
				await wire.negotiate();
				assert.equal(wire.messages[0], 'o', path);
				assert.equal(wire.messages[1], 'a["{\\"server_id\\":\\"0\\"}"]', path);
				assert.match(wire.messages[2] ?? '', /^a\["\{\\"msg\\":\\"connected\\",\\"session\\":\\"[^"\\]+\\"\}"\]$/);
			}
		});

		test('several strings in one message are handled in order; a single string counts; nothing counts as nothing', async (t) => {
			const wire = await open(t);
			wire.sendRaw('[]');
			wire.sendRaw('');
			wire.sendRaw(JSON.stringify([connectText, ping('1'), ping('2')]));
			wire.sendRaw(JSON.stringify(ping('3')));
			wire.sendRaw('[]');
			wire.sendRaw(JSON.stringify([ping('4')]));
			await pong(wire, '4');
			assert.deepEqual(
				wire.frames.slice(1).map((frame) => frame['id'] ?? frame['msg']),
				['connected', '1', '2', '3', '4'],
			);
		});

		test('broken JSON ends the connection, as does what holds no strings', async (t) => {
			for (const text of ['[', '["x', '{}', '5', 'null', '[{"msg":"ping"}]', '[1]', '[["x"]]']) {
				const wire = await open(t);
				await wire.negotiate();
				wire.sendRaw(text);
				const { code } = await wire.closed;
				assert.ok(code !== 1000 && code !== 4000, `${text}: ${code}`);
			}
		});

		test('a string that is no JSON is a DDP error; the session goes on', async (t) => {
			const wire = await open(t);
			await wire.negotiate();
			wire.sendRaw('["{broken"]');
			assert.deepEqual(await wire.next(({ msg }) => msg === 'error'), { msg: 'error', reason: 'Parse error' });
			await wire.settled();
		});

		test('two sockets with one session name are two sessions', async (t) => {
			const [first, second] = [await open(t, 'the-same'), await open(t, 'the-same')];
			assert.notEqual(await first.negotiate(), await second.negotiate());
			first.close();
			await first.closed;
			await second.settled();
		});

		test('what browsers would mangle is escaped, and arrives as it was written', async (t) => {
			const wire = await open(t);
			await wire.negotiate();
			await wire.login(ana);
			await wire.sub('s', 'stream-room-messages', 'GENERAL', false);
			const text = 'a\u200d\u2028\u2029\ufeff\ufff0\u00ad\u0601 \u{1f600} é " \\ end';
			await ok(server.url, 'POST', 'chat.postMessage', { session: ana, body: { roomId: 'GENERAL', text } });
			const [message] = await wire.event('stream-room-messages', 'GENERAL', ([entry]) => entry.msg.endsWith(' end'));
			assert.equal(message.msg, text);
			const frame = wire.messages.find((entry) => entry.includes(message._id)) ?? '';
			for (const code of [0x200d, 0x2028, 0x2029, 0xfeff, 0xfff0, 0xad, 0x601]) {
				assert.ok(!frame.includes(String.fromCharCode(code)), code.toString(16));
			}
			assert.ok(frame.includes('\u{1f600}') || frame.includes('\\ud83d\\ude00'));
		});

		test('info: type, caching, no cookie, fresh entropy', async () => {
			const answers = await Promise.all([1, 2].map(() => fetch(`${server.url}/sockjs/info?cb=x7s`)));
			const entropies = new Set<number>();
			for (const answer of answers) {
				assert.equal(answer.status, 200);
				assert.equal(answer.headers.get('content-type'), 'application/json; charset=UTF-8');
				assert.equal(
					answer.headers.get('cache-control'),
					'no-store, no-cache, no-transform, must-revalidate, max-age=0',
				);
				for (const name of ['expires', 'last-modified', 'set-cookie', 'access-control-allow-credentials'])
					assert.equal(answer.headers.get(name), null, name);
				assert.equal(answer.headers.get('access-control-allow-origin'), '*');
				const { entropy, ...info } = (await answer.json()) as { entropy: number };
				assert.deepEqual(info, { websocket: true, origins: ['*:*'], cookie_needed: false });
				assert.ok(Number.isInteger(entropy) && entropy >= 0 && entropy < 2 ** 32);
				entropies.add(entropy);
			}
			assert.equal(entropies.size, 2);
		});

		test('info: an origin is echoed with credentials; its preflight may be kept for a year', async () => {
			for (const origin of ['https://chat.example', 'null']) {
				const answer = await fetch(`${server.url}/sockjs/info`, { headers: { origin } });
				assert.equal(answer.headers.get('access-control-allow-origin'), origin);
				assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
				await answer.text();
			}
			for (const asked of [undefined, '', 'x-one, x-two']) {
				const answer = await fetch(`${server.url}/sockjs/info`, {
					method: 'OPTIONS',
					headers: {
						origin: 'https://chat.example',
						...(asked === undefined ? {} : { 'access-control-request-headers': asked }),
					},
				});
				assert.ok([200, 204].includes(answer.status));
				assert.equal(await answer.text(), '');
				assert.equal(answer.headers.get('access-control-allow-methods'), 'OPTIONS, GET');
				assert.equal(answer.headers.get('access-control-max-age'), '31536000');
				assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000');
				assert.ok(Date.parse(answer.headers.get('expires') ?? '') > Date.now());
				assert.equal(answer.headers.get('access-control-allow-headers'), asked === '' ? null : (asked ?? null));
			}
		});

		test('the greeting, and 404 for everything else', async () => {
			for (const path of ['/sockjs', '/sockjs/']) {
				const answer = await fetch(`${server.url}${path}`);
				assert.equal(answer.status, 200);
				assert.equal(answer.headers.get('content-type'), 'text/plain; charset=UTF-8');
				assert.equal(await answer.text(), 'Welcome to SockJS!\n');
			}
			for (const path of [
				'/sockjs/a',
				'/sockjs/a/b',
				'/sockjs/a/b/c',
				'/sockjs/a.b/c/xhr',
				'/sockjs/a/b.c/xhr',
				'/sockjs//b/xhr',
				'/sockjs/a/b/jsonp?c=x',
				'/sockjs/a/b/jsonp_send',
				'/sockjs/info/x',
			]) {
				for (const method of ['GET', 'POST']) {
					const answer = await fetch(`${server.url}${path}`, { method });
					assert.equal(answer.status, 404, `${method} ${path}`);
					await answer.text();
				}
			}
		});
	});
}
