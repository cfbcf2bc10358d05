import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { systemClock } from '../platform/clock.ts';
import { route } from '../rest/route.ts';
import { routeRunner } from '../rest/run.ts';
import type { CoreServices } from '../services/core.ts';
import { fakeLog, fakeSettings } from '../testing/accounts.ts';
import { httpServer, listen, type CorsRule } from './http.ts';

type Answer = { status: number; headers: IncomingHttpHeaders; text: string };

const notFound = {
	success: false,
	status: 'error',
	error: 'Resource not found',
	message: 'API endpoint does not exist',
};

/** Two public routes behind a real server. */
async function withServer(t: TestContext, cors: CorsRule = { enabled: false, origin: '*' }) {
	let runs = 0;
	const routes = [
		route({
			post: 'echo/:what',
			summary: 'Answers what it was sent',
			auth: 'public',
			body: z.object({ name: z.string().optional() }),
			run: ({ body, path }) => {
				runs += 1;
				return Promise.resolve({ body, path });
			},
		}),
		route({ get: 'plain', summary: 'Answers nothing', auth: 'public', run: () => Promise.resolve({}) }),
	];
	const settings = fakeSettings({ API_Enable_Rate_Limiter: false });
	const { log } = fakeLog();
	const services = { settings } as unknown as CoreServices;
	const run = routeRunner({ services, clock: systemClock, log });
	const server = await httpServer({ routes, run, prefix: '', forwardedCount: 0, before: [], cors: () => cors, log });
	const port = await listen(server, 0, '127.0.0.1');
	t.after(() => new Promise((resolve) => server.close(resolve)));

	function ask(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
		const { promise, resolve, reject } = Promise.withResolvers<Answer>();
		const length = { 'content-length': Buffer.byteLength(body) };
		const request = httpRequest(
			{ host: '127.0.0.1', port, method, path, agent: false, headers: { ...length, ...headers } },
			(response) => {
				let text = '';
				response.setEncoding('utf8');
				response.on('data', (chunk: string) => (text += chunk));
				response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
			},
		);
		request.on('error', reject);
		request.end(body);
		return promise;
	}

	async function raw(bytes: string): Promise<string> {
		const socket = connect(port, '127.0.0.1');
		let text = '';
		socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
		socket.write(bytes);
		await once(socket, 'close');
		return text;
	}

	return { ask, raw, runs: () => runs, port };
}

test('what the server refuses by itself is JSON in the form of all other refusals', async (t) => {
	const { ask, raw } = await withServer(t);
	const json = { 'content-type': 'application/json' };
	const long = 'a'.repeat(9_000);
	const cases: [Promise<Answer>, number, object][] = [
		[ask('GET', '/api/v1/%E0%A4%A'), 400, { success: false, error: 'Bad Request' }],
		[ask('POST', `/api/v1/echo/${'a'.repeat(2_000)}`, json, '{}'), 414, { success: false, error: 'URI Too Long' }],
		[ask('GET', `/api/v1/plain?x=${long}`), 414, { success: false, error: 'URI Too Long' }],
		[
			ask('POST', '/api/v1/echo/a', { 'content-type': 'garbage' }, '{}'),
			415,
			{ success: false, error: 'Unsupported Media Type' },
		],
		[
			ask('POST', '/api/v1/echo/a', { 'content-type': 'text/plain' }, '{}'),
			415,
			{ success: false, error: 'Unsupported Media Type' },
		],
		[ask('GET', '/api/v1/none'), 404, notFound],
		[ask('GET', '/none'), 404, notFound],
		[ask('GET', '/api/v1/echo/a'), 405, notFound],
		[ask('TRACE', '/api/v1/plain'), 405, notFound],
	];
	for (const [answer, status, body] of cases) {
		const { headers, ...got } = await answer;
		assert.deepEqual([got.status, JSON.parse(got.text)], [status, body]);
		assert.equal(headers['content-type'], 'application/json');
		if (status === 405) assert.match(headers.allow ?? '', /^(GET|POST)$/);
	}
	for (const [bytes, status, error] of [
		['NONSENSE\r\n\r\n', '400 Bad Request', 'Bad Request'],
		[`GET / HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, '431 Request Header Fields Too Large', undefined],
	] as const) {
		const [head = '', body = ''] = (await raw(bytes)).split('\r\n\r\n');
		assert.ok(head.startsWith(`HTTP/1.1 ${status}\r\n`) && head.includes('content-type: application/json\r\n'), head);
		assert.deepEqual(JSON.parse(body), { success: false, error: error ?? 'Request Header Fields Too Large' });
	}
});

test('a client that is still sending too large a body reads the refusal', async (t) => {
	const { ask, port, runs } = await withServer(t);
	const body = JSON.stringify({ name: 'x'.repeat(12 * 1024 * 1024) });
	const tooLarge = { success: false, error: 'Payload Too Large' };
	const known = await ask('POST', '/api/v1/echo/a', { 'content-type': 'application/json' }, body);
	assert.deepEqual([known.status, JSON.parse(known.text)], [413, tooLarge]);
	assert.equal(known.headers.connection, 'close');
	const chunked = await fetch(`http://127.0.0.1:${port}/api/v1/echo/a`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: new Blob([body]).stream(),
		duplex: 'half',
	});
	assert.deepEqual([chunked.status, await chunked.json()], [413, tooLarge]);
	assert.equal(runs(), 0);
});

test('CORS: a page of a site that is not listed gets 403, and nothing happens', async (t) => {
	const { ask, runs } = await withServer(t, { enabled: true, origin: 'http://a.example, http://b.example' });
	const json = { 'content-type': 'application/json' };
	for (const method of ['POST', 'OPTIONS']) {
		const { status, text } = await ask(method, '/api/v1/echo/a', { ...json, origin: 'http://evil.example' }, '{}');
		assert.deepEqual([status, text], [403, '']);
	}
	assert.equal(runs(), 0);
	const listed = await ask('POST', '/api/v1/echo/a', { ...json, origin: 'http://b.example' }, '{}');
	assert.equal(listed.status, 200);
	assert.equal(listed.headers['access-control-allow-origin'], 'http://b.example');
	assert.equal(listed.headers.vary, 'Origin');
	assert.equal((await ask('POST', '/api/v1/echo/a', json, '{}')).status, 200);
	const refused = await ask('POST', '/api/v1/echo/a', { ...json, origin: 'http://b.example' }, 'x'.repeat(2_000_000));
	assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [413, 'http://b.example']);
});

test('CORS: an empty list lets programs in and no page', async (t) => {
	const { ask } = await withServer(t, { enabled: true, origin: '' });
	const program = await ask('GET', '/api/v1/plain');
	assert.deepEqual([program.status, program.headers['access-control-allow-origin']], [200, undefined]);
	assert.equal((await ask('GET', '/api/v1/plain', { origin: 'http://a.example' })).status, 403);
});

test('CORS: everybody when it is on for all, no headers when it is off', async (t) => {
	const open = await withServer(t, { enabled: true, origin: '*' });
	const preflight = await open.ask('OPTIONS', '/api/v1/plain', { origin: 'http://a.example' });
	assert.deepEqual([preflight.status, preflight.text], [200, 'OK']);
	assert.equal(preflight.headers['access-control-allow-origin'], '*');
	const closed = await withServer(t);
	const plain = await closed.ask('GET', '/api/v1/plain', { origin: 'http://a.example' });
	assert.deepEqual([plain.status, plain.headers['access-control-allow-origin']], [200, undefined]);
});
