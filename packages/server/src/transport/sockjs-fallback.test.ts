import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { connect, fallbackRig, greeting, ping, pong } from '../testing/fallback.ts';
import { actorOf } from '../testing/streamer.ts';

test('xhr: o, then one frame with all that waits per request; the server in the path means nothing', async (t) => {
	const { open, poll, say, whole } = await fallbackRig(t);
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
	const { whole, connected, say, poll } = await fallbackRig(t);
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
	const { rig, open, say } = await fallbackRig(t);
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
	const { open, say } = await fallbackRig(t);
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
	const { open, say, whole } = await fallbackRig(t);
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

test('bodies: 64 KiB before a login, larger ones after it; more is 413 and the session goes on', async (t) => {
	const { rig, whole, poll, say, connected } = await fallbackRig(t, { limits: { maxMessageBytes: 200_000 } });
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
	const { rig, connected } = await fallbackRig(t, { fallbackLimits: { bodyTimeoutMs: 50 } });
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
