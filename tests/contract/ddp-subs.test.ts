import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, ok, startServer, type Mode, type Session, type TestServer } from './server.ts';
import { isAnswerTo, openConnected, openLoggedIn, type Frame, type Wire } from './wire.ts';

/** Subscriptions: forms, answers, repetition, ends. @see realtime contract 2.5, 4.1, 4.15 */

const notAllowed = { isClientSafe: true, error: 'not-allowed', message: '[not-allowed]', errorType: 'Meteor.Error' };

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`subscriptions, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let ana: Session;
		let closedRoom: string;
		before(async () => {
			server = await startServer(mode);
			ana = await createUser(server, 'ana');
			const body = { name: 'closed' };
			closedRoom = (await ok(server.url, 'POST', 'groups.create', { session: server.admin, body }))['group']._id;
		});
		after(() => server?.stop());

		const login = (t: TestContext) => openLoggedIn(t, server, ana);
		const post = async (text: string, roomId = 'GENERAL') =>
			(await ok(server.url, 'POST', 'chat.postMessage', { session: server.admin, body: { roomId, text } }))['message'];
		const heard = (wire: Wire, _id: string) =>
			wire.event('stream-room-messages', 'GENERAL', ([entry]) => entry._id === _id);

		test('every form of options is taken; `ready` names one sub; `added` only for who asks for a collection', async (t) => {
			const forms: [unknown[], boolean][] = [
				[[], false],
				[[null], false],
				[[false], false],
				[[true], true],
				[[{}], false],
				[[{ useCollection: false }], false],
				[[{ useCollection: true }], true],
				[[{ useCollection: true, args: [] }], true],
				[[{ useCollection: 1 }], false],
				[[{ useCollection: false, args: [] }], false],
				[[{ args: [null] }], false],
				[[{ args: [false] }], false],
				[[{ args: ['GENERAL'] }], false],
				[[{ args: [{ token: 'x', visitorToken: 'y' }] }], false],
				[[{ args: {} }], false],
				[[{ args: 'GENERAL' }], false],
				[[false, 'surplus', {}], false],
			];
			const wire = await login(t);
			const added = {
				msg: 'added',
				collection: 'stream-room-messages',
				id: 'id',
				fields: { eventName: 'GENERAL' },
			};
			for (const [index, [options, wantsAdded]] of forms.entries()) {
				const from = wire.frames.length;
				const answer = await wire.sub(`f${index}`, 'stream-room-messages', 'GENERAL', ...options);
				const text = JSON.stringify(options);
				assert.deepEqual(answer, { msg: 'ready', subs: [`f${index}`] }, text);
				assert.deepEqual(wire.frames.slice(from, -1), wantsAdded ? [added] : [], text);
			}
			const message = await post('to all forms');
			await heard(wire, message._id);
			await heard(wire, (await post('the next'))._id);
			const events = wire.frames.filter(({ fields }) => fields?.args?.[0]?._id === message._id);
			assert.equal(events.length, 1, 'one frame for one connection');
			assert.deepEqual(Object.keys(events[0] ?? {}), ['msg', 'collection', 'id', 'fields']);
			assert.equal(events[0]?.['id'], 'id');
			assert.deepEqual(Object.keys(events[0]?.['fields']), ['eventName', 'args']);
			assert.equal(events[0]?.['fields'].args.length, 1);
		});

		test('wrong ones: no event name, no text, an unknown stream, an unknown publication; no params is none', async (t) => {
			const wire = await login(t);
			for (const [name, params, code] of [
				['stream-room-messages', [''], 'invalid-event-name'],
				['stream-notify-user', ['', false], 'invalid-event-name'],
				['stream-room-messages', [5], 400],
				['stream-room-messages', [null], 400],
				['stream-room-messages', [['GENERAL']], 400],
				['stream-room-messages', [], 400],
				['stream-nothing', ['x'], 404],
				['stream-', ['x'], 404],
				['nothing', [], 404],
				['constructor', [], 404],
				['stream-__proto__', ['x'], 404],
			] as const) {
				const answer = await wire.sub('wrong', name, ...params);
				assert.equal(answer['msg'], 'nosub', name);
				assert.equal(answer['error'].error, code, `${name} ${JSON.stringify(params)}`);
				assert.equal(answer['error'].errorType, 'Meteor.Error');
			}
			const unknown = await wire.sub('wrong', 'a name');
			assert.equal(unknown['error'].reason, "Subscription 'a name' not found");
			wire.send({ msg: 'sub', id: 'bare', name: 'meteor.loginServiceConfiguration' });
			await wire.next((frame) => frame['msg'] === 'ready' && frame['subs'][0] === 'bare');
		});

		test('classic publications are ready, also the names only old clients know; a refused sub can be asked again', async (t) => {
			for (const wire of [await openConnected(t, server), await login(t)]) {
				for (const [name, ...params] of [
					['meteor.loginServiceConfiguration'],
					['meteor_autoupdate_clientVersions', null],
					['meteor_autoupdate_clientVersions', 'app-id'],
					['activeUsers'],
					['userData'],
					['roles'],
					['adminRooms', '', ['c'], 50],
					['subscription'],
					['room', 'c', 'general'],
					['livechat:agents'],
				] as [string, ...unknown[]][])
					assert.deepEqual(await wire.sub(`p ${name}`, name, ...params), { msg: 'ready', subs: [`p ${name}`] });
			}
			const wire = await login(t);
			assert.deepEqual((await wire.sub('r', 'stream-room-messages', closedRoom, false))['error'], notAllowed);
			const body = { roomId: closedRoom, userId: ana.userId };
			await ok(server.url, 'POST', 'groups.invite', { session: server.admin, body });
			assert.equal((await wire.sub('r', 'stream-room-messages', closedRoom, false))['msg'], 'ready');
			await ok(server.url, 'POST', 'groups.kick', { session: server.admin, body });
			const ended = await wire.next((frame) => frame['msg'] === 'nosub' && frame['error'] !== undefined, 3);
			assert.deepEqual(ended, { msg: 'nosub', id: 'r', error: notAllowed });
		});

		test('a sub sent again is ready again and doubles nothing; under one id another one takes its place', async (t) => {
			const wire = await login(t);
			for (let count = 0; count < 3; count += 1)
				assert.equal((await wire.sub('same', 'stream-room-messages', 'GENERAL', false))['msg'], 'ready');
			await wire.sub('second', 'stream-room-messages', 'GENERAL', { useCollection: false, args: [] });
			const first = await post('once');
			await heard(wire, first._id);
			assert.equal((await wire.sub('same', 'stream-notify-room', 'GENERAL/deleteMessage', false))['msg'], 'ready');
			wire.send({ msg: 'unsub', id: 'second' });
			await wire.next((frame) => isAnswerTo(frame, 'second') && frame['msg'] === 'nosub');
			await post('to nobody');
			await ok(server.url, 'POST', 'chat.delete', {
				session: server.admin,
				body: { roomId: 'GENERAL', msgId: first._id },
			});
			await wire.event('stream-notify-room', 'GENERAL/deleteMessage', ([entry]) => entry._id === first._id);
			const texts = wire.events('stream-room-messages', 'GENERAL').map(([entry]) => entry.msg);
			assert.deepEqual(texts, ['once']);
		});

		test('`unsub` is always answered: unknown, twice, right behind its sub, and then nothing follows', async (t) => {
			const wire = await login(t);
			const unsub = async (id: string) => {
				const from = wire.frames.length;
				wire.send({ msg: 'unsub', id });
				return wire.next((frame) => frame['msg'] === 'nosub', from);
			};
			assert.deepEqual(await unsub('never seen'), { msg: 'nosub', id: 'never seen' });
			await wire.sub('x', 'stream-room-messages', 'GENERAL', false);
			for (let count = 0; count < 2; count += 1) assert.deepEqual(await unsub('x'), { msg: 'nosub', id: 'x' });
			const from = wire.frames.length;
			for (let count = 0; count < 20; count += 1) {
				wire.send({ msg: 'sub', id: `q${count}`, name: 'stream-room-messages', params: ['GENERAL', false] });
				wire.send({ msg: 'unsub', id: `q${count}` });
			}
			await wire.next((frame) => frame['msg'] === 'nosub' && frame['id'] === 'q19');
			await post('heard by nobody');
			const other = await login(t);
			await other.sub('o', 'stream-room-messages', 'GENERAL', false);
			await heard(other, (await post('heard by the other'))._id);
			await wire.settled();
			const later = wire.frames.slice(from);
			for (let count = 0; count < 20; count += 1) {
				const own = later.filter((frame) => isAnswerTo(frame, `q${count}`)).map(({ msg }) => msg);
				assert.ok(own.at(-1) === 'nosub' && own.length <= 2, `q${count}: ${own.join(' ')}`);
			}
			assert.deepEqual(
				later.filter(({ msg }) => msg === 'changed'),
				[],
			);
		});

		test('presence: the first sub is the set, later ones change it and end without an error', async (t) => {
			const wire = await login(t);
			const sub = (id: string, options: object) => wire.sub(id, 'stream-user-presence', '', options);
			assert.deepEqual(await sub('a', { added: [server.admin.userId] }), { msg: 'ready', subs: ['a'] });
			assert.deepEqual(await sub('b', { added: [ana.userId], removed: ['nobody'] }), { msg: 'nosub', id: 'b' });
			const admin = await openLoggedIn(t, server, server.admin);
			await admin.call('setUserStatus', 'busy', `at work, ${mode}`);
			const frame = await wire.next(
				({ collection, fields }) =>
					collection === 'stream-user-presence' && fields.args[0][2] === `at work, ${mode}` && fields.args[0][1] === 3,
			);
			const uid = server.admin.userId;
			assert.deepEqual([frame['id'], frame['fields'].uid, frame['fields'].eventName], [uid, uid, uid]);
			assert.equal(frame['fields'].args[0][0], 'admin');
			wire.send({ msg: 'unsub', id: 'a' });
			await wire.next((answer) => answer['msg'] === 'nosub' && answer['id'] === 'a');
			assert.equal((await sub('c', {}))['msg'], 'ready', 'the next one is the set again');
		});

		test('anonymous: public events at once, others not-allowed after a second that holds nobody up', async (t) => {
			const wire = await openConnected(t, server);
			const startedAt = performance.now();
			wire.send({ msg: 'sub', id: 'own', name: 'stream-notify-logged', params: ['updateAvatar', false] });
			wire.send({ msg: 'sub', id: 'public', name: 'stream-notify-all', params: ['public-settings-changed', false] });
			wire.send({ msg: 'method', id: 'm', method: 'public-settings/get', params: [{ $date: Date.now() }] });
			await wire.next((frame) => frame['msg'] === 'updated' && frame['methods'].includes('m'));
			await wire.next((frame) => isAnswerTo(frame, 'public'));
			const isWaiting = !wire.frames.some((frame) => isAnswerTo(frame, 'own'));
			assert.ok(isWaiting && performance.now() - startedAt < 1_000, 'answered while the other sub waits');
			const refused: Frame = await wire.next((frame) => isAnswerTo(frame, 'own'));
			assert.deepEqual(refused, { msg: 'nosub', id: 'own', error: notAllowed });
			assert.ok(performance.now() - startedAt > 900);
		});
	});
}
