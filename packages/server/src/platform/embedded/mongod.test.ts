import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test, type TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import { ensurePrimary } from '../../repositories/replica-set.ts';
import { startCommand, testFolder, testProgram } from '../../testing/programs.ts';
import { isAlive } from '../file-lock.ts';
import { silentProgress } from '../progress.ts';
import { StartProblem } from '../start-problem.ts';
import { startMongod, type EmbeddedMongod } from './mongod.ts';

type Options = Parameters<typeof startMongod>[0];

function start(dataDirectory: string, more: Partial<Options> = {}): Promise<EmbeddedMongod> {
	return startMongod({
		path: testProgram('mongod'),
		dataDirectory,
		env: process.env,
		progress: silentProgress,
		initiate: ensurePrimary,
		...more,
	});
}

async function withClient<T>(url: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
	const client = await MongoClient.connect(url);
	try {
		return await work(client);
	} finally {
		await client.close();
	}
}

/** Resolves when no such process exists any more. */
async function gone(pid: number): Promise<void> {
	const end = performance.now() + 30_000;
	while (isAlive(pid)) {
		assert.ok(performance.now() < end, `process ${pid} is still there`);
		await new Promise((done) => setTimeout(done, 20));
	}
}

test('one node of a replica set, primary when it is returned; the data outlives it, also under another port', async (t) => {
	const data = join(await testFolder(t), 'data');
	const first = await start(data);
	t.after(() => first.stop());
	await withClient(first.url, (client) =>
		client
			.db('x')
			.collection('y')
			.insertOne({ z: 1 }, { writeConcern: { w: 'majority', journal: true } }),
	);
	await assert.rejects(start(data), (error) => {
		assert.ok(error instanceof StartProblem);
		assert.match(error.message, /in use by another Rookery \(process \d+\)/);
		assert.match(error.message, /ROOKERY_DATA=/);
		return true;
	});
	await first.stop();
	assert.deepEqual(await first.ended, { code: 0, signal: null });
	assert.equal(isAlive(first.pid), false);

	// A port that is taken: the set's own configuration has to follow to another one.
	const other = await start(await testFolder(t));
	t.after(() => other.stop());
	await writeFile(join(data, 'mongod.port'), String(other.port));
	const second = await start(data);
	t.after(() => second.stop());
	assert.notEqual(second.port, first.port);
	const documents = await withClient(second.url, (client) => client.db('x').collection('y').find().toArray());
	assert.deepEqual(
		documents.map(({ z }) => z as number),
		[1],
	);
	await second.stop();
	await other.stop();
});

test('it ends cleanly when the process that started it is killed, and a crash of both is cleaned up by the next start', async (t) => {
	const data = await testFolder(t);
	const starter = await startInOtherProcess(t, data);
	starter.child.kill('SIGKILL');
	await starter.ended;
	await gone(starter.pid);
	assert.equal(await readFile(join(data, 'mongod.lock'), 'utf8'), '', 'a clean shutdown empties its lock');

	const next = await startInOtherProcess(t, data);
	process.kill(next.guardPid, 'SIGKILL');
	next.child.kill('SIGKILL');
	await next.ended;
	assert.equal(isAlive(next.pid), true, 'without its guard it is left over');
	const steps: string[] = [];
	const server = await start(data, { progress: { ...silentProgress, step: (text) => void steps.push(text) } });
	t.after(() => server.stop());
	assert.equal(isAlive(next.pid), false);
	assert.match(steps.join(), new RegExp(`process ${next.pid}.*left behind`));
	await server.stop();
});

/** A server started by a process that can be killed. */
async function startInOtherProcess(t: TestContext, data: string) {
	const source = (path: string) => JSON.stringify(resolve(import.meta.dirname, path));
	const program = `
		const { startMongod } = await import(${source('mongod.ts')});
		const { ensurePrimary } = await import(${source('../../repositories/replica-set.ts')});
		const server = await startMongod({ path: ${JSON.stringify(testProgram('mongod'))}, dataDirectory: ${JSON.stringify(data)},
			env: process.env, progress: { step() {}, amount() {} }, initiate: ensurePrimary });
		console.log('started', server.pid);
		setInterval(() => undefined, 1000);`;
	const starter = startCommand(t, ['--input-type=module', '-e', program], { env: process.env });
	const pid = Number(/started (\d+)/.exec(await starter.wrote(/started \d+/))?.[1]);
	const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
	t.after(() => {
		if (isAlive(pid)) process.kill(pid, 'SIGKILL');
	});
	return { ...starter, pid, guardPid: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) };
}

test('a server that dies is noticed, and a server that cannot start says why', async (t) => {
	const data = await testFolder(t);
	const server = await start(data);
	process.kill(server.pid, 'SIGKILL');
	assert.equal((await server.ended).code, 137);
	await server.stop();

	await writeFile(join(data, 'WiredTiger.wt'), 'not what was here');
	await assert.rejects(
		start(data),
		(error) => error instanceof StartProblem && /Its log: .*mongod\.log/.test(error.message),
	);
	const sayNothing = join(await testFolder(t), 'data');
	await assert.rejects(start(sayNothing, { path: '/bin/false' }), /MongoDB ended while it started \(exit code 1\)/);
});

test('a stop while it starts leaves no server behind', async (t) => {
	const data = await testFolder(t);
	const stopping = new AbortController();
	let port = 0;
	const starting = start(data, {
		signal: stopping.signal,
		initiate: async (target) => {
			port = target.port;
			await ensurePrimary(target);
			stopping.abort(new Error('stopping'));
			target.signal.throwIfAborted();
		},
	}).then(
		(server) => server.stop(),
		(error: unknown) => error,
	);
	const outcome = await Promise.race([starting, new Promise((done) => setTimeout(done, 30_000, 'too late').unref())]);
	assert.ok(outcome instanceof Error && outcome.message === 'stopping', String(outcome));
	await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});
