import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createUser, ok, rest, startServer, type LogLine, type Session, type TestServer } from './server.ts';
import { connect, type Ddp } from './socket.ts';

/**
 * Each of the six processes is killed and started again while messages flow. What was acknowledged stays; a client that
 * reads history after it came back has everything; rooms keep the order of commits.
 */

const names = ['core', 'accounts', 'authorization', 'ddp-streamer', 'presence', 'stream-hub'] as const;

/** A socket that comes back after every close and remembers what it heard. */
function lastingSocket(server: TestServer, session: Session) {
	const heard = new Map<string, string>();
	const versions: string[] = [];
	let current: Ddp | null = null;
	const stopping = new AbortController();
	const take = (message: any) => {
		versions.push(message._id);
		heard.set(message._id, message.msg);
	};
	const loop = (async () => {
		while (!stopping.signal.aborted) {
			try {
				const socket = await connect(server.socketUrl);
				current = socket;
				stopping.signal.addEventListener('abort', () => socket.close(), { once: true });
				if (stopping.signal.aborted) socket.close();
				await socket.login(session);
				await socket.sub('stream-room-messages', 'GENERAL');
				const history = await rest(server.url, 'GET', 'channels.history?roomId=GENERAL&count=0', { session });
				for (const message of history.body['messages'] ?? []) take(message);
				await socket.closed;
				for (const [message] of socket.events('stream-room-messages', 'GENERAL')) take(message);
			} catch {
				await new Promise((resolve) => setTimeout(resolve, 100));
			}
		}
	})();
	return {
		heard,
		socket: () => current,
		async stop() {
			stopping.abort();
			await loop;
		},
	};
}

/**
 * Posts at a fixed rate until told to stop, as several people at once: each his own messages one after the other, each
 * repeated under its id until it was acknowledged. No id is used twice.
 */
function posters(server: TestServer, sessions: Session[], perSecond: number) {
	const acknowledged = sessions.map((): string[] => []);
	const stopping = new AbortController();
	const everyMs = (1000 * sessions.length) / perSecond;
	const loops = sessions.map(async (session, index) => {
		const startedAt = performance.now() + (index * 1000) / perSecond;
		for (let n = 0; !stopping.signal.aborted; n += 1) {
			const dueInMs = startedAt + n * everyMs - performance.now();
			if (dueInMs > 0) await new Promise((resolve) => setTimeout(resolve, dueInMs));
			const message = { _id: randomBytes(9).toString('hex').slice(0, 17), rid: 'GENERAL', msg: `message ${n}` };
			for (;;) {
				const options = { session, body: { message } };
				const answer = await rest(server.url, 'POST', 'chat.sendMessage', options).catch(() => null);
				if (answer?.status === 200) break;
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
			acknowledged[index]?.push(message._id);
		}
	});
	return {
		/** Ids by author, in the order of their acknowledgement. */
		acknowledged,
		count: () => acknowledged.reduce((sum, ids) => sum + ids.length, 0),
		async stop() {
			stopping.abort();
			await Promise.all(loops);
		},
	};
}

describe('killing one of the six processes', { concurrency: false, timeout: 300_000 }, () => {
	let server: TestServer;
	let authors: Session[];
	let ben: Session;
	before(async () => {
		server = await startServer('six processes');
		const names = ['ana', 'carl', 'dora', 'emil', 'fay'];
		authors = await Promise.all(names.map((name) => createUser(server, name, { roles: ['user', 'bot'] })));
		ben = await createUser(server, 'ben');
	});
	after(() => server?.stop());

	for (const name of names) {
		test(`${name}: nothing acknowledged is lost, in the database or for a client that reads history`, async (t) => {
			const reader = lastingSocket(server, ben);
			const writer = posters(server, authors, 50);
			const startedAt = performance.now();
			const isStart = (line: LogLine) => line.event === 'process.started' && line['process'] === name;
			const before = server.log.filter(isStart);
			const pid = Number(before.at(-1)?.['childPid']);
			assert.ok(pid > 0, `the log tells the pid of ${name}`);
			await waitFor(() => writer.count() >= 50);
			const rate = writer.count() / ((performance.now() - startedAt) / 1000);
			t.diagnostic(`${rate.toFixed(0)} messages a second when it was killed`);

			process.kill(pid, 'SIGKILL');

			await server.logged((line) => isStart(line) && line['childPid'] !== pid && !before.includes(line), 20_000);
			const count = writer.count();
			await waitFor(() => writer.count() >= count + 60);
			await writer.stop();
			const all = writer.acknowledged.flat();
			const isHeard = (id: string) =>
				reader.heard.has(id) ||
				(reader.socket()?.events('stream-room-messages', 'GENERAL') ?? []).some(([message]) => message._id === id);
			const lasts = writer.acknowledged.map((ids) => ids.at(-1) ?? '');
			await waitFor(() => lasts.every(isHeard));
			await reader.stop();

			const messages = server.db.collection<{ _id: string; u: { _id: string } }>('rocketchat_message');
			const stored = await messages
				.find({ _id: { $in: all } })
				.sort({ ts: 1 })
				.toArray();
			for (const [index, ids] of writer.acknowledged.entries()) {
				const own = stored.filter(({ u }) => u._id === authors[index]?.userId).map(({ _id }) => _id);
				assert.deepEqual(own, ids, 'all stored, each author’s in the order they were acknowledged');
			}
			assert.deepEqual(
				all.filter((id) => !reader.heard.has(id)),
				[],
				'all heard by socket or read from history',
			);
			const room = await server.db.collection('rocketchat_room').findOne({ _id: 'GENERAL' as never });
			const total = await server.db.collection('rocketchat_message').countDocuments({ rid: 'GENERAL' });
			assert.equal(room?.['msgs'], total, 'the room counts every message once');
		});
	}

	test('after all of that the server still answers and stops cleanly', async () => {
		const me = await ok(server.url, 'GET', 'me', { session: ben });
		assert.equal(me['username'], 'ben');
		assert.equal(await server.stop(), 0);
	});
});

async function waitFor(done: () => boolean, timeoutMs = 40_000): Promise<void> {
	const end = Date.now() + timeoutMs;
	while (!done()) {
		if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain: ${done.toString()}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}
