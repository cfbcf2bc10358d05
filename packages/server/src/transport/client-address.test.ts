import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { clientAddress } from './client-address.ts';

function from(headers: Record<string, string>, remoteAddress = '::ffff:10.0.0.9'): IncomingMessage {
	return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

test('without trusted proxies no header counts', () => {
	assert.equal(clientAddress(from({ 'x-forwarded-for': '1.1.1.1', 'x-real-ip': '2.2.2.2' }), 0), '10.0.0.9');
});

test('with n trusted proxies the n-th entry from the right counts, whatever the client put before', () => {
	const cases: [headers: Record<string, string>, count: number, address: string][] = [
		[{ 'x-forwarded-for': 'spoofed, 1.1.1.1' }, 1, '1.1.1.1'],
		[{ 'x-forwarded-for': '6.6.6.6, 1.1.1.1 , 3.3.3.3' }, 2, '1.1.1.1'],
		[{ 'x-forwarded-for': '1.1.1.1:5555' }, 1, '1.1.1.1'],
		[{ 'x-forwarded-for': '[2001:db8::1]:5555' }, 1, '2001:db8::1'],
		[{ 'x-forwarded-for': '2001:db8::1' }, 1, '2001:db8::1'],
		[{ 'x-forwarded-for': '::ffff:1.1.1.1' }, 1, '1.1.1.1'],
		[{ 'x-forwarded-for': '3.3.3.3', 'x-real-ip': '1.1.1.1' }, 2, '1.1.1.1'],
		[{ 'x-real-ip': '1.1.1.1' }, 1, '1.1.1.1'],
		[{}, 1, '10.0.0.9'],
	];
	for (const [headers, count, address] of cases) {
		assert.equal(clientAddress(from(headers), count), address, JSON.stringify(headers));
	}
});

test('what is no address is none: nobody is counted or recorded under a text', () => {
	for (const junk of ['unknown', '_hidden', '1.1.1', '{"$ne":1}', 'a'.repeat(5_000), '1.1.1.1 2.2.2.2', '[x]:1']) {
		assert.equal(clientAddress(from({ 'x-forwarded-for': junk, 'x-real-ip': junk }), 1), '10.0.0.9', junk);
	}
});
