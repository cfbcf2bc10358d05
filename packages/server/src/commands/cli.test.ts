import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { variables } from '../platform/config-variables.ts';
import { bareEnvironment, rookeryFile, startCommand, testFolder } from '../testing/programs.ts';
import { compatVersion } from './doctor.ts';
import { processOf } from './start.ts';
import { ownVersion } from './version.ts';

/** Makes a Node look older than it is, without what it starts looking older too. */
const oldNode = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.0'})`;

async function rookery(t: TestContext, args: string[], env: Record<string, string> = {}) {
	const command = startCommand(t, [rookeryFile, ...args], {
		env: bareEnvironment({ HOME: await testFolder(t), ...env }),
	});
	const code = await command.ended;
	return { code, output: command.output() };
}

const helps: [args: string, ...texts: RegExp[]][] = [
	['--help', /Usage: rookery/, /\bup\b/, /\bstart\b/, /\bdoctor\b/, /\buser\b/, /\bmigrate\b/, /Examples:/],
	['up --help', /--separate/, /--streamers <n>/, /--cores <n>/, /Examples:/],
	['start --help', /MONGO_URL/, /TRANSPORTER/, /accounts-service/, /Examples:/],
	['doctor --help', /Exit code 1/, /Examples:/],
	['user --help', /create/, /set-password/, /list/],
	['user create --help', /--username/, /--password-stdin/, /--admin/, /Examples:/],
	['user set-password --help', /<username>/, /Example:/],
	['user list --help', /--json/, /Example:/],
	['migrate --help', /indexes/, /Example:/],
];

for (const [args, ...texts] of helps) {
	test(`rookery ${args}: says what it does, with an example, and exits with 0`, async (t) => {
		const { code, output } = await rookery(t, args.split(' '));
		assert.equal(code, 0);
		for (const text of texts) assert.match(output, text);
	});
}

test('the help names every variable with its default, and the version is ours', async (t) => {
	const [{ output }, version] = [await rookery(t, ['--help']), await rookery(t, ['--version'])];
	for (const name of Object.keys(variables)) assert.match(output, new RegExp(`^ {2}${name} +\\S`, 'm'), name);
	assert.match(output, /PORT +public port.*\[3000\]/);
	assert.equal(version.output.trim(), ownVersion());
	assert.equal(version.code, 0);
});

const wrong: [args: string, env: Record<string, string>, ...texts: RegExp[]][] = [
	['up', { PORT: '99999' }, /^PORT: '99999' is out of range\. Allowed: 0 \(any free port\) to 65535\.$/m],
	['start core', { LOG_LEVEL: 'loud', PORT: 'x' }, /^PORT: /m, /^LOG_LEVEL: .*trace or silent/m],
	['start core', {}, /MONGO_URL and TRANSPORTER must be set/, /rookery up/],
	['start core', { MONGO_URL: 'mongodb://db/x' }, /^TRANSPORTER must be set/m],
	['start core', { MONGO_URL: 'mongodb://[', TRANSPORTER: 'nats://x' }, /^MONGO_URL: /m],
	['start nothing', {}, /no process 'nothing'.*Known: .*stream-hub/],
	['up --separate --streamers 0', {}, /number from 1 to 32/],
	['nonsense', {}, /unknown command 'nonsense'/],
	['user create', {}, /'--username <name>' not specified/],
	['user create --username ana', {}, /--password-stdin/],
	['user create --username ana --password a --password-stdin', {}, /exclude each other/],
	['doctor', {}, /^error MONGO_URL is not set, and no `rookery up` runs on the data in /m],
	[
		'doctor',
		{ MONGO_URL: 'mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=300' },
		/^error MongoDB cannot be reached/m,
	],
];

for (const [args, env, ...texts] of wrong) {
	test(`rookery ${args} ${JSON.stringify(env)}: says what is wrong without a stack, exit code 1`, async (t) => {
		const { code, output } = await rookery(t, args.split(' '), env);
		assert.equal(code, 1);
		for (const text of texts) assert.match(output, text);
		assert.doesNotMatch(output, /^\s+at /m);
	});
}

test('a busy port is named before anything is started', async (t) => {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => server.close());
	const { port } = server.address() as AddressInfo;
	const { code, output } = await rookery(t, ['up'], { PORT: String(port) });
	assert.equal(code, 1);
	assert.match(output, new RegExp(`Port ${port} is in use by another program\\..*PORT=${port + 1}`));
	assert.doesNotMatch(output, /mongod/);
});

test('an older Node hands over to the one of the checkout, from any folder, with arguments and exit code', async (t) => {
	const cwd = await testFolder(t);
	const env = bareEnvironment({ HOME: cwd });
	const run = async (args: string[]) => {
		const command = startCommand(t, ['--import', oldNode, rookeryFile, ...args], { env, cwd });
		return { code: await command.ended, output: command.output() };
	};
	assert.deepEqual(await run(['--version']), { code: 0, output: `${ownVersion()}\n` });
	assert.equal((await run(['start', 'nothing'])).code, 1);
});

test('an older Node without another one says in one line what to do', async (t) => {
	const folder = await testFolder(t);
	const copy = join(folder, 'rookery.mjs');
	await copyFile(rookeryFile, copy);
	const command = startCommand(t, ['--import', oldNode, copy, 'up'], { env: bareEnvironment({ HOME: folder }) });
	assert.equal(await command.ended, 1);
	assert.match(command.output(), /^rookery needs Node 24\.18 or newer, this is 20\.20\.0: run `npm ci` in .*\n$/);
});

test("the names of the guide's containers are understood", () => {
	assert.deepEqual(
		['core', 'accounts-service', 'authorization-service', 'presence-service', 'mongodb-stream-hub'].map(processOf),
		['core', 'accounts', 'authorization', 'presence', 'stream-hub'],
	);
});

test('a version that official apps may refuse is a warning', () => {
	const levelAt = (version: string, date: string) => compatVersion(version, Date.parse(date))[0]?.level;
	assert.equal(levelAt('8.6', '2026-11-25'), 'ok');
	assert.equal(levelAt('8.6.2', '2026-11-25'), 'ok');
	assert.equal(levelAt('8.6', '2027-03-01'), 'warn');
	assert.equal(levelAt('9.0', '2027-03-01'), 'ok');
	assert.equal(levelAt('7.5', '2026-11-25'), 'warn');
});
