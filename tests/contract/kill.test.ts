import assert from 'node:assert/strict';
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
				const history = await rest(server.url, 'GET', 'channels.history?roomId=GENERAL&count=100', { session });
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

/** Posts with given ids until told to stop; each is repeated until it was acknowledged. */
function poster(server: TestServer, session: Session, perSecond: number) {
	const acknowledged: string[] = [];
	const stopping = new AbortController();
	let counter = 0;
	const loop = (async () => {
		while (!stopping.signal.aborted) {
			const msg = `message ${++counter}`;
			const message = {
				_id: `id${session.userId.slice(0, 5)}${String(counter).padStart(6, '0')}`,
				rid: 'GENERAL',
				msg,
			};
			for (;;) {
				const answer = await rest(server.url, 'POST', 'chat.sendMessage', { session, body: { message } }).catch(
					() => null,
				);
				if (answer?.status === 200) break;
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
			acknowledged.push(message._id);
			await new Promise((resolve) => setTimeout(resolve, 1000 / perSecond));
		}
	})();
	return {
		acknowledged,
		async stop() {
			stopping.abort();
			await loop;
		},
	};
}

describe('killing one of the six processes', { concurrency: false, timeout: 300_000 }, () => {
	let server: TestServer;
	let ana: Session;
	let ben: Session;
	before(async () => {
		server = await startServer('six processes');
		ana = await createUser(server, 'ana', { roles: ['user', 'bot'] });
		ben = await createUser(server, 'ben');
	});
	after(() => server?.stop());

	for (const name of names) {
		test(`${name}: nothing acknowledged is lost, in the database or for a client that reads history`, async () => {
			const reader = lastingSocket(server, ben);
			const writer = poster(server, ana, 50);
			const isStart = (line: LogLine) => line.event === 'process.started' && line['process'] === name;
			const before = server.log.filter(isStart);
			const pid = Number(before.at(-1)?.['childPid']);
			assert.ok(pid > 0, `the log tells the pid of ${name}`);
			await waitFor(() => writer.acknowledged.length >= 25);

			process.kill(pid, 'SIGKILL');

			await server.logged((line) => isStart(line) && line['childPid'] !== pid && !before.includes(line), 20_000);
			const count = writer.acknowledged.length;
			await waitFor(() => writer.acknowledged.length >= count + 40);
			await writer.stop();
			const last = writer.acknowledged.at(-1) ?? '';
			await waitFor(
				() =>
					reader.heard.has(last) ||
					(reader.socket()?.events('stream-room-messages', 'GENERAL') ?? []).some(([message]) => message._id === last),
			);
			await reader.stop();

			const stored = await server.db
				.collection('rocketchat_message')
				.find({ _id: { $in: writer.acknowledged as never[] } })
				.sort({ ts: 1 })
				.toArray();
			assert.deepEqual(
				stored.map(({ _id }) => String(_id)),
				writer.acknowledged,
				'all stored, in the order they were acknowledged',
			);
			const lost = writer.acknowledged.filter((id) => !reader.heard.has(id));
			assert.deepEqual(lost, [], 'all heard by socket or read from history');
			const room = await server.db.collection('rocketchat_room').findOne({ _id: 'GENERAL' as never });
			const total = await server.db.collection('rocketchat_message').countDocuments({ rid: 'GENERAL' });
			assert.equal(room?.['msgs'], total, 'the room counts every message once');
		});
	}

	test('after all of that the server still answers and stops cleanly', async () => {
		const me = await ok(server.url, 'GET', 'me', { session: ana });
		assert.equal(me['username'], 'ana');
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
