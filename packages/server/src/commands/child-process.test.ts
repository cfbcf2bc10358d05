import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../platform/log.ts';
import { bareEnvironment, testFolder } from '../testing/programs.ts';
import { supervise } from './child-process.ts';

test('a process that never gets ready is given up after some tries, with what it said', async (t) => {
	const lines: Record<string, unknown>[] = [];
	const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
	const log = createLog({ name: 'rookery', format: 'json', destination });
	const said = await new Promise<string[]>((resolve) => {
		void testFolder(t).then((HOME) => {
			const env = bareEnvironment({ HOME, LOG_FORMAT: 'json' });
			supervise({ process: 'core', label: 'core-1', env, log, onChange: () => undefined, onHopeless: resolve });
		});
	});
	assert.match(said.join('\n'), /MONGO_URL and TRANSPORTER must be set/);
	const started = lines.filter(({ event }) => event === 'process.started');
	assert.equal(started.length, 5);
	assert.equal(new Set(started.map(({ childPid }) => childPid)).size, 5);
	const waits = lines.filter(({ event }) => event === 'process.ended').map(({ waitMs }) => Number(waitMs));
	assert.equal(waits.length, 4);
	assert.ok((waits.at(-1) ?? 0) > (waits[0] ?? Infinity), waits.join());
});
