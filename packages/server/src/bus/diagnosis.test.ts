import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testNatsUrl } from '../testing/database.ts';
import { diagnoseNats } from './diagnosis.ts';

test('a NATS that is there: it answers, its version, nothing to warn of on this machine', async () => {
	const found = await diagnoseNats(testNatsUrl());
	assert.deepEqual(
		found.map(({ level }) => level),
		['ok', 'ok'],
	);
	assert.match(found[0]?.text ?? '', /NATS answers at 127\.0\.0\.1/);
	assert.match(found[1]?.text ?? '', /^NATS \d+\.\d+\.\d+$/);
});

test('one that is not there is one error', async () => {
	const found = await diagnoseNats('nats://127.0.0.1:1', 500);
	assert.equal(found.length, 1);
	assert.deepEqual([found[0]?.level, /cannot be reached/.test(found[0]?.text ?? '')], ['error', true]);
});

test('a TRANSPORTER that names none is an error that says so', async () => {
	assert.match((await diagnoseNats('TCP'))[0]?.text ?? '', /^TRANSPORTER: 'TCP' is not supported/);
});
