import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { silentLog } from './log.ts';
import { handleShutdown } from './shutdown.ts';

function harness(limitMs?: number) {
	const source = new EventEmitter();
	const exited = new EventEmitter();
	const exit = (code: number): void => void exited.emit('exit', code);
	const shutdown = handleShutdown({
		log: silentLog,
		exit,
		source: source as unknown as Pick<NodeJS.Process, 'on' | 'off'>,
		...(limitMs === undefined ? {} : { limitMs }),
	});
	const code = once(exited, 'exit').then(([value]) => value as number);
	return { source, shutdown, code };
}

test('a signal stops everything once, the last one added first, and exits with 0', async () => {
	const { source, shutdown, code } = harness();
	const stopped: string[] = [];
	shutdown.add('database', async () => {
		await Promise.resolve();
		stopped.push('database');
	});
	shutdown.add('server', () => void stopped.push('server'));
	const takeBack = shutdown.add('gone', () => void stopped.push('gone'));
	takeBack();
	source.emit('SIGTERM', 'SIGTERM');
	assert.equal(shutdown.signal.aborted, true);
	assert.equal(await code, 0);
	assert.deepEqual(stopped, ['server', 'database']);
});

test('what a start opens while the stop goes on is stopped too', async () => {
	const { source, shutdown, code } = harness();
	const stopped: string[] = [];
	shutdown.add('start', () => {
		shutdown.add('late', () => void stopped.push('late'));
	});
	source.emit('SIGINT', 'SIGINT');
	assert.equal(await code, 0);
	assert.deepEqual(stopped, ['late']);
});

test('one part that fails does not keep the others from stopping, but the exit code tells', async () => {
	const { source, shutdown, code } = harness();
	let isStopped = false;
	shutdown.add('database', () => void (isStopped = true));
	shutdown.add('server', () => Promise.reject(new Error('stuck')));
	source.emit('SIGTERM', 'SIGTERM');
	assert.equal(await code, 1);
	assert.equal(isStopped, true);
});

test('a part that never stops is left behind after the limit', async () => {
	const { source, shutdown, code } = harness(20);
	shutdown.add('stuck', () => new Promise(() => undefined));
	const keepAlive = setInterval(() => undefined, 1000);
	source.emit('SIGTERM', 'SIGTERM');
	assert.equal(await code, 1);
	clearInterval(keepAlive);
});

test('a second request ends it at once; the same one twice does not', async (t) => {
	const { source, shutdown, code } = harness();
	let now = 1000;
	t.mock.method(performance, 'now', () => now);
	let exitCode: number | null = null;
	void code.then((value) => (exitCode = value));
	shutdown.add('slow', () => new Promise(() => undefined));
	source.emit('SIGINT', 'SIGINT');
	now += 100;
	source.emit('SIGINT', 'SIGINT');
	await new Promise((resolve) => setImmediate(resolve));
	assert.equal(exitCode, null);
	now += 5000;
	source.emit('SIGTERM', 'SIGTERM');
	assert.equal(await code, 1);
});
