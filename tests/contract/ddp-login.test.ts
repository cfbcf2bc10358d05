import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test, type TestContext } from 'node:test';
import { createUser, login as restLogin, ok, rest, startServer, type Mode, type TestServer } from './server.ts';
import { isAnswerTo, openConnected, openLoggedIn, openWire, type Frame } from './wire.ts';

/** What a login means for a socket, and what waits for it. @see realtime contract 2.4, 2.5, 3.3, 4.15.3 */

const digest = (text: string) => ({ digest: createHash('sha256').update(text).digest('hex'), algorithm: 'sha-256' });
const connectFrame = { msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] };
const loginFrame = (id: string, resume: string) => ({ msg: 'method', id, method: 'login', params: [{ resume }] });

for (const mode of ['one process', 'six processes'] satisfies Mode[]) {
	describe(`logins, ${mode}`, { concurrency: false, timeout: 180_000 }, () => {
		let server: TestServer;
		let count = 0;
		before(async () => {
			server = await startServer(mode);
		});
		after(() => server?.stop());

		/** Each test has a person of its own: logins of one are limited. */
		const person = () => createUser(server, `person${(count += 1)}`);
		const open = (t: TestContext) => openConnected(t, server);

		test('`added users`, `result`, `updated`, in this order; a second login of the same user adds nothing', async (t) => {
			const user = await person();
			const wire = await open(t);
			await wire.login(user);
			assert.deepEqual(
				wire.frames.slice(2).map(({ msg }) => msg),
				['added', 'result', 'updated'],
			);
			const { collection, id, fields } = wire.frames[2] ?? {};
			assert.deepEqual([collection, id, fields.username], ['users', user.userId, user.username]);
			for (const name of Object.keys(fields)) assert.ok(['username', 'emails', 'name'].includes(name), name);
			const { result } = wire.frames[3] ?? {};
			assert.deepEqual([result.id, result.token, result.type], [user.userId, user.authToken, 'resume']);
			assert.ok(result.tokenExpires.$date > Date.now());
			await wire.login(user);
			assert.equal(wire.frames.filter(({ msg }) => msg === 'added').length, 1);
		});

		test('password in each form, by name and by address; wrong ones and unknown users look the same', async (t) => {
			const user = await person();
			const password = `secret of ${user.username}`;
			const wire = await open(t);
			for (const options of [
				{ user: { username: user.username }, password: digest(password) },
				{ user: { username: user.username }, password },
				{ user: { email: `${user.username}@example.com` }, password: digest(password) },
				{ user: { email: user.username }, password },
			]) {
				const result = await wire.call('login', options);
				assert.deepEqual([result.id, result.type], [user.userId, 'password'], JSON.stringify(options));
				assert.equal(typeof result.tokenExpires.$date, 'number');
			}
			const other = await open(t);
			const refused: unknown[] = [];
			for (const options of [
				{ user: { username: user.username }, password: digest('wrong') },
				{ user: { username: 'nobody at all' }, password: digest('wrong') },
			])
				refused.push((await other.ask('login', options))['error']);
			assert.deepEqual(refused[0], refused[1]);
			assert.deepEqual((refused[0] as Frame)['error'], 403);
			assert.equal((refused[0] as Frame)['reason'], 'User not found');
			assert.equal((await other.ask('login', { something: 'else' }))['error'].error, 400);
		});

		test('a token that is unknown says so, and the identity before it stays', async (t) => {
			const user = await person();
			const wire = await openLoggedIn(t, server, user);
			const { error } = await wire.ask('login', { resume: 'unknown' });
			assert.equal(error.error, 403);
			assert.equal(error.reason, "You've been logged out by the server. Please log in again.");
			assert.equal((await wire.sub('own', 'stream-notify-user', `${user.userId}/message`, false))['msg'], 'ready');
		});

		test('a personal access token logs in, with an expiry', async (t) => {
			const user = await person();
			const wire = await open(t);
			const token = 'p'.repeat(43);
			const hashedToken = createHash('sha256').update(token).digest('base64');
			const entry = {
				type: 'personalAccessToken',
				createdAt: new Date(),
				lastTokenPart: 'pppppp',
				name: 'own',
				hashedToken,
			};
			await server.db
				.collection<{ _id: string; 'services.resume.loginTokens': object[] }>('users')
				.updateOne({ _id: user.userId }, { $push: { 'services.resume.loginTokens': entry } });
			const result = await wire.call('login', { resume: token });
			assert.equal(result.id, user.userId);
			assert.ok(result.tokenExpires.$date > Date.now());
		});

		test('what comes behind a login without waiting runs after it, as the user', async (t) => {
			const user = await person();
			const wire = await openWire(t, server.socketUrl);
			wire.send(
				connectFrame,
				loginFrame('l', user.authToken),
				{ msg: 'sub', id: 'a', name: 'stream-notify-user', params: [`${user.userId}/message`, false] },
				{ msg: 'method', id: 'm', method: 'rooms/get', params: [] },
				{ msg: 'sub', id: 'b', name: 'stream-notify-all', params: ['public-settings-changed', false] },
			);
			const answers = await Promise.all([
				wire.next((frame) => isAnswerTo(frame, 'a')),
				wire.next((frame) => isAnswerTo(frame, 'b')),
				wire.next((frame) => frame['msg'] === 'result' && frame['id'] === 'm'),
			]);
			assert.deepEqual(
				answers.map(({ msg }) => msg),
				['ready', 'ready', 'result'],
			);
			assert.equal(answers[2]?.['result'][0]._id, 'GENERAL');
			const loggedIn = wire.frames.findIndex((frame) => frame['methods']?.[0] === 'l');
			for (const answer of answers) assert.ok(loggedIn < wire.frames.indexOf(answer), JSON.stringify(answer));
		});

		test('subs in front of their login wait for it and become ready as the user', async (t) => {
			const user = await person();
			const wire = await open(t);
			wire.send(
				{ msg: 'sub', id: 'a', name: 'stream-notify-user', params: [`${user.userId}/message`, false] },
				{ msg: 'sub', id: 'b', name: 'stream-notify-logged', params: ['updateAvatar', false] },
				{ msg: 'sub', id: 'c', name: 'meteor.loginServiceConfiguration', params: [] },
			);
			await wire.next((frame) => isAnswerTo(frame, 'c'));
			await wire.login(user);
			for (const id of ['a', 'b']) assert.equal((await wire.next((frame) => isAnswerTo(frame, id)))['msg'], 'ready');
		});

		test('subs behind a login that fails are judged as anonymous', async (t) => {
			const wire = await open(t);
			wire.send(
				loginFrame('l', 'unknown'),
				{ msg: 'sub', id: 'own', name: 'stream-notify-logged', params: ['updateAvatar', false] },
				{ msg: 'sub', id: 'all', name: 'stream-notify-all', params: ['public-settings-changed', false] },
			);
			assert.equal((await wire.next((frame) => isAnswerTo(frame, 'all')))['msg'], 'ready');
			assert.equal((await wire.next((frame) => isAnswerTo(frame, 'own')))['error'].error, 'not-allowed');
		});

		test('logout keeps the socket, ends what needs a user, and the token is gone', async (t) => {
			const user = await person();
			const watcher = await openLoggedIn(t, server, server.admin);
			await watcher.sub('w', 'stream-user-presence', '', { added: [user.userId] });
			const seen = (code: number) =>
				watcher.next(({ collection, id, fields }) => {
					return collection === 'stream-user-presence' && id === user.userId && fields.args[0][1] === code;
				});
			const wire = await openLoggedIn(t, server, user);
			await seen(1);
			await wire.sub('own', 'stream-notify-user', `${user.userId}/message`, false);
			await wire.sub('all', 'stream-notify-all', 'public-settings-changed', false);
			assert.deepEqual(Object.keys(await wire.ask('logout')), ['msg', 'id']);
			await wire.next((frame) => frame['msg'] === 'removed' && frame['collection'] === 'users');
			const ended = await wire.next((frame) => frame['msg'] === 'nosub');
			assert.deepEqual([ended['id'], ended['error'].error], ['own', 'not-allowed']);
			await seen(0);
			assert.equal((await wire.ask('joinRoom', 'GENERAL'))['error'].error, 'error-invalid-user');
			assert.equal(wire.frames.filter(({ msg }) => msg === 'nosub').length, 1);
			assert.equal((await rest(server.url, 'GET', 'me', { session: user })).status, 401);
			assert.equal((await wire.ask('login', { resume: user.authToken }))['error'].error, 403);
		});

		test('removeOtherTokens: the others hear force_logout and close 4403, this one stays', async (t) => {
			const user = await person();
			const second = await restLogin(server.url, user.username, `secret of ${user.username}`);
			const [own, other] = [await openLoggedIn(t, server, user), await openLoggedIn(t, server, second)];
			for (const wire of [own, other]) await wire.sub('f', 'stream-notify-user', `${user.userId}/force_logout`, false);
			await own.call('removeOtherTokens');
			await other.event('stream-notify-user', `${user.userId}/force_logout`);
			assert.deepEqual(await other.closed, { code: 4403, reason: 'LOGGED_OUT' });
			await own.settled();
			assert.deepEqual(own.events('stream-notify-user', `${user.userId}/force_logout`), []);
			assert.equal((await ok(server.url, 'GET', 'me', { session: user }))['_id'], user.userId);
		});
	});
}
