import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashSync, verifySync } from '@node-rs/bcrypt';
import { passwordDigest, passwordHasher } from './accounts-passwords.ts';

test('a digest fits the hash made of it, whatever cost and prefix that names', async () => {
	const hasher = passwordHasher({ cost: 5 });
	const digest = passwordDigest('sécret');
	assert.match(digest, /^[0-9a-f]{64}$/);
	for (const version of ['2a', '2b', '2y'] as const) {
		for (const cost of [4, 5, 7]) assert.equal(await hasher.matches(digest, hashSync(digest, { cost, version })), true);
	}
	const stored = await hasher.hash(digest);
	assert.equal(verifySync(digest, stored), true);
	assert.equal(await hasher.matches(passwordDigest('other'), stored), false);
	assert.deepEqual([hasher.isWeak(hashSync(digest, { cost: 4 })), hasher.isWeak(stored)], [true, false]);
});

test('what is no hash, or one of a cost nobody may ask for, fits nothing', async () => {
	const hasher = passwordHasher({ cost: 4 });
	const digest = passwordDigest('secret');
	const costly = hashSync(digest, { cost: 4 }).replace('$04$', '$16$');
	for (const stored of [null, '', 'x', digest, '$2b$04$', costly]) {
		assert.equal(await hasher.matches(digest, stored), false, String(stored));
	}
});

test('an unknown user costs as much work as a wrong password, also for an old hash', async () => {
	const cost = 10;
	const hasher = passwordHasher({ cost });
	const digest = passwordDigest('secret');
	const cases = {
		unknown: null,
		present: hashSync(passwordDigest('other'), { cost }),
		old: hashSync(passwordDigest('other'), { cost: cost - 2 }),
	};
	const median = async (stored: string | null): Promise<number> => {
		const times = [];
		for (let n = 0; n < 5; n++) {
			const before = process.cpuUsage();
			await hasher.matches(digest, stored);
			const { user, system } = process.cpuUsage(before);
			times.push(user + system);
		}
		return times.sort((a, b) => a - b)[2] ?? 0;
	};
	await median(null);
	const unknown = await median(cases.unknown);
	for (const stored of [cases.present, cases.old]) {
		const ratio = (await median(stored)) / unknown;
		assert.ok(ratio > 0.7 && ratio < 1.4, `ratio ${ratio.toFixed(2)}`);
	}
});

test('beyond the queue a hash is refused as unavailable, and the next ones work', async () => {
	const hasher = passwordHasher({ cost: 8, cores: 1, queueLimit: 3 });
	const tries = await Promise.allSettled(Array.from({ length: 10 }, () => hasher.hash(passwordDigest('x'))));
	assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 4);
	for (const attempt of tries) {
		if (attempt.status === 'rejected') assert.equal(attempt.reason.code, 'error-service-unavailable');
	}
	await hasher.hash(passwordDigest('x'));
});
