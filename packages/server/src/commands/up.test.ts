import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isAlive } from '../platform/file-lock.ts';
import { testDatabase, testMongoUrl, testNatsUrl } from '../testing/database.ts';
import { bareEnvironment, rookeryFile, startCommand, testFolder, testProgram } from '../testing/programs.ts';

/** Lines of a JSON log. */
function logOf(output: string): Record<string, unknown>[] {
	return output
		.split('\n')
		.filter((line) => line.startsWith('{'))
		.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const isReady = /"event":"ready","address":"([^"]+)"/;

async function run(t: TestContext, args: string[], env: NodeJS.ProcessEnv, input = '') {
	const command = startCommand(t, [rookeryFile, ...args], { env, input });
	return { code: await command.ended, output: command.output() };
}

test('up with a MongoDB of its own: from nothing to an answer, a second start refused, people made, a clean end', async (t) => {
	const folder = await testFolder(t);
	const env = bareEnvironment({
		HOME: folder,
		PORT: '0',
		LOG_FORMAT: 'json',
		ROOKERY_MONGOD: testProgram('mongod'),
		MONGO_OPLOG_URL: 'mongodb://old/local',
	});
	const up = startCommand(t, [rookeryFile, 'up'], { env });
	const address = isReady.exec(await up.wrote(isReady))?.[1] ?? '';
	const lines = logOf(up.output());
	assert.deepEqual(lines.find(({ event }) => event === 'config.ignored')?.['variables'], ['MONGO_OPLOG_URL']);
	assert.equal(lines.filter(({ event }) => event === 'ready').length, 1);
	assert.equal((await fetch(`${address}/api/info`)).status, 200);
	assert.equal((await fetch(`${address}/readyz`)).status, 200);
	assert.match(await (await fetch(`${address}/metrics`)).text(), /^hub_is_active 1$/m);
	assert.equal((await fetch(`${address}/metrics`, { headers: { 'x-forwarded-for': '1.2.3.4' } })).status, 404);

	const second = await run(t, ['up'], env);
	assert.equal(second.code, 1);
	assert.match(second.output, /is in use by another Rookery \(process \d+\)/);

	const created = await run(
		t,
		['user', 'create', '--username', 'ana', '--email', 'ana@example.com', '--admin', '--password-stdin'],
		env,
		'a good password\n',
	);
	assert.match(created.output, /^created ana \(\w{17}\), an administrator$/m);
	const login = await fetch(`${address}/api/v1/login`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ user: 'ana', password: 'a good password' }),
	});
	assert.equal(login.status, 200);
	const again = await run(t, ['user', 'create', '--username', 'ANA', '--password', 'x y z 1 2 3'], env);
	assert.equal(again.code, 1);
	assert.match(again.output, /in use/);
	assert.equal((await run(t, ['doctor'], env)).code, 0);

	const mongod = Number(lines.find(({ event }) => event === 'mongod.started')?.['childPid']);
	up.child.kill('SIGINT');
	assert.equal(await up.ended, 0);
	assert.equal(isAlive(mongod), false);
	assert.equal(await readFile(join(folder, '.rookery/data/mongod.lock'), 'utf8'), '');

	// Nothing runs now: the data is opened just for this.
	const changed = await run(t, ['user', 'set-password', 'Ana', '--password-stdin'], env, 'another password');
	assert.match(changed.output, /^ana has a new password/m);
	const listed = await run(t, ['user', 'list', '--json'], env);
	assert.equal(listed.code, 0);
	assert.ok(
		logOf(listed.output).some(({ username, email, roles }) => {
			return username === 'ana' && email === 'ana@example.com' && JSON.stringify(roles) === '["admin","user"]';
		}),
		listed.output,
	);
	assert.match((await run(t, ['migrate'], env)).output, /nothing to do/);
});

test('the embedded MongoDB dies: the server says so and ends', async (t) => {
	const env = bareEnvironment({
		HOME: await testFolder(t),
		PORT: '0',
		LOG_FORMAT: 'json',
		ROOKERY_MONGOD: testProgram('mongod'),
	});
	const up = startCommand(t, [rookeryFile, 'up'], { env });
	await up.wrote(isReady);
	process.kill(Number(logOf(up.output()).find(({ event }) => event === 'mongod.started')?.['childPid']), 'SIGKILL');
	assert.equal(await up.ended, 1);
	assert.match(up.output(), /"event":"mongod\.ended".*MongoDB ended unexpectedly/);
});

test('start: health from the first moment, ready when it is, SIGTERM through an older Node ends it with 0', async (t) => {
	const db = await testDatabase(t);
	const env = bareEnvironment({
		HOME: await testFolder(t),
		PORT: '0',
		METRICS_PORT: '0',
		MONGO_URL: testMongoUrl(db.databaseName),
		TRANSPORTER: testNatsUrl(),
		INSTANCE_ID: 'accounts-7',
	});
	const older = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.0'})`;
	const start = startCommand(t, ['--import', older, rookeryFile, 'start', 'accounts-service'], { env });
	const health = /"event":"health","port":(\d+)/;
	const port = health.exec(await start.wrote(health))?.[1];
	assert.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200);
	await start.wrote(/"event":"ready","process":"accounts","address":null/);
	assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
	const taken = await run(t, ['start', 'presence'], { ...env, METRICS_PORT: String(port) });
	assert.equal(taken.code, 1);
	assert.match(taken.output, new RegExp(`Port ${port} is in use.*METRICS_PORT=`));
	start.child.kill('SIGTERM');
	assert.equal(await start.ended, 0);
});
