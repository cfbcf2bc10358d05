import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { MongoClient } from 'mongodb';
import type { EnvelopeHeader, EventKey, Publication } from '@rookery/protocol/events.ts';
import type { Bus } from '../bus/bus.ts';
import { localBus } from '../bus/local.ts';
import { systemClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { hubStateRepository, type HubStateRepository } from '../repositories/hub-state.ts';
import { watchDatabase } from '../repositories/watch.ts';
import { testDatabase } from '../testing/database.ts';
import { startHub, type Hub } from './hub.ts';
import { publishedCollections } from './publications.ts';

const timeout = 30_000;
const durable = { writeConcern: { w: 'majority' as const, journal: true } };

type Doc = { _id: string; [field: string]: unknown };
type Sent = { publication: Publication; position: Partial<EnvelopeHeader> };

/** A database with images, a bus, and everything any hub has sent over it. */
async function scene(t: TestContext) {
	const db = await testDatabase(t);
	for (const collection of publishedCollections) {
		await db.createCollection(collection, { changeStreamPreAndPostImages: { enabled: true } });
	}
	const bus = localBus();
	const sent: Sent[] = [];
	const settled: [string, string[]][] = [];
	let wake: (() => void)[] = [];
	const hubs: Hub[] = [];
	t.after(async () => {
		await Promise.all(hubs.map((hub) => hub.stop()));
		await bus.close();
	});

	/** The same bus, seen by one hub: `cut` swallows what it sends. */
	function watched(of: { isDead: boolean }): Bus {
		const publish: Bus['publish'] = (publication, position) => {
			if (of.isDead) return;
			bus.publish(publication, position);
			sent.push({ publication, position: position ?? {} });
			for (const woken of wake) woken();
			wake = [];
		};
		return Object.assign(Object.create(bus) as Bus, { publish });
	}

	/** @param life Once dead, nothing the hub does has an effect any more: as after `kill -9`. */
	async function hub({ isEmbedded = true, life = { isDead: false } } = {}): Promise<Hub> {
		const started = await startHub({
			watch: (options) => watchDatabase(db, options),
			state: mortal(hubStateRepository(db), life),
			bus: watched(life),
			core: {
				settle: async (rid, uncounted = []) => {
					settled.push([rid, uncounted]);
					for (const woken of wake) woken();
				},
			},
			clock: systemClock,
			log: silentLog,
			instanceId: 'test',
			isEmbedded,
		});
		hubs.push(started);
		return started;
	}

	/** Waits until something holds. Whatever a hub does wakes it, and the time limit of the test ends it. */
	async function until(holds: () => boolean): Promise<void> {
		while (!holds()) {
			t.signal.throwIfAborted();
			const { promise, resolve } = Promise.withResolvers<void>();
			wake.push(resolve);
			const timer = setTimeout(resolve, 20);
			await promise;
			clearTimeout(timer);
		}
	}

	/** Resolves when the hub sees what is written from now on. */
	async function isFollowing(active: Hub): Promise<void> {
		const before = sent.length;
		await until(() => active.status().isActive);
		for (let at = 0; sent.length === before; at++) {
			await db
				.collection<Doc>('rocketchat_roles')
				.insertOne({ _id: `probe-${at}-${Math.random()}`, name: 'probe' }, durable);
			const tries = performance.now();
			await until(() => sent.length > before || performance.now() - tries > 300);
		}
	}

	return { db, bus, sent, settled, hub, until, isFollowing, messages: db.collection<Doc>('rocketchat_message') };
}

function mortal(state: HubStateRepository, life: { isDead: boolean }): HubStateRepository {
	const dead = (): Promise<never> => Promise.reject(new Error('killed'));
	const guard =
		<A extends unknown[], R>(run: (...args: A) => Promise<R>) =>
		(...args: A): Promise<R> =>
			life.isDead ? dead() : run(...args);
	const { lease } = state;
	return {
		loadProgress: guard(state.loadProgress),
		saveProgress: guard(state.saveProgress),
		lease: {
			read: guard(lease.read),
			take: guard(lease.take),
			renew: guard(lease.renew),
			release: guard(lease.release),
		},
	};
}

function message(_id: string, rid = 'r'): Doc {
	return { _id, rid, msg: _id, ts: new Date(), _updatedAt: new Date(), u: { _id: 'u' } };
}

/** Ids of the messages announced on a room's key, in order, as often as they were sent. */
function announced(sent: Sent[], rid = 'r'): string[] {
	return sent
		.filter(({ publication }) => publication.key === `room:${rid}`)
		.flatMap(({ publication }) => publication.parts)
		.flatMap((part) => (part.kind === 'direct' && part.stream === 'room-messages' ? part.args : []))
		.map((given) => (given as Doc)._id);
}

/** What a receiver makes of it: drops what it has, and counts the gaps. */
function receive(sent: Sent[], key: EventKey): { ids: string[]; gaps: number; duplicates: number } {
	let have = '';
	const seen = { ids: [] as string[], gaps: 0, duplicates: 0 };
	for (const one of sent.filter(({ publication }) => publication.key === key)) {
		const { pos = '', prev = '' } = one.position;
		if (pos === null || pos <= have) {
			seen.duplicates += 1;
			continue;
		}
		if (have !== '' && (prev ?? '') > have) seen.gaps += 1;
		have = pos;
		seen.ids.push(...announced([one], key.slice('room:'.length)));
	}
	return seen;
}

test('changes are announced in order, numbered, each with the one before it on its key', { timeout }, async (t) => {
	const { sent, hub, until, isFollowing, messages, bus } = await scene(t);
	const heard: string[] = [];
	await bus.subscribe('room:r', ({ header }) => heard.push(String(header.pos)));
	const active = await hub();
	await isFollowing(active);
	const ids = Array.from({ length: 60 }, (_, at) => `m${at}`);
	for (const id of ids) await messages.insertOne(message(id, id.endsWith('7') ? 'other' : 'r'), durable);
	await until(() => announced(sent).length + announced(sent, 'other').length === 60);
	assert.deepEqual(
		announced(sent),
		ids.filter((id) => !id.endsWith('7')),
	);
	for (const key of ['room:r', 'room:other'] as const) {
		const onKey = sent.filter(({ publication }) => publication.key === key);
		for (const [at, { position }] of onKey.entries()) {
			if (at > 0) assert.equal(position.prev, onKey[at - 1]?.position.pos);
			assert.match(String(position.pos), /^[0-9a-f]{20}$/);
			assert.equal(position.epoch, active.status().epoch);
		}
	}
	await until(() => heard.length === announced(sent).length);
	const { isActive, poison, problem, lagSeconds, published } = active.status();
	assert.deepEqual([isActive, poison, problem, published], [true, 0, null, sent.length]);
	assert.ok(lagSeconds < 5);
});

test('changes of one transaction share their time and differ in their index', { timeout }, async (t) => {
	const { db, sent, hub, until, isFollowing, messages } = await scene(t);
	await isFollowing(await hub());
	const session = (db.client as MongoClient).startSession();
	await session.withTransaction(async () => {
		for (const id of ['a', 'b', 'c']) await messages.insertOne(message(id), { session });
	});
	await session.endSession();
	await until(() => announced(sent).length === 3);
	const positions = sent
		.filter(({ publication }) => publication.key === 'room:r')
		.map(({ position }) => String(position.pos));
	assert.equal(new Set(positions.map((pos) => pos.slice(0, 16))).size, 1);
	assert.deepEqual(
		positions.map((pos) => pos.slice(16)),
		['0000', '0001', '0002'],
	);
});

test(
	'a hub that is killed loses nothing: the next one sends at least once everything, in order',
	{ timeout },
	async (t) => {
		const { sent, hub, until, isFollowing, messages } = await scene(t);
		const life = { isDead: false };
		await isFollowing(await hub({ life }));
		for (let at = 0; at < 20; at++) await messages.insertOne(message(`m${at}`), durable);
		await until(() => announced(sent).length >= 15);
		life.isDead = true;
		for (let at = 20; at < 40; at++) await messages.insertOne(message(`m${at}`), durable);
		await hub();
		await until(() => announced(sent).at(-1) === 'm39');
		const { ids, gaps } = receive(sent, 'room:r');
		assert.deepEqual(
			ids,
			Array.from({ length: 40 }, (_, at) => `m${at}`),
		);
		assert.equal(gaps, 0);
	},
);

test('a hub that is stopped sends nothing twice', { timeout }, async (t) => {
	const { sent, hub, until, isFollowing, messages } = await scene(t);
	const first = await hub();
	await isFollowing(first);
	for (let at = 0; at < 5; at++) await messages.insertOne(message(`m${at}`), durable);
	await until(() => announced(sent).length === 5);
	await first.stop();
	assert.equal(first.status().isActive, false);
	for (let at = 5; at < 10; at++) await messages.insertOne(message(`m${at}`), durable);
	await hub();
	await until(() => announced(sent).length >= 10);
	assert.deepEqual(
		announced(sent),
		Array.from({ length: 10 }, (_, at) => `m${at}`),
	);
});

test(
	'a bus that was away loses nothing: what may not have arrived is sent again by the same numbers',
	{ timeout },
	async (t) => {
		const { sent, hub, until, isFollowing, messages, bus } = await scene(t);
		const active = await hub();
		await isFollowing(active);
		await messages.insertOne(message('m0'), durable);
		await until(() => announced(sent).length === 1);
		bus.disconnect();
		for (let at = 1; at < 6; at++) await messages.insertOne(message(`m${at}`), durable);
		assert.deepEqual(announced(sent), ['m0']);
		bus.reconnect();
		await until(() => announced(sent).at(-1) === 'm5');
		const { ids, gaps } = receive(sent, 'room:r');
		assert.deepEqual(ids, ['m0', 'm1', 'm2', 'm3', 'm4', 'm5']);
		assert.equal(gaps, 0);
		const numbers = new Map<string, Set<string>>();
		for (const one of sent) {
			for (const id of announced([one])) {
				numbers.set(id, (numbers.get(id) ?? new Set()).add(`${one.position.pos} ${one.position.prev}`));
			}
		}
		for (const [id, used] of numbers) assert.equal(used.size, 1, id);
	},
);

test('of two hubs one is active; the other takes over when it is killed, in a later epoch', { timeout }, async (t) => {
	const { sent, hub, until, isFollowing, messages } = await scene(t);
	const life = { isDead: false };
	const first = await hub({ isEmbedded: false, life });
	await isFollowing(first);
	const second = await hub({ isEmbedded: false });
	const { epoch } = first.status();
	await messages.insertOne(message('m0'), durable);
	await until(() => announced(sent).length === 1);
	assert.equal(second.status().isActive, false);
	assert.equal(second.status().problem, null);
	life.isDead = true;
	const killedAt = performance.now();
	await messages.insertOne(message('m1'), durable);
	await until(() => announced(sent).includes('m1'));
	assert.ok(performance.now() - killedAt < 6_000);
	assert.ok(second.status().epoch > epoch);
	assert.deepEqual(receive(sent, 'room:r').ids, ['m0', 'm1']);
});

test('a hub that stops hands over at once', { timeout }, async (t) => {
	const { sent, hub, until, isFollowing, messages } = await scene(t);
	const first = await hub({ isEmbedded: false });
	await isFollowing(first);
	const second = await hub({ isEmbedded: false });
	await first.stop();
	const stoppedAt = performance.now();
	await until(() => second.status().isActive);
	assert.ok(performance.now() - stoppedAt < 1_400, 'without waiting for the lease to end');
	await messages.insertOne(message('m0'), durable);
	await until(() => announced(sent).length === 1);
});

test('lost history starts a new epoch and tells everybody to read anew', { timeout }, async (t) => {
	const { db, sent, hub, until, isFollowing, messages } = await scene(t);
	await hubStateRepository(db).saveProgress({ token: { _data: 'zz' }, pos: '', unsettled: [] }, 1);
	const active = await hub();
	await until(() => sent.length > 0);
	const [first] = sent;
	assert.equal(first?.publication.key, 'all:hub');
	const [part] = first.publication.parts;
	assert.ok(part?.kind === 'record' && part.record === 'resync');
	assert.equal(part.body.reason, 'history-lost');
	await isFollowing(active);
	assert.equal(part.body.epoch, active.status().epoch);
	await messages.insertOne(message('m0'), durable);
	await until(() => announced(sent).length === 1);
	assert.equal(sent.filter(({ publication }) => publication.key === 'all:hub').length, 1);
});

test('a collection that disappears makes everybody read anew, and the hub goes on', { timeout }, async (t) => {
	const { db, sent, hub, until, isFollowing, messages } = await scene(t);
	await isFollowing(await hub());
	await db.collection('users').drop();
	await until(() => sent.some(({ publication }) => publication.key === 'all:hub'));
	await messages.insertOne(message('m0'), durable);
	await until(() => announced(sent).length === 1);
});

test('a document that is not as it should be is counted and skipped', { timeout }, async (t) => {
	const { db, sent, hub, until, isFollowing, messages } = await scene(t);
	const active = await hub();
	await isFollowing(active);
	await db.collection<Doc>('rocketchat_subscription').insertOne({ _id: 'broken', rid: 'r' }, durable);
	await messages
		.insertOne({ _id: 'nowhere', deep: nested(300), rid: 'r', _updatedAt: 'yesterday' }, durable)
		.catch(() => undefined);
	await messages.insertOne(message('m0'), durable);
	await until(() => announced(sent).includes('m0'));
	assert.ok(active.status().poison >= 1);
	assert.equal(active.status().isActive, true);
});

test('a post that core left half done is repaired, also by the next hub', { timeout }, async (t) => {
	const { db, settled, hub, until, isFollowing, messages, sent } = await scene(t);
	const life = { isDead: false };
	const first = await hub({ life });
	await isFollowing(first);
	await messages.insertOne(message('m0', 'half'), durable);
	await until(() => announced(sent, 'half').length === 1);
	await until(() => settled.length > 0);
	assert.deepEqual(settled[0], ['half', ['m0']]);
	await messages.insertOne(message('m1', 'later'), durable);
	await db
		.collection<Doc>('rocketchat_room')
		.insertOne({ _id: 'later', t: 'c', rk: { s: 1, i: ['m1'], p: [{ m: 'm1', s: 1 }] } }, durable);
	await until(() => announced(sent, 'later').length === 1);
	await first.stop();
	await hub();
	await until(() => settled.some(([rid]) => rid === 'later'));
});

/** An object of so many levels. */
function nested(levels: number): object {
	return levels === 0 ? {} : { in: nested(levels - 1) };
}
