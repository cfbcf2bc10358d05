import assert from 'node:assert/strict';
import type { Envelope } from './bus.ts';
import type { Check } from './conformance.ts';
import { listener, numberOf, typing } from './conformance-tools.ts';

/** What every driver must do with events. */
export function eventTests(check: Check): void {
	check('an event arrives with its header and the bytes that were encoded once', async ({ open }) => {
		const [publisher, subscriber] = [await open(), await open()];
		const heard = listener();
		await subscriber.subscribe('room:GENERAL', heard.handler);
		let wasSynchronous = true;
		publisher.publish(
			{
				key: 'room:GENERAL',
				origin: 'session1',
				parts: [
					{ kind: 'direct', stream: 'room-messages', event: 'GENERAL', args: [{ msg: 'hi', ts: new Date(3) }] },
					{ kind: 'direct', stream: 'notify-room', event: 'GENERAL/user-activity', args: ['ana', ['typing'], 'ü'] },
				],
			},
			{ epoch: 4, pos: '00000000000000000001', prev: '' },
		);
		assert.equal(heard.envelopes.length, 0, 'a handler never runs inside publish');
		wasSynchronous = false;
		const [{ header, parts }] = (await heard.reach(1)) as [Envelope];
		assert.equal(wasSynchronous, false);
		assert.equal(header.key, 'room:GENERAL');
		assert.equal(header.origin, 'session1');
		assert.deepEqual([header.epoch, header.pos, header.prev], [4, '00000000000000000001', '']);
		assert.deepEqual(
			parts.map(({ body }) => Buffer.from(body).toString('utf8')),
			['[{"msg":"hi","ts":{"$date":3}}]', '["ana",["typing"],"ü"]'],
		);
		assert.equal(parts[0]?.header.kind, 'direct');
	});

	check('an event of nothing stored carries epoch 0 and no position', async ({ open }) => {
		const bus = await open();
		const heard = listener();
		await bus.subscribe('user:u1', heard.handler);
		bus.publish(typing('user:u1', 1));
		const [{ header }] = (await heard.reach(1)) as [Envelope];
		assert.deepEqual([header.epoch, header.pos, header.prev], [0, null, null]);
		assert.equal(header.origin, undefined);
	});

	check('events of one publisher keep their order, over several keys and subscribers', async ({ open }) => {
		const [publisher, first, second] = [await open(), await open(), await open()];
		const [one, two] = [listener(), listener()];
		for (const key of ['room:a', 'room:b'] as const) await first.subscribe(key, one.handler);
		await second.subscribe('room:a', two.handler);
		for (let index = 0; index < 500; index++) publisher.publish(typing(index % 2 === 0 ? 'room:a' : 'room:b', index));
		assert.deepEqual(
			(await one.reach(500)).map(numberOf),
			Array.from({ length: 500 }, (_, index) => index),
		);
		assert.deepEqual(
			(await two.reach(250)).map(numberOf),
			Array.from({ length: 250 }, (_, index) => index * 2),
		);
	});

	check(
		'several subscribers of one key hear the event once each, and only those still subscribed',
		async ({ open }) => {
			const [publisher, subscriber] = [await open(), await open()];
			const [one, two] = [listener(), listener()];
			const stop = await subscriber.subscribe('room:a', one.handler);
			await subscriber.subscribe('room:a', two.handler);
			publisher.publish(typing('room:a', 1));
			await Promise.all([one.reach(1), two.reach(1)]);
			stop();
			stop();
			publisher.publish(typing('room:a', 2));
			await two.reach(2);
			assert.deepEqual(one.envelopes.map(numberOf), [1]);
			assert.deepEqual(two.envelopes.map(numberOf), [1, 2]);
		},
	);

	check('one handler may be subscribed twice and ends once', async ({ open }) => {
		const bus = await open();
		const heard = listener();
		const stop = await bus.subscribe('room:a', heard.handler);
		await bus.subscribe('room:a', heard.handler);
		stop();
		bus.publish(typing('room:a', 1));
		bus.publish(typing('room:a', 2));
		assert.deepEqual((await heard.reach(2)).map(numberOf), [1, 2]);
	});

	check('keys hold any text and never match each other', async ({ open }) => {
		const [publisher, subscriber] = [await open(), await open()];
		const texts = [
			'rocket.cat',
			'rocket',
			'*',
			'>',
			'a b',
			'ä',
			'a=b',
			'',
			'x'.repeat(3000),
			`${'x'.repeat(2999)}y`,
			'\u0000\r\n',
		];
		const heard = new Map<string, ReturnType<typeof listener>>();
		for (const text of texts) {
			const own = listener();
			heard.set(text, own);
			await subscriber.subscribe(`user:${text}`, own.handler);
		}
		for (const [index, text] of texts.entries()) publisher.publish(typing(`user:${text}`, index));
		for (const [index, text] of texts.entries()) {
			const envelopes = await heard.get(text)?.reach(1);
			assert.deepEqual(envelopes?.map(numberOf), [index]);
			assert.equal(envelopes?.[0]?.header.key, `user:${text}`);
		}
	});

	check(
		'all rooms are heard in order, each event once, together with single keys and without other keys',
		async ({ open }) => {
			const [publisher, subscriber] = [await open(), await open()];
			const [one, all, also] = [listener(), listener(), listener()];
			await subscriber.subscribe('room:a', one.handler);
			await subscriber.subscribe('user:a', one.handler);
			const stop = await subscriber.subscribeRooms(all.handler);
			const stopOther = await subscriber.subscribeRooms(also.handler);
			const keys = [
				'room:a',
				'user:a',
				'room:rocket.cat',
				'all:rooms',
				'room:*',
				'user:room',
				'room:',
				'all:a',
			] as const;
			for (let index = 0; index < 120; index++) publisher.publish(typing(keys[index % 8] ?? 'room:a', index));
			const ofRooms = Array.from({ length: 120 }, (_, index) => index).filter((index) => index % 2 === 0);
			assert.deepEqual((await all.reach(60)).map(numberOf), ofRooms);
			assert.deepEqual((await also.reach(60)).map(numberOf), ofRooms);
			assert.equal((await one.reach(30)).length, 30);
			stop();
			stop();
			publisher.publish(typing('room:a', 120));
			await Promise.all([also.reach(61), one.reach(31)]);
			stopOther();
			await subscriber.flush();
			publisher.publish(typing('room:a', 121));
			await one.reach(32);
			assert.deepEqual(
				[all, also, one].map(({ envelopes }) => envelopes.length),
				[60, 61, 32],
			);
		},
	);

	check('after unsubscribing nothing arrives any more', async ({ open }) => {
		const [publisher, subscriber] = [await open(), await open()];
		const [gone, stays] = [listener(), listener()];
		const stop = await subscriber.subscribe('room:a', gone.handler);
		await subscriber.subscribe('room:b', stays.handler);
		stop();
		await subscriber.flush();
		publisher.publish(typing('room:a', 1));
		publisher.publish(typing('room:b', 2));
		await stays.reach(1);
		assert.equal(gone.envelopes.length, 0);
	});
}
