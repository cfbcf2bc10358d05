import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadServers, parseServers } from './nats-servers.ts';

test('TRANSPORTER is read in every form that is in use', () => {
	const cases: [string, ReturnType<typeof parseServers>][] = [
		['nats://localhost', { addresses: ['localhost:4222'], tls: false }],
		['monolith+nats://nats:4222', { addresses: ['nats:4222'], tls: false }],
		['host:5222', { addresses: ['host:5222'], tls: false }],
		[
			'nats://ana:p%40ss@h1:4222, nats://h2',
			{ addresses: ['h1:4222', 'h2:4222'], user: 'ana', password: 'p@ss', tls: false },
		],
		['nats://t0ken@h1', { addresses: ['h1:4222'], token: 't0ken', tls: false }],
		['nats://h1,tls://h2:4443', { addresses: ['h1:4222', 'h2:4443'], tls: true }],
		['nats://[::1]:4222', { addresses: ['[::1]:4222'], tls: false }],
	];
	for (const [text, expected] of cases) assert.deepEqual(parseServers(text), expected, text);
});

test('anything else is refused without showing a password', () => {
	for (const text of ['', ' , ', 'redis://ana:secret@h', 'nats://', 'nats://ana:secret@h:99999', 'TCP']) {
		assert.throws(
			() => parseServers(text),
			(error) => error instanceof BadServers && !error.message.includes('secret'),
			text,
		);
	}
});
