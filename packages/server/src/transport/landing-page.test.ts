import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { landingPage } from './landing-page.ts';

test('the page is at the root of the deployment only, and its name is text, never markup', async (t) => {
	const handle = landingPage('/chat', 'https://example.com/chat', () => '<script>alert(1)</script> & co');
	const server = createServer((request, response) => {
		if (!handle(request, response)) response.writeHead(404).end();
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => void server.close());
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

	const answer = await fetch(`${url}/chat/?x=1`);

	assert.equal(answer.status, 200);
	assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
	const text = await answer.text();
	assert.ok(!text.includes('<script>'));
	assert.ok(text.includes('<code>wss://example.com/chat/websocket</code>'));
	assert.equal((await fetch(`${url}/chat`, { method: 'HEAD' })).status, 200);
	for (const path of ['/', '/chatter', '/chat/api']) assert.equal((await fetch(url + path)).status, 404, path);
	assert.equal((await fetch(`${url}/chat/`, { method: 'POST' })).status, 404);
});
