import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openArena, until, type Arena } from './arena.ts';
import { judgeDelivery } from './delivery.ts';
import { startServer, type TestServer } from './server.ts';

/**
 * Clients of four kinds on two streamers while messages flow, through the death of a streamer, a cut connection and a
 * clean stop: nothing is lost, nothing comes in another order, and who asks for his session gets it when it is at hand.
 */

describe('clients that come back', { concurrency: false, timeout: 300_000 }, () => {
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

	test('a cut connection and a clean stop: sessions are resumed, nothing is read again, nothing is lost', async () => {
		const askers = arena.clients.filter(({ kind }) => kind === 'meteor');
		const before = arena.clients.map(({ returns }) => returns.length);
		const [first] = askers;
		assert.ok(first !== undefined);

		const answered = first.post('its answer is cut off');
		first.cut('cut');
		await answered;
		await until('it has come back', 20_000, () => first.isWhole);
		await arena.streamers.end(0, 'SIGTERM');
		await arena.streamers.end(1, 'SIGTERM');
		await until('all have come back', 30_000, () =>
			arena.clients.every(({ returns, isWhole }, index) => isWhole && returns.length > (before[index] ?? 0)),
		);

		await assertNothingLost();
		const returns = arena.clients.flatMap((client, index) =>
			client.returns.slice(before[index]).map((entry) => ({ kind: client.kind, ...entry })),
		);
		const asked = returns.filter(({ askedForSession }) => askedForSession);
		assert.ok(asked.length >= 3, 'one was cut, and both streamers stopped');
		assert.deepEqual(
			asked.filter(({ isResumed }) => !isResumed),
			[],
		);
		assert.ok(asked.some(({ code }) => code === 1012));
		assert.deepEqual(
			askers.map(({ added }) => added.streams),
			askers.map(() => 0),
			'no stream is announced again',
		);
		for (const { added, returns: all } of askers) {
			const resumed = all.filter(({ isResumed }) => isResumed).length;
			assert.ok(added.documents >= resumed, 'the client has emptied its own collections: they are sent again');
		}
	});
});
