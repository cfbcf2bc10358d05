import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isAlive } from '../platform/file-lock.ts';
import { bareEnvironment, startCommand, testFolder, testProgram } from './programs.ts';

/** The runner itself, on test files made here. */
async function runner(t: TestContext, files: Record<string, string>, args?: string[]) {
	const folder = await testFolder(t);
	const paths: string[] = [];
	for (const [name, text] of Object.entries(files)) {
		const path = join(folder, `${name}.test.ts`);
		await writeFile(path, `import { after, test } from 'node:test';\n${text}\n`);
		paths.push(path);
	}
	const env = bareEnvironment({
		HOME: folder,
		ROOKERY_MONGOD: testProgram('mongod'),
		ROOKERY_NATS_SERVER: testProgram('nats-server'),
	});
	// A run within a run has its own mark.
	delete env['ROOKERY_TEST_RUN'];
	return startCommand(t, [join(import.meta.dirname, 'run.ts'), ...(args ?? paths)], { env });
}

test('the last line counts what passed and what failed, and a failure is the exit code', async (t) => {
	const good = await runner(t, {
		one: `test('a', () => { if (!process.env.ROOKERY_TEST_MONGO_URL.includes('replicaSet')) throw new Error(); }); test('b', () => undefined);`,
		two: `test('c', () => undefined); test.skip('d', () => undefined);`,
	});
	assert.equal(await good.ended, 0);
	assert.equal(good.output().trim().split('\n').at(-1), '3 passed, 0 failed');

	const bad = await runner(t, {
		one: `test('a', () => undefined); test('b', () => { throw new Error('no'); });`,
		two: `throw new Error('not even loaded');`,
		three: `after(() => { throw new Error('in a hook'); }); test('c', () => undefined);`,
	});
	assert.equal(await bad.ended, 1);
	assert.match(bad.output().trim().split('\n').at(-1) ?? '', /^2 passed, [23] failed$/);
});

test('nothing that matches is a failure, not a success', async (t) => {
	const none = await runner(t, {}, ['no-such-test-anywhere']);
	assert.equal(await none.ended, 1);
	assert.match(none.output(), /No test file matches no-such-test-anywhere/);
});

test('a stop in the middle ends the servers, the tests and what they started', async (t) => {
	const slow = await runner(t, {
		slow: `import { spawn } from 'node:child_process';
			test('slow', async () => {
				const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
				console.log('started', left.pid, process.env.ROOKERY_TEST_MONGO_URL);
				await new Promise((resolve) => setTimeout(resolve, 600_000));
			});`,
	});
	const [, pid, port] = /started (\d+) mongodb:\/\/127\.0\.0\.1:(\d+)/.exec(await slow.wrote(/started \d+ \S+/)) ?? [];
	slow.child.kill('SIGINT');
	assert.equal(await slow.ended, 1);
	assert.match(slow.output().trim().split('\n').at(-1) ?? '', /^0 passed, 1 failed$/);
	assert.equal(isAlive(Number(pid)), false);
	await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});
