import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { testProgram } from '../../testing/programs.ts';
import { isAlive } from '../file-lock.ts';
import { StartProblem } from '../start-problem.ts';
import { startNats } from './nats.ts';

test('it answers when it is returned, on the loopback address, and ends when it is asked to', async (t) => {
	const server = await startNats({ path: testProgram('nats-server'), env: process.env });
	t.after(() => server.stop());
	const nats = await connect({ servers: server.url });
	assert.ok((await nats.rtt()) >= 0);
	assert.equal(nats.info?.host, '127.0.0.1');
	await nats.close();
	await server.stop();
	assert.equal(isAlive(server.pid), false);
});

test('a program that ends at once is a problem with its last words', async () => {
	await assert.rejects(startNats({ path: '/bin/false', env: process.env }), (error) => {
		assert.ok(error instanceof StartProblem);
		assert.match(error.message, /ended with exit code 1/);
		return true;
	});
});
