import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openArena, until, type Arena } from './arena.ts';
import { judgeDelivery } from './delivery.ts';
import { startServer, type TestServer } from './server.ts';

/**
 * Clients of four kinds on two streamers while messages flow, through the death of a streamer: nothing is lost, nothing
 * comes in another order.
 */

describe('clients that come back', { concurrency: false, timeout: 120_000 }, () => {
	let server: TestServer;
	let arena: Arena;
	before(async () => {
		server = await startServer('six processes');
		const clientsEach = { plain: 2, sockjs: 2, asteroid: 2, meteor: 2 };
		arena = await openArena(server, server.url, { rooms: 1, clientsEach, authorsEach: 2, postsPerSecond: 20 });
	});
	after(async () => {
		await arena?.stop();
		await server?.stop();
	});

	/** Messages go on for a while after what happened, and all of it arrives. */
	async function assertNothingLost(): Promise<void> {
		const count = arena.authors.posts.length;
		await until('twenty more messages are acknowledged', 20_000, () => arena.authors.posts.length >= count + 20);
		await arena.caughtUp(30_000);
		const { deliveries, ...wrong } = judgeDelivery(arena.clients, arena.authors.posts);
		assert.ok(deliveries > 0);
		assert.deepEqual(wrong, { lost: 0, misordered: 0, doubled: 0, versions: 0 });
		assert.deepEqual(
			arena.clients.flatMap(({ problems }) => problems),
			[],
		);
	}

	test('kill -9 of a streamer: all start plainly, read what they missed, and have everything', async () => {
		const before = arena.returnCount();
		await arena.streamers.end(0, 'SIGKILL');
		await arena.streamers.end(1, 'SIGKILL');
		await until('all have come back', 30_000, () => arena.clients.every(({ returns }) => returns.length > 0));
		await assertNothingLost();
		assert.ok(arena.returnCount() >= before + arena.clients.length);
		const returns = arena.clients.flatMap((client) => client.returns);
		assert.deepEqual(
			returns.filter(({ isResumed }) => isResumed),
			[],
			'a session dies with its process',
		);
	});
});
