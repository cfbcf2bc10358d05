import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { systemClock } from '../platform/clock.ts';
import type { CoreServices } from '../services/core.ts';
import { fakeLog, fakeSettings } from '../testing/accounts.ts';
import { parseQuery } from './body.ts';
import { methodCallAnon } from './method-call.ts';
import { qBool, qDate, qInt, qList, qText } from './query.ts';
import { route, type Route } from './route.ts';
import { routeRunner } from './run.ts';

const calls: unknown[] = [];
const services = {
	settings: fakeSettings({ API_Enable_Rate_Limiter: false }),
	runMethod: (call: { method: string; params: unknown[] }) => {
		calls.push(call.params);
		return Promise.resolve(call.params[0]);
	},
	reportBug: (error: unknown) => assert.fail(String(error)),
} as unknown as CoreServices;
const run = routeRunner({ services, clock: systemClock, log: fakeLog().log });

async function ask(entry: Route, { body = '', query = '', type = 'application/json' }) {
	const answer = await run(entry, {
		method: entry.http[0] ?? 'GET',
		headers: { 'content-type': type },
		query: parseQuery(query),
		path: {},
		bodyText: body,
		clientAddress: '10.0.0.1',
	});
	return { status: answer.status, body: answer.body as Record<string, unknown> };
}

const form = 'application/x-www-form-urlencoded';

const echo = route({
	post: 'echo',
	summary: 'Answers what it was sent',
	auth: 'public',
	body: z.object({
		name: z.string(),
		secret: z
			.string()
			.regex(/^[0-9a-f]{4}$/)
			.optional(),
		age: z.int().optional(),
		isNew: z.boolean().optional(),
		roles: z.array(z.string()).optional(),
	}),
	run: ({ body }) => Promise.resolve({ body }),
});

test('in a form digits and "true" stay texts where texts are asked for', async () => {
	const { status, body } = await ask(echo, {
		type: form,
		body: 'name=12345&secret=1234&age=7&isNew=true&roles[]=1&roles[]=true',
	});
	assert.equal(status, 200);
	assert.deepEqual(body['body'], { name: '12345', secret: '1234', age: 7, isNew: true, roles: ['1', 'true'] });
	const wrong = await ask(echo, { type: form, body: 'name=1&age=old&isNew=maybe' });
	assert.deepEqual(wrong.body, {
		success: false,
		error: 'must be number\n must be boolean [invalid-params]',
		errorType: 'invalid-params',
	});
});

test('null in a body counts as absent, and a pattern is told as the validator of old tells it', async () => {
	const { body } = await ask(echo, { body: '{"name":"a","age":null,"isNew":null,"roles":null}' });
	assert.deepEqual(body['body'], { name: 'a' });
	const missing = await ask(echo, { body: '{"name":null}' });
	assert.equal(missing.body['error'], "must have required property 'name' [invalid-params]");
	const pattern = await ask(echo, { body: '{"name":"a","secret":"zz"}' });
	assert.equal(pattern.body['error'], 'must match pattern "^[0-9a-f]{4}$" [invalid-params]');
});

test('a body that is none is refused also by a route that reads nothing of it', async () => {
	const bare = route({ post: 'bare', summary: 'Reads no body', auth: 'public', run: () => Promise.resolve({}) });
	for (const body of ['', '{}', '{"surplus":1}']) assert.equal((await ask(bare, { body })).status, 200);
	assert.equal((await ask(bare, { type: form, body: 'a=b' })).status, 200);
	assert.equal((await ask(bare, { body: '{' })).status, 400);
	const { status, body } = await ask(bare, { type: 'text/plain', body: 'x' });
	assert.deepEqual([status, body], [415, { success: false, error: 'Unsupported Media Type' }]);
});

test('numbers of a query: any size is taken, large ones are cut', async () => {
	const list = route({
		get: 'list',
		summary: 'Answers its query',
		auth: 'public',
		query: z.object({
			count: qInt().optional(),
			isOn: qBool.optional(),
			ids: qList().optional(),
			name: qText.optional(),
		}),
		run: ({ query }) => Promise.resolve({ query }),
	});
	const queryOf = async (query: string) => (await ask(list, { query })).body['query'];
	assert.deepEqual(await queryOf('count=99999999999999999999'), { count: Number.MAX_SAFE_INTEGER });
	assert.deepEqual(await queryOf('count=007&isOn=True&ids[]=a&ids[]=b&name=&x=1'), {
		count: 7,
		isOn: true,
		ids: ['a', 'b'],
	});
	assert.deepEqual(await queryOf('isOn=0&ids=a,,b&name=a%20b+c&'), { isOn: false, ids: ['a', 'b'], name: 'a b c' });
	for (const count of ['-1', '-99999999999999999999', '1.5', '1e3', 'x', '%2B1', '0x10', ' 1']) {
		const { status, body } = await ask(list, { query: `count=${count}` });
		assert.deepEqual([status, body['errorType']], [400, 'invalid-params'], count);
	}
	assert.equal((await ask(list, { query: 'count=1&count=2' })).status, 400);
});

test('dates of a query: what programs write for one, and nothing that only holds a number', async () => {
	const list = route({
		get: 'since',
		summary: 'Answers its date',
		auth: 'public',
		query: z.object({ since: qDate.optional() }),
		run: ({ query }) => Promise.resolve({ since: query.since?.toISOString() }),
	});
	const sinceOf = async (text: string) => {
		const { status, body } = await ask(list, { query: `since=${encodeURIComponent(text)}` });
		return status === 200 ? body['since'] : status;
	};
	for (const text of [
		'2026-01-02T03:04:05.006Z',
		'2026-01-02T04:04:05.006+01:00',
		'1767323045006',
		'+002026-01-02T03:04:05.006Z',
	]) {
		assert.equal(await sinceOf(text), '2026-01-02T03:04:05.006Z', text);
	}
	assert.equal(await sinceOf('Fri, 02 Jan 2026 03:04:05 GMT'), '2026-01-02T03:04:05.000Z');
	assert.equal(await sinceOf('Fri Jan 02 2026 03:04:05 GMT+0000'), '2026-01-02T03:04:05.000Z');
	assert.equal(await sinceOf('2026'), '2026-01-01T00:00:00.000Z');
	assert.equal(await sinceOf('0'), '1970-01-01T00:00:00.000Z');
	assert.equal(await sinceOf(''), undefined);
	for (const text of [
		'x',
		'not-a-date',
		'since 1',
		'foo 2026',
		'2026-13-01',
		'12-31',
		'{"$gt":1}',
		'1e12',
		'9'.repeat(16),
	]) {
		assert.equal(await sinceOf(text), 400, text);
	}
});

test('a frame in the tunnel may be nested 32 levels deep and hold 10,000 keys', async () => {
	const call = (param: string) =>
		ask(methodCallAnon, {
			body: JSON.stringify({ message: `{"msg":"method","id":"1","method":"x","params":[${param}]}` }),
		});
	const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
	const wide = (keys: number) => `{${Array.from({ length: keys }, (_, n) => `"k${n}":1`).join()}}`;
	for (const param of [nested(30), wide(9_000)]) assert.equal((await call(param)).status, 200);
	calls.length = 0;
	for (const param of [nested(31), nested(100_000), wide(10_001)]) {
		const { status, body } = await call(param);
		assert.deepEqual([status, body], [400, { success: false, error: 'Invalid method call' }]);
	}
	assert.deepEqual(calls, []);
});

test('the tunnel echoes ids as they came and carries results that are false, 0 or null', async () => {
	for (const [id, result] of [
		['"a"', 'false'],
		['7', '0'],
		['null', 'null'],
		['""', '""'],
	]) {
		const message = `{"msg":"method","id":${id},"method":"x","params":[${result}],"randomSeed":"s"}`;
		const { body } = await ask(methodCallAnon, { body: JSON.stringify({ message }) });
		assert.deepEqual(body, { message: `{"msg":"result","id":${id},"result":${result}}`, success: true });
	}
});
