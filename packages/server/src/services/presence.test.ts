import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { PresenceChange, RecordBodies } from '@rookery/protocol/events.ts';
import type { User } from '@rookery/protocol/records.ts';
import { localBus } from '../bus/local.ts';
import { userStatusRepository, type UserStatusRepository } from '../repositories/user-status.ts';
import { fakeLog, fakeSettings, movableClock } from '../testing/accounts.ts';
import { testDatabase } from '../testing/database.ts';
import { presenceReporter } from './presence-reporter.ts';
import { presenceService, type PresenceService } from './presence.ts';

/** Presence on a real database, with a clock that the test moves. */
async function setUp(t: TestContext, settings: Record<string, unknown> = {}) {
	const db = await testDatabase(t);
	const bus = localBus();
	const clock = movableClock();
	const { log } = fakeLog();
	const repository = userStatusRepository(db);
	const writes: number[] = [];
	const userStatuses: UserStatusRepository = {
		...repository,
		replaceStatus(uids, from, to) {
			writes.push(uids.length);
			return repository.replaceStatus(uids, from, to);
		},
	};
	const users = db.collection<Partial<User> & { _id: string }>('users');
	const replicas: PresenceService[] = [];
	const stops: (() => Promise<void>)[] = [];
	t.after(async () => {
		for (const stop of stops) await stop();
		await bus.close();
	});

	const heard = new Map<string, number>();
	const streamers = new Set<string>();
	await bus.subscribe('all:presence-reports', ({ parts }) => {
		for (const part of parts) {
			const { instance } = decodeBody(part) as RecordBodies['presenceReport'];
			heard.set(instance, (heard.get(instance) ?? 0) + 1);
		}
	});
	const changes: PresenceChange[] = [];
	await bus.subscribe('all:presence', ({ parts }) => {
		for (const part of parts) changes.push(decodeBody(part) as PresenceChange);
	});

	const fixture = {
		bus,
		clock,
		users,
		/** Numbers of users of each write. */
		writes,
		changes,
		async replica(instanceId: string): Promise<PresenceService> {
			const service = await presenceService({
				userStatuses,
				settings: fakeSettings(settings),
				bus,
				clock,
				log,
				instanceId,
			});
			replicas.push(service);
			stops.push(service.stop);
			return service;
		},
		/** Takes a replica away as a crash would. */
		async crash(service: PresenceService): Promise<void> {
			replicas.splice(replicas.indexOf(service), 1);
			await service.stop();
		},
		streamer(instanceId: string) {
			const reporter = presenceReporter({ bus, instanceId, log, batchMs: 1, renewMs: 2 });
			streamers.add(instanceId);
			stops.push(reporter.stop);
			return reporter;
		},
		async user(_id: string, fields: Partial<User> = {}): Promise<void> {
			await users.insertOne({ _id, username: _id, name: _id.toUpperCase(), roles: ['user'], active: true, ...fields });
		},
		/** Lets so much time pass, in steps in which every streamer reports and everything that is due is done. */
		async pass(ms: number): Promise<void> {
			for (let left = ms; left > 0; left -= 500) {
				clock.advance(Math.min(500, left));
				const before = new Map(heard);
				for (const name of streamers) await until(async () => (heard.get(name) ?? 0) > (before.get(name) ?? 0));
				for (const replica of replicas) await replica.tick();
			}
		},
		async status(_id: string): Promise<string | undefined> {
			return (await users.findOne({ _id }))?.status;
		},
		async becomes(_id: string, status: string): Promise<void> {
			await until(async () => (await fixture.status(_id)) === status);
		},
		/** Waits until a status has been told to everybody. */
		async told(uid: string, status: string): Promise<PresenceChange> {
			const isIt = (change: PresenceChange) => change.uid === uid && change.status === status;
			await until(async () => changes.some(isIt));
			return changes.findLast(isIt) as PresenceChange;
		},
	};
	return fixture;
}

/** Waits for a condition; the test's own time limit bounds it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
	while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

const options = { timeout: 20_000 };

test('a login makes a user online for everybody, a logout offline at once', options, async (t) => {
	const { user, replica, streamer, told, status, bus } = await setUp(t);
	await user('ana', { statusText: 'hello' });
	await replica('p1');
	const own: PresenceChange[] = [];
	await bus.subscribe('user:ana', ({ parts }) =>
		own.push(decodeBody({ body: parts[0]?.body ?? new Uint8Array() }) as PresenceChange),
	);
	const reporter = streamer('s1');
	reporter.connected('c1', 'ana');
	reporter.connected('c1', 'ana');
	assert.deepEqual(await told('ana', 'online'), {
		uid: 'ana',
		username: 'ana',
		name: 'ANA',
		roles: ['user'],
		status: 'online',
		statusText: 'hello',
		statusConnection: 'online',
		previousStatus: 'offline',
	});
	assert.equal(own.length, 1);
	assert.equal(await status('ana'), 'online');
});

test('two connections: online counts, then away; a chosen busy hides both', options, async (t) => {
	const { user, replica, streamer, pass, becomes, users, changes } = await setUp(t);
	await user('ana');
	const presence = await replica('p1');
	const reporter = streamer('s1');
	reporter.connected('c1', 'ana');
	reporter.connected('c2', 'ana');
	await becomes('ana', 'online');
	await pass(4000);
	reporter.status('c1', 'away');
	reporter.status('c2', 'away');
	await becomes('ana', 'away');
	reporter.status('c2', 'online');
	await becomes('ana', 'online');
	await presence.api.setStatus('ana', 'busy', null);
	await becomes('ana', 'busy');
	await pass(2000);
	const before = changes.length;
	reporter.status('c2', 'away');
	await until(async () => (await users.findOne({ _id: 'ana' }))?.statusConnection === 'away');
	await pass(2000);
	assert.equal(changes.length, before, 'a change that nobody can see is not told to everybody');
	assert.equal((await users.findOne({ _id: 'ana' }))?.status, 'busy');
});

test('a return within the grace is no event, an end without return is one after it', options, async (t) => {
	const { user, replica, streamer, pass, becomes, status, changes } = await setUp(t);
	await user('ana');
	await replica('p1');
	const reporter = streamer('s1');
	reporter.connected('c1', 'ana');
	await becomes('ana', 'online');
	await pass(4000);
	reporter.disconnected('c1');
	await pass(3000);
	reporter.connected('c2', 'ana');
	await pass(8000);
	assert.deepEqual(
		changes.map((change) => change.status),
		['online'],
	);
	reporter.disconnected('c2');
	await pass(4000);
	assert.equal(await status('ana'), 'online');
	await pass(2000);
	await becomes('ana', 'offline');
	reporter.connected('c3', 'ana');
	await becomes('ana', 'online');
	reporter.disconnected('c3', true);
	await becomes('ana', 'offline');
});

test('a streamer that dies takes its users along after 9 s, in one write', options, async (t) => {
	const { user, users, replica, bus, pass, clock, told, writes } = await setUp(t);
	for (let index = 0; index < 20; index++) await user(`u${index}`);
	const presence = await replica('p1');
	await pass(4000);
	assert.equal(presence.isSynced(), true);
	bus.publish({
		key: 'all:presence-reports',
		parts: [
			{
				kind: 'record',
				record: 'presenceReport',
				action: 'updated',
				body: {
					instance: 'dying',
					bootEpoch: 'e',
					seq: 1,
					full: true,
					connections: Array.from({ length: 20 }, (_, index) => ({
						id: `c${index}`,
						uid: `u${index}`,
						status: 'online' as const,
					})),
				},
			},
		],
	});
	await until(async () => (await users.countDocuments({ status: 'online' })) === 20);
	const diedAt = clock.monotonic();
	await pass(8000);
	assert.equal(await users.countDocuments({ status: 'online' }), 20);
	await pass(1500);
	await until(async () => (await users.countDocuments({ status: 'offline' })) === 20);
	assert.ok(clock.monotonic() - diedAt < 10_000);
	assert.equal((await told('u7', 'offline')).previousStatus, 'online');
	assert.deepEqual(writes, [20, 20], 'one command wrote them all');
});

test('a restart of presence flaps nobody, and ends who is stored online without a socket', options, async (t) => {
	const { user, replica, streamer, pass, becomes, crash, changes, status } = await setUp(t);
	await user('ana');
	await user('ghost', { status: 'online', statusConnection: 'online' });
	await user('cat', { status: 'online', statusDefault: 'online', type: 'bot' });
	const first = await replica('p1');
	const reporter = streamer('s1');
	reporter.connected('c1', 'ana');
	await becomes('ana', 'online');
	await crash(first);
	const second = await replica('p2');
	await pass(3000);
	assert.equal(second.isSynced(), false);
	assert.equal(await status('ghost'), 'online', 'a replica that has not heard everybody changes nothing');
	await pass(2000);
	assert.equal(second.isSynced(), true);
	await becomes('ghost', 'offline');
	assert.deepEqual([await status('ana'), await status('cat')], ['online', 'online']);
	assert.deepEqual(
		changes.filter(({ uid }) => uid === 'ana').map(({ status }) => status),
		['online'],
	);
});

test(
	'two replicas: each change is stored and told once, and the heir of a dead one sees to its users',
	options,
	async (t) => {
		const { user, users, replica, streamer, pass, crash, changes } = await setUp(t);
		const names = Array.from({ length: 40 }, (_, index) => `u${index}`);
		for (const name of names) await user(name);
		const first = await replica('p1');
		const second = await replica('p2');
		await pass(4500);
		assert.deepEqual([first.isSynced(), second.isSynced()], [true, true]);
		const reporter = streamer('s1');
		for (const name of names) reporter.connected(`c-${name}`, name);
		await until(async () => (await users.countDocuments({ status: 'online' })) === 40);
		await pass(1500);
		assert.deepEqual(changes.map(({ uid }) => uid).sort(), names.toSorted());
		await crash(first);
		for (const name of names) reporter.status(`c-${name}`, 'away');
		await pass(4500);
		await until(async () => (await users.countDocuments({ status: 'away' })) === 40);
		await until(async () => changes.filter(({ status }) => status === 'away').length >= 40);
	},
);

test('of one user at most one change in a second is told, the newest state last', options, async (t) => {
	const { user, replica, streamer, pass, becomes, changes, told } = await setUp(t);
	await user('ana');
	const presence = await replica('p1');
	streamer('s1').connected('c1', 'ana');
	await told('ana', 'online');
	await presence.api.setStatus('ana', 'away', 'one');
	await presence.api.setStatus('ana', 'busy', 'two');
	await becomes('ana', 'busy');
	await pass(500);
	assert.equal(changes.length, 1);
	await pass(1000);
	await told('ana', 'busy');
	assert.deepEqual(
		changes.map(({ status, statusText }) => [status, statusText]),
		[
			['online', ''],
			['busy', 'two'],
		],
	);
});

test('presence cut off from the bus for 30 s makes nobody offline', options, async (t) => {
	const { user, replica, streamer, pass, becomes, status, bus, clock, changes } = await setUp(t);
	await user('ana');
	const presence = await replica('p1');
	streamer('s1').connected('c1', 'ana');
	await becomes('ana', 'online');
	await pass(4000);
	bus.disconnect();
	for (let step = 0; step < 60; step++) {
		clock.advance(500);
		await presence.tick();
	}
	assert.equal(await status('ana'), 'online');
	bus.reconnect();
	await pass(6000);
	assert.equal(presence.isSynced(), true);
	assert.equal(await status('ana'), 'online');
	assert.equal(changes.length, 1);
});

test('a chosen status: stored with what others see, told, and again is nothing', options, async (t) => {
	const { user, users, replica, streamer, told, pass, changes } = await setUp(t);
	await user('ana');
	const presence = await replica('p1');
	await presence.api.setStatus('ana', 'busy', null);
	const chosen = await users.findOne({ _id: 'ana' });
	assert.equal(chosen?.statusDefault, 'busy');
	assert.equal(chosen?.status, 'offline', 'nobody is busy without a connection');
	streamer('s1').connected('c1', 'ana');
	await told('ana', 'busy');
	await pass(1500);
	const stampBefore = (await users.findOne({ _id: 'ana' }))?._updatedAt;
	await presence.api.setStatus('ana', 'busy', '');
	assert.deepEqual((await users.findOne({ _id: 'ana' }))?._updatedAt, stampBefore);
	await presence.api.setStatus('ana', 'offline', `  ${'x'.repeat(130)}  `);
	assert.equal((await told('ana', 'offline')).statusText, 'x'.repeat(120));
	assert.deepEqual(await presence.api.statusOf(['ana', 'nobody']), [
		{ uid: 'ana', status: 'offline', statusText: 'x'.repeat(120) },
	]);
	await pass(1500);
	const before = changes.length;
	await presence.api.setStatus('ana', null, 'lunch');
	await pass(1500);
	assert.equal(changes.length, before + 1);
});

test('what the settings forbid is refused and changes nothing', options, async (t) => {
	const { user, users, replica } = await setUp(t, {
		Accounts_AllowInvisibleStatusOption: false,
		Accounts_AllowUserStatusMessageChange: false,
	});
	await user('ana', { statusText: 'before', statusDefault: 'online' });
	const { api } = await replica('p1');
	const before = await users.findOne({ _id: 'ana' });
	await assert.rejects(api.setStatus('ana', 'offline', null), { code: 'error-status-not-allowed' });
	await assert.rejects(api.setStatus('ana', 'away', 'after'), { code: 'error-not-allowed' });
	await assert.rejects(api.setStatus('ana', 'dancing' as 'away', null), { code: 'error-invalid-status' });
	await assert.rejects(api.setStatus('nobody', 'away', null), { code: 'error-invalid-user' });
	assert.deepEqual(await users.findOne({ _id: 'ana' }), before);
});

test('choices and connections that change at the same time end in the state of the rule', options, async (t) => {
	const { user, users, replica, streamer, pass } = await setUp(t);
	await user('ana');
	const [first, second] = [await replica('p1'), await replica('p2')];
	const reporter = streamer('s1');
	reporter.connected('c1', 'ana');
	await pass(4500);
	for (let round = 0; round < 10; round++) {
		reporter.status('c1', round % 2 === 0 ? 'away' : 'online');
		await Promise.all([
			first.api.setStatus('ana', round % 3 === 0 ? 'busy' : 'online', `first ${round}`),
			second.api.setStatus('ana', null, `second ${round}`),
		]);
		await pass(500);
		const stored = await users.findOne({ _id: 'ana' });
		await until(
			async () => (await users.findOne({ _id: 'ana' }))?.statusConnection === (round % 2 === 0 ? 'away' : 'online'),
		);
		const expected = round % 3 === 0 ? 'busy' : round % 2 === 0 ? 'away' : 'online';
		assert.equal((await users.findOne({ _id: 'ana' }))?.status, expected, `round ${round} ${JSON.stringify(stored)}`);
	}
});
