import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, type Log } from './log.ts';

function recorder(): {
	log: Log & { forward(line: string): void };
	lines: () => Record<string, unknown>[];
	text: () => string;
} {
	let text = '';
	const log = createLog({ name: 'core', format: 'json', destination: { write: (line) => void (text += line) } });
	const lines = () =>
		text
			.trim()
			.split('\n')
			.map((line) => JSON.parse(line) as Record<string, unknown>);
	return { log, lines, text: () => text };
}

test('a line is JSON with time, level, process, event and message', () => {
	const { log, lines } = recorder();
	log.info({ event: 'bus.gap', rid: 'GENERAL', ms: 12 }, 'a gap');
	const [line] = lines();
	assert.ok(!Number.isNaN(Date.parse(String(line?.['time']))));
	assert.deepEqual(
		{ ...line, time: null },
		{
			level: 'info',
			time: null,
			pid: process.pid,
			name: 'core',
			event: 'bus.gap',
			rid: 'GENERAL',
			ms: 12,
			msg: 'a gap',
		},
	);
});

test('no secret reaches the log, however deep it lies and whoever puts it there', () => {
	const { log, text } = recorder();
	const canary = 'canary-93b1';
	const nested = { user: { services: [{ password: { bcrypt: canary } }], authToken: canary } };
	log.info({ password: canary, token: canary, 'X-Auth-Token': canary, hashed_token: canary }, 'x');
	log.info({ nested, headers: { authorization: canary, Cookie: canary }, params: [canary] }, 'x');
	log.info({ message: { _id: 'm1', msg: canary, attachments: [canary] } }, 'x');
	log.info({ url: `mongodb://ana:${canary}@db/chat`, page: `https://a.example/reset?code=${canary}` }, 'x');
	log.warn(`cannot reach nats://ana:${canary}@nats:4222 and https://a.example/x?token=${canary}`);
	log.error({ err: new Error(`connect mongodb://ana:${canary}@db failed`) }, 'x');
	log.error({ err: Object.assign(new Error('x'), { request: { password: canary } }) }, 'x');
	log.error({ problem: { inner: new Error(`https://a.example/?k=${canary}`) } }, 'x');
	log.child({ token: canary, rid: 'r' }).info('x');
	assert.ok(!text().includes(canary), text());
	assert.ok(text().includes('mongodb://***@db/chat'));
	assert.ok(text().includes('https://a.example/reset?…'));
	assert.ok(text().includes('"rid":"r"'));
});

test('an error is written with type, message and stack', () => {
	const { log, lines } = recorder();
	log.error({ err: new TypeError('boom') }, 'it failed');
	const err = lines()[0]?.['err'] as Record<string, string>;
	assert.equal(err['type'], 'TypeError');
	assert.equal(err['message'], 'boom');
	assert.match(err['stack'] ?? '', /log\.test\.ts/);
});

test('large and endless values are cut', () => {
	const { log, text } = recorder();
	const endless: Record<string, unknown> = {};
	endless['self'] = endless;
	log.info({ endless, bytes: new Uint8Array(1e6), many: Array.from({ length: 10_000 }, (_, i) => i) }, 'x'.repeat(1e5));
	assert.ok(text().length < 10_000, String(text().length));
});

test("another process's line is passed on as it is", () => {
	const { log, text } = recorder();
	log.forward('{"level":"info","name":"presence"}');
	assert.equal(text(), '{"level":"info","name":"presence"}\n');
});
