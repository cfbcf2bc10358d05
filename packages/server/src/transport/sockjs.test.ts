import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fallbackRig } from '../testing/fallback.ts';
import { testSocket } from '../testing/sockets.ts';

test('paths and methods: what is allowed, what is not offered, all behind the prefix', async (t) => {
	const { open, whole } = await fallbackRig(t, { prefix: '/chat' });
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
	const { rig, open } = await fallbackRig(t, { allowedOrigins: [ours] });
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
	const { open, whole } = await fallbackRig(t);
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
