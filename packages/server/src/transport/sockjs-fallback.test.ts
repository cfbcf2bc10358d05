import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { testSocket } from '../testing/sockets.ts';
import { actorOf, streamerRig, type RigOptions } from '../testing/streamer.ts';

type TestContextOf = Parameters<typeof streamerRig>[0];

/** One answer, as far as it has come. */
type Answer = {
	status: number;
	headers: IncomingHttpHeaders;
	/** What has arrived. */
	text(): string;
	/** Waits until what has arrived fits. */
	until(fits: (text: string) => boolean): Promise<string>;
	/** The whole of it. */
	whole: Promise<string>;
	/** The client goes away. */
	abort(): void;
};

const patienceMs = 10_000;

async function withStreamer(t: TestContextOf, options: RigOptions = {}) {
	const rig = await streamerRig(t, options);

	function open(
		method: string,
		path: string,
		body = '',
		headers: Record<string, string> = {},
		signal?: AbortSignal,
	): Promise<Answer> {
		const { promise, resolve, reject } = Promise.withResolvers<Answer>();
		const all = { 'content-length': String(Buffer.byteLength(body)), ...headers };
		const request = httpRequest({
			host: '127.0.0.1',
			port: rig.port,
			method,
			path,
			agent: false,
			headers: all,
			signal,
		});
		request.on('error', reject);
		request.on('response', (response) => {
			let text = '';
			const checks = new Set<() => void>();
			response.setEncoding('utf8').on('data', (chunk: string) => {
				text += chunk;
				for (const check of checks) check();
			});
			const whole = new Promise<string>((done, fail) => {
				response.once('end', () => done(text)).once('error', fail);
			});
			whole.catch(() => undefined);
			const until = (fits: (text: string) => boolean) =>
				new Promise<string>((done, fail) => {
					const timer = setTimeout(() => fail(new Error(`not enough: ${text.slice(-200)}`)), patienceMs);
					const check = () => {
						if (!fits(text)) return;
						checks.delete(check);
						clearTimeout(timer);
						done(text);
					};
					checks.add(check);
					check();
				});
			const { statusCode: status = 0, headers: got } = response;
			resolve({ status, headers: got, text: () => text, until, whole, abort: () => request.destroy() });
		});
		request.end(body);
		return promise;
	}

	const whole = async (method: string, path: string, body = '') => {
		const answer = await open(method, path, body);
		return [answer.status, await answer.whole] as const;
	};
	const poll = async (session: string) => (await open('POST', `/sockjs/000/${session}/xhr`)).whole;
	const say = (session: string, ...frames: object[]) =>
		whole('POST', `/sockjs/111/${session}/xhr_send`, JSON.stringify(frames.map((frame) => JSON.stringify(frame))));
	/** A poll that waits: a second one was refused because of it. `give` ends it as a client that goes away does. */
	const waitingPoll = async (session: string) => {
		for (;;) {
			const given = new AbortController();
			const path = `/sockjs/000/${session}/xhr`;
			const first = open('POST', path, '', {}, given.signal).then((answer) => answer.whole);
			const second = poll(session);
			first.catch(() => undefined);
			const isRefused = (text: string) => text.startsWith('c[2010');
			const quick = await Promise.race([
				first.then((text) => ({ first: text })),
				second.then((text) => ({ second: text })),
			]);
			if ('second' in quick && isRefused(quick.second)) return { text: first, give: () => given.abort() };
			assert.ok('first' in quick && isRefused(quick.first));
			await say(session, ping('again'));
			await second;
		}
	};
	/** A polling session that has negotiated; what it was told before is read. */
	const connected = async (session: string) => {
		assert.equal(await poll(session), 'o\n');
		assert.equal(await poll(session), greeting);
		await say(session, connect);
		assert.match(await poll(session), /^a\["\{\\"msg\\":\\"connected\\"/);
	};
	return { rig, open, whole, poll, waitingPoll, say, connected };
}

const greeting = 'a["{\\"server_id\\":\\"0\\"}"]\n';
const connect = { msg: 'connect', version: '1', support: ['1'] };
const ping = (id: string) => ({ msg: 'ping', id });
const pong = (id: string) => `"{\\"msg\\":\\"pong\\",\\"id\\":\\"${id}\\"}"`;

test('xhr: o, then one frame with all that waits per request; the server in the path means nothing', async (t) => {
	const { open, poll, say, whole } = await withStreamer(t);
	const first = await open('POST', '/sockjs/000/s1/xhr', '', { origin: 'https://a.example' });
	assert.equal(await first.whole, 'o\n');
	assert.equal(first.status, 200);
	assert.equal(first.headers['content-type'], 'application/javascript; charset=UTF-8');
	assert.equal(first.headers['cache-control'], 'no-store, no-cache, no-transform, must-revalidate, max-age=0');
	assert.equal(first.headers['access-control-allow-origin'], 'https://a.example');
	assert.equal(first.headers['access-control-allow-credentials'], 'true');
	for (const absent of ['expires', 'last-modified', 'set-cookie']) assert.equal(first.headers[absent], undefined);
	assert.equal(await poll('s1'), greeting);
	const sent = await open('POST', '/sockjs/xyz/s1/xhr_send', JSON.stringify([JSON.stringify(connect)]));
	assert.deepEqual([sent.status, await sent.whole], [204, '']);
	assert.equal(sent.headers['content-type'], 'text/plain; charset=UTF-8');
	assert.equal(sent.headers['access-control-allow-origin'], '*');
	assert.match(await poll('s1'), /^a\["\{\\"msg\\":\\"connected\\",\\"session\\":\\"[\w-]+\\"\}"\]\n$/);
	await say('s1', ping('a'), ping('b'));
	assert.equal(await poll('s1'), `a[${pong('a')},${pong('b')}]\n`);
	const waiting = open('POST', '/sockjs/000/s1/xhr');
	await say('s1', ping('c'));
	assert.equal(await (await waiting).whole, `a[${pong('c')}]\n`);
	assert.deepEqual(await whole('POST', '/sockjs/000/s1/xhr_send', '[]'), [204, '']);
});

test('xhr_send: what it refuses, and in which words', async (t) => {
	const { whole, connected, say, poll } = await withStreamer(t);
	assert.equal((await whole('POST', '/sockjs/000/none/xhr_send', '["x"]'))[0], 404);
	await connected('s2');
	assert.deepEqual(await whole('POST', '/sockjs/000/s2/xhr_send', ''), [500, 'Payload expected.']);
	assert.deepEqual(await whole('POST', '/sockjs/000/s2/xhr_send', '["broken'), [500, 'Broken JSON encoding.']);
	assert.deepEqual(await whole('POST', '/sockjs/000/s2/xhr_send', '{"a":1}'), [500, 'Payload expected.']);
	assert.deepEqual(await whole('POST', '/sockjs/000/s2/xhr_send', '["a",1]'), [500, 'Payload expected.']);
	assert.equal((await whole('GET', '/sockjs/000/s2/xhr_send'))[0], 405);
	await say('s2', ping('still'));
	assert.equal(await poll('s2'), `a[${pong('still')}]\n`, 'the session goes on');
});

test('xhr_streaming: a head of 2 KiB, then frames as they come, until 128 KiB; then the next answer goes on', async (t) => {
	const { rig, open, say } = await withStreamer(t);
	rig.core.answer = async () => 'x'.repeat(50_000);
	const stream = await open('POST', '/sockjs/000/s3/xhr_streaming');
	assert.equal(stream.headers['content-type'], 'application/javascript; charset=UTF-8');
	const head = `${'h'.repeat(2048)}\n`;
	assert.equal(await stream.until((text) => text.endsWith(greeting)), `${head}o\n${greeting}`);
	await say('s3', connect);
	for (const id of ['1', '2', '3']) await say('s3', { msg: 'method', id, method: 'anything', params: [] });
	const text = await stream.whole;
	assert.ok(text.length > 128 * 1024 && text.length < 160 * 1024, `${text.length}`);
	const next = await open('POST', '/sockjs/000/s3/xhr_streaming');
	await say('s3', ping('x'));
	const rest = await next.until((got) => got.includes(pong('x')));
	assert.ok(rest.startsWith(`${head}a[`));
	const results = [
		...(text + rest).matchAll(/\\"msg\\":\\"(result|updated)\\",\\"(?:id\\":|methods\\":\[)\\"(\d)\\"/g),
	];
	assert.deepEqual(
		results.map(([, msg, id]) => `${msg}${id}`).toSorted(),
		['1', '2', '3'].flatMap((id) => [`result${id}`, `updated${id}`]).toSorted(),
	);
	next.abort();
});

test('eventsource: events whose per cent signs are escaped, because clients decode them', async (t) => {
	const { open, say } = await withStreamer(t);
	const stream = await open('GET', '/sockjs/000/s4/eventsource');
	assert.equal(stream.headers['content-type'], 'text/event-stream');
	const data = greeting.trim();
	const start = `\r\ndata: o\r\n\r\ndata: ${data}\r\n\r\n`;
	assert.equal(await stream.until((text) => text.length >= start.length), start);
	await say('s4', connect, ping('100%25 \u2028'));
	const event = `"{\\"msg\\":\\"pong\\",\\"id\\":\\"100%2525 \\u2028\\"}"`;
	await stream.until((text) => text.includes(event) && text.endsWith(']\r\n\r\n'));
	stream.abort();
});

test('htmlfile: a page that calls the named function; what users wrote cannot end its scripts', async (t) => {
	const { open, say, whole } = await withStreamer(t);
	assert.deepEqual(await whole('GET', '/sockjs/000/s5/htmlfile'), [500, '"callback" parameter required']);
	assert.deepEqual(await whole('GET', '/sockjs/000/s5/htmlfile?c=a%3Cb'), [500, 'invalid "callback" parameter']);
	assert.equal((await whole('POST', '/sockjs/000/s5/xhr_send', '["x"]'))[0], 404, 'nothing was opened');
	const stream = await open('GET', '/sockjs/000/s5/htmlfile?c=_jp.a-1');
	assert.equal(stream.headers['content-type'], 'text/html; charset=UTF-8');
	assert.match(String(stream.headers['content-security-policy']), /frame-ancestors 'self'/);
	const opening = '<script>\np("o");\n</script>\r\n';
	const text = await stream.until((got) => got.includes('server_id') && got.endsWith('</script>\r\n'));
	const head = text.slice(0, text.indexOf(opening));
	assert.ok(head.length > 1024 && head.endsWith('\r\n\r\n') && head.includes('var c = parent._jp.a-1;'));
	assert.match(head, /function p\(d\) \{c\.message\(d\);\};/);
	assert.equal(
		text.slice(head.length + opening.length),
		'<script>\np("a[\\"{\\\\\\"server_id\\\\\\":\\\\\\"0\\\\\\"}\\"]");\n</script>\r\n',
	);
	await say('s5', connect, ping('</script><script>alert(1)//<!--'));
	const all = await stream.until((got) => got.includes('alert'));
	const scripts = [...all.slice(text.length).matchAll(/<script>\np\((.*)\);\n<\/script>\r\n/g)];
	const frames = scripts.map(([, literal]) => JSON.parse(literal ?? '') as string).join('');
	assert.ok(frames.includes('</script><script>alert(1)//<!--'));
	assert.equal(all.split('</script>').length, all.split('<script>').length, 'no script more than we wrote');
	assert.ok(!all.includes('<script>alert') && !all.includes('<!--'));
	stream.abort();
});

test('a second receiver at the same time is refused with 2010, and the first goes on', async (t) => {
	const { open, poll, waitingPoll, say, connected } = await withStreamer(t);
	await connected('s6');
	const waiting = await waitingPoll('s6');
	assert.equal(await poll('s6'), 'c[2010,"Another connection still open"]\n');
	await say('s6', ping('x'));
	assert.equal(await waiting.text, `a[${pong('x')}]\n`);
	const stream = await open('POST', '/sockjs/000/s6/xhr_streaming');
	await stream.until((text) => text.length > 2048);
	assert.equal(await poll('s6'), 'c[2010,"Another connection still open"]\n');
	stream.abort();
});

test('after a close every receiver gets the same close frame, until the session is forgotten', async (t) => {
	const { rig, open, poll, say, whole } = await withStreamer(t);
	assert.equal(await poll('s7'), 'o\n');
	assert.equal(await poll('s7'), greeting);
	const waiting = open('POST', '/sockjs/000/s7/xhr');
	for (let count = 0; count < 3; count++) await say('s7', ping('early'));
	const close = 'c[1002,"CLOSE_PROTOCOL_ERROR"]\n';
	let texts = await (await waiting).whole;
	while (!texts.endsWith(close)) texts += await poll('s7');
	assert.match(texts, /Must connect first/);
	for (let count = 0; count < 3; count++) assert.equal(await poll('s7'), close);
	const stream = await open('GET', '/sockjs/000/s7/eventsource');
	assert.equal(await stream.whole, `\r\ndata: ${close.trim()}\r\n\r\n`);
	assert.equal((await whole('POST', '/sockjs/000/s7/xhr_send', '["x"]'))[0], 204);
	assert.deepEqual(rig.closed, [1002]);
	rig.clock.advance(61_000);
	let last = close;
	while (last === close) last = await poll('s7');
	assert.equal(last, 'o\n', 'the name is free again');
});

test('a session without a receiver is kept for 60 s, then it ends', async (t) => {
	const { rig, poll, connected, say, whole } = await withStreamer(t, { limits: { pingAfterMs: 200_000 } });
	await connected('s8');
	rig.clock.advance(55_000);
	await say('s8', ping('x'));
	assert.equal(await poll('s8'), `a[${pong('x')}]\n`);
	rig.clock.advance(55_000);
	assert.equal((await whole('POST', '/sockjs/000/s8/xhr_send', '[]'))[0], 204);
	assert.deepEqual(rig.closed, []);
	rig.clock.advance(6_000);
	while (rig.closed.length === 0) await whole('GET', '/sockjs/info');
	assert.deepEqual(rig.closed, [1006]);
	assert.equal((await whole('POST', '/sockjs/000/s8/xhr_send', '[]'))[0], 404);
});

test('a client that hears nothing gets a heartbeat after 25 s: polling, it ends the answer; streaming, it does not', async (t) => {
	const { rig, open, waitingPoll, say, connected } = await withStreamer(t, { limits: { pingAfterMs: 200_000 } });
	await connected('s9');
	const waiting = await waitingPoll('s9');
	rig.clock.advance(24_000);
	await say('s9', connect);
	assert.match(await waiting.text, /Already connected/, 'no heartbeat yet');
	const stream = await open('POST', '/sockjs/000/s9/xhr_streaming');
	await stream.until((text) => text.length === 2049);
	rig.clock.advance(26_000);
	await stream.until((text) => text.endsWith('\nh\n'));
	await say('s9', ping('x'));
	assert.equal(await stream.until((text) => text.endsWith(']\n')), `${'h'.repeat(2048)}\nh\na[${pong('x')}]\n`);
	stream.abort();
	await connected('s10');
	const idle = await waitingPoll('s10');
	rig.clock.advance(26_000);
	assert.equal(await idle.text, 'h\n');
});

test('a poll that the client gives up loses nothing: what waits goes to the next one', async (t) => {
	const { rig, open, poll, waitingPoll, say, connected } = await withStreamer(t);
	await connected('s11');
	(await waitingPoll('s11')).give();
	const next = open('POST', '/sockjs/000/s11/xhr').then((answer) => answer.whole);
	await say('s11', ping('a'));
	let texts = await next;
	while (!texts.includes(pong('a'))) texts += await poll('s11');
	assert.deepEqual(rig.closed, []);
});

test('a streaming answer that breaks ends the session with 1002: nobody knows what arrived', async (t) => {
	const { rig, open, poll } = await withStreamer(t);
	const stream = await open('POST', '/sockjs/000/s12/xhr_streaming');
	await stream.until((text) => text.endsWith(greeting));
	stream.abort();
	while (rig.closed.length === 0) await fetch(`http://${rig.url}/sockjs/info`);
	assert.deepEqual(rig.closed, [1002]);
	assert.equal(await poll('s12'), 'c[1002,"Connection interrupted"]\n');
	assert.equal(await poll('s12'), 'c[1002,"Connection interrupted"]\n');
});

test('a polling client that does not fetch what piles up is closed with 4429', async (t) => {
	const { rig, poll, say, connected } = await withStreamer(t);
	rig.rights.rooms.set('r', new Set([null]));
	await connected('s13');
	await say('s13', { msg: 'sub', id: 'm', name: 'stream-room-messages', params: ['r', false] });
	assert.match(await poll('s13'), /ready/);
	const filler = 'x'.repeat(60_000);
	for (let n = 0; n < 20; n++) {
		rig.bus.publish({
			key: 'room:r',
			parts: [{ kind: 'direct', stream: 'room-messages', event: 'r', args: [{ n, filler }] }],
		});
	}
	while (rig.closed.length === 0) await fetch(`http://${rig.url}/sockjs/info`);
	assert.deepEqual(rig.closed, [4429]);
	assert.equal(await poll('s13'), 'c[4429,"SLOW_CONSUMER"]\n');
});

test('bodies: 64 KiB before a login, larger ones after it; more is 413 and the session goes on', async (t) => {
	const { rig, whole, poll, say, connected } = await withStreamer(t, { limits: { maxMessageBytes: 200_000 } });
	const big = (bytes: number) => JSON.stringify([JSON.stringify({ msg: 'ping', id: 'b', filler: 'x'.repeat(bytes) })]);
	await connected('s14');
	assert.deepEqual(await whole('POST', '/sockjs/000/s14/xhr_send', big(66_000)), [413, 'Payload Too Large\n']);
	rig.tokens.set('token', actorOf('ana', 'token'));
	await say('s14', { msg: 'method', id: 'l', method: 'login', params: [{ resume: 'token' }] });
	let texts = '';
	while (!texts.includes('updated')) texts += await poll('s14');
	assert.equal((await whole('POST', '/sockjs/000/s14/xhr_send', big(150_000)))[0], 204);
	assert.equal((await whole('POST', '/sockjs/000/s14/xhr_send', big(210_000)))[0], 413);
	assert.match(await poll('s14'), /pong/);
	assert.deepEqual(rig.closed, []);
});

test('a body that does not come is not waited for', async (t) => {
	const { rig, connected } = await withStreamer(t, { fallbackLimits: { bodyTimeoutMs: 50 } });
	await connected('s15');
	const request = httpRequest({
		port: rig.port,
		method: 'POST',
		path: '/sockjs/000/s15/xhr_send',
		agent: false,
		headers: { 'content-length': '100' },
	});
	request.write('["');
	const [response] = (await once(request, 'response')) as [IncomingMessage];
	assert.equal(response.statusCode, 408);
	request.on('error', () => undefined).destroy();
});

test('a full or stopping server refuses new sessions with 503 and Retry-After, and ends the others with 1012', async (t) => {
	const { rig, open, poll, connected } = await withStreamer(t, { fallbackLimits: { maxSessions: 2 } });
	await connected('s16');
	await connected('s17');
	const refused = await open('POST', '/sockjs/000/s18/xhr');
	assert.deepEqual([refused.status, Number(refused.headers['retry-after']) > 0], [503, true]);
	const stream = await open('POST', '/sockjs/000/s17/xhr_streaming');
	await rig.ddp.stop();
	assert.match(await stream.whole, /c\[1012,"SERVICE_RESTART"\]\n$/);
	assert.equal(await poll('s16'), 'c[1012,"SERVICE_RESTART"]\n');
});

test('a stopping server takes no new session', async (t) => {
	const { rig, open } = await withStreamer(t);
	await rig.ddp.stop();
	const refused = await open('POST', '/sockjs/000/s19/xhr');
	assert.deepEqual([refused.status, Number(refused.headers['retry-after']) > 0], [503, true]);
});

test('paths and methods: what is allowed, what is not offered, all behind the prefix', async (t) => {
	const { open, whole } = await withStreamer(t, { prefix: '/chat' });
	for (const [method, path, allow] of [
		['GET', '/chat/sockjs/000/p/xhr', 'OPTIONS, POST'],
		['GET', '/chat/sockjs/000/p/xhr_streaming', 'OPTIONS, POST'],
		['PUT', '/chat/sockjs/000/p/xhr_send', 'OPTIONS, POST'],
		['POST', '/chat/sockjs/000/p/eventsource', 'OPTIONS, GET'],
		['POST', '/chat/sockjs/000/p/htmlfile', 'OPTIONS, GET'],
		['POST', '/chat/sockjs/info', 'OPTIONS, GET'],
		['POST', '/chat/sockjs/', 'GET'],
		['POST', '/chat/sockjs/iframe.html', 'GET'],
		['POST', '/chat/sockjs/000/p/websocket', 'GET'],
	] as const) {
		const refused = await open(method, path);
		assert.deepEqual([path, refused.status, refused.headers['allow']], [path, 405, allow]);
		if (!allow.startsWith('OPTIONS')) continue;
		const options = await open('OPTIONS', path, '', {
			origin: 'https://a.example',
			'access-control-request-headers': 'content-type',
		});
		assert.equal(options.status, 204);
		assert.equal(options.headers['access-control-allow-methods'], allow);
		assert.equal(options.headers['access-control-allow-origin'], 'https://a.example');
		assert.equal(options.headers['access-control-allow-headers'], 'content-type');
		assert.equal(options.headers['access-control-max-age'], '31536000');
		assert.equal(options.headers['cache-control'], 'public, max-age=31536000');
	}
	const absent = ['jsonp?c=x', 'jsonp_send', 'xhr_x', 'x/xhr', ''].map((end) => `/chat/sockjs/000/p/${end}`);
	for (const path of [...absent, '/chat/sockjs/0.0/p/xhr', '/chat/sockjs/000/p.q/xhr', '/chat/sockjs//p/xhr']) {
		for (const method of ['GET', 'POST']) assert.deepEqual([path, (await whole(method, path))[0]], [path, 404]);
	}
	assert.equal((await whole('POST', '/sockjs/000/p/xhr'))[0], 418, 'not ours outside of the prefix');
	assert.deepEqual(await whole('POST', '/chat/sockjs/000/p/xhr'), [200, 'o\n']);
});

test('with a list of origins pages of other sites are refused, on requests and on sockets', async (t) => {
	const ours = 'https://chat.example';
	const { rig, open } = await withStreamer(t, { allowedOrigins: [ours] });
	const ask = (method: string, path: string, origin: string) => open(method, path, '', { origin });
	for (const [method, path] of [
		['GET', '/sockjs/info'],
		['OPTIONS', '/sockjs/000/o/xhr'],
		['POST', '/sockjs/000/o/xhr'],
	] as const) {
		const refused = await ask(method, path, 'https://evil.example');
		assert.deepEqual([path, refused.status], [path, 403]);
		assert.equal(refused.headers['access-control-allow-origin'], undefined);
	}
	assert.equal(await (await ask('POST', '/sockjs/000/o/xhr', ours)).whole, 'o\n');
	const socket = `ws://${rig.url}/websocket`;
	await assert.rejects(testSocket(socket, { origin: 'https://evil.example' }), { status: 403 });
	await assert.rejects(testSocket(socket, { origin: 'null' }), { status: 403 });
	for (const headers of [{ origin: ours }, {}] as Record<string, string>[])
		(await testSocket(socket, headers)).terminate();
	const page = await open('GET', '/sockjs/iframe.html');
	assert.match(String(page.headers['content-security-policy']), /frame-ancestors https:\/\/chat\.example$/);
});

test('iframe page: loads the client script from here, is kept for a year, 304 when it is known', async (t) => {
	const { open, whole } = await withStreamer(t);
	const page = await open('GET', '/sockjs/iframe.html');
	const text = await page.whole;
	assert.equal(page.headers['content-type'], 'text/html; charset=UTF-8');
	assert.equal(page.headers['cache-control'], 'public, max-age=31536000');
	assert.ok(page.headers['expires'] && page.headers['etag']);
	assert.ok(text.includes('<script src="sockjs.min.js"></script>') && text.includes('SockJS.bootstrap_iframe();'));
	const hash = createHash('sha256').update('SockJS.bootstrap_iframe();').digest('base64');
	const policy = String(page.headers['content-security-policy']);
	assert.ok(policy.includes(`'sha256-${hash}'`) && !policy.includes('unsafe'));
	const known = await open('GET', '/sockjs/iframe-1.6.1_x.html', '', { 'if-none-match': page.headers['etag'] ?? '' });
	assert.deepEqual([known.status, await known.whole, known.headers['content-type']], [304, '', undefined]);
	for (const path of ['iframe-.html', 'iframe-a.b-c.html'])
		assert.equal((await whole('GET', `/sockjs/${path}`))[0], 200);
	for (const path of ['iframe.htm', 'iframe', 'IFRAME.html', 'iframe.xml', 'iframe-/.html', 'iframeX.html']) {
		assert.deepEqual([path, (await whole('GET', `/sockjs/${path}`))[0]], [path, 404]);
	}
	const script = await open('GET', '/sockjs/sockjs.min.js');
	assert.equal(script.headers['content-type'], 'application/javascript; charset=UTF-8');
	assert.match(await script.whole, /sockjs-client v1\.6\./);
});
