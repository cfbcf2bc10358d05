import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isLock, lockHolder, takeLock, waitForLock } from './file-lock.ts';

async function lockPath(t: TestContext): Promise<string> {
	const folder = await mkdtemp(join(tmpdir(), 'rookery-lock-'));
	t.after(() => rm(folder, { recursive: true }));
	return join(folder, 'sub', 'x.lock');
}

/** A number that no process has: of one that has just ended. */
function deadPid(): number {
	return spawnSync(process.execPath, ['--version']).pid;
}

test('of many at once one takes the lock, and the others learn who holds it', async (t) => {
	const path = await lockPath(t);
	const results = await Promise.all(Array.from({ length: 50 }, () => takeLock(path, 'a test')));
	const taken = results.filter(isLock);
	assert.equal(taken.length, 1);
	assert.deepEqual(await lockHolder(path), { pid: process.pid, what: 'a test' });
	await taken[0]?.release();
	assert.equal(await lockHolder(path), null);
	assert.equal(isLock(await takeLock(path, 'again')), true);
});

test('a lock of a process that is gone is taken over, by one of many', async (t) => {
	const path = await lockPath(t);
	const first = await takeLock(path, 'first');
	assert.ok(isLock(first));
	await writeFile(path, JSON.stringify({ pid: deadPid(), what: 'gone' }));
	const results = await Promise.all(Array.from({ length: 20 }, () => takeLock(path, 'next')));
	assert.equal(results.filter(isLock).length, 1);
	assert.deepEqual(await readdir(join(path, '..')), ['x.lock']);
});

test('a lock that nobody has touched for long is stale, whoever has its number now', async (t) => {
	const path = await lockPath(t);
	assert.ok(isLock(await takeLock(path, 'first')));
	await writeFile(path, JSON.stringify({ pid: 1, what: 'a number that is in use again' }));
	const past = new Date(Date.now() - 60_000);
	await utimes(path, past, past);
	assert.equal(isLock(await takeLock(path, 'next')), true);
});

test('who waits is told once for whom, and gets the lock when it is released', async (t) => {
	const path = await lockPath(t);
	const first = await takeLock(path, 'first');
	assert.ok(isLock(first));
	const told: number[] = [];
	const waited = waitForLock(path, 'second', {
		onWait: ({ pid }) => {
			told.push(pid);
			void first.release();
		},
	});
	const second = await waited;
	assert.deepEqual(told, [process.pid]);
	await second.release();
});

test('the signal ends the waiting', async (t) => {
	const path = await lockPath(t);
	const first = await takeLock(path, 'first');
	const stopping = new AbortController();
	const waiting = waitForLock(path, 'second', { signal: stopping.signal, onWait: () => stopping.abort() });
	await assert.rejects(waiting, { name: 'AbortError' });
	assert.ok(isLock(first));
});
