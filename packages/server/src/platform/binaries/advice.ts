import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Program } from './sources.ts';

/** A system's way to install things, and what its packages are called. */
type PackageManager = { command: string; install: string; packages: Record<string, string> };

const managers: PackageManager[] = [
	{
		command: 'apt-get',
		install: 'apt-get install -y',
		packages: {
			'libcurl.so.4': 'libcurl4',
			'liblzma.so.5': 'liblzma5',
			'libssl.so.3': 'libssl3',
			'libcrypto.so.3': 'libssl3',
			'libresolv.so.2': 'libc6',
			'libgcc_s.so.1': 'libgcc-s1',
			pip: 'python3-pip',
		},
	},
	{
		command: 'dnf',
		install: 'dnf install -y',
		packages: {
			'libcurl.so.4': 'libcurl',
			'liblzma.so.5': 'xz-libs',
			'libssl.so.3': 'openssl-libs',
			'libcrypto.so.3': 'openssl-libs',
			'libgcc_s.so.1': 'libgcc',
			pip: 'python3-pip',
		},
	},
	{
		command: 'zypper',
		install: 'zypper install -y',
		packages: {
			'libcurl.so.4': 'libcurl4',
			'liblzma.so.5': 'liblzma5',
			'libssl.so.3': 'libopenssl3',
			'libcrypto.so.3': 'libopenssl3',
			pip: 'python3-pip',
		},
	},
	{
		command: 'pacman',
		install: 'pacman -S --noconfirm',
		packages: {
			'libcurl.so.4': 'curl',
			'liblzma.so.5': 'xz',
			'libssl.so.3': 'openssl',
			'libcrypto.so.3': 'openssl',
			pip: 'python-pip',
		},
	},
	{ command: 'apk', install: 'apk add', packages: { pip: 'py3-pip' } },
	{ command: 'brew', install: 'brew install', packages: { pip: 'python' } },
];

/** Where a command lies on the `PATH`, or null. Only files that may be executed count. */
export function findOnPath(
	command: string,
	env: NodeJS.ProcessEnv,
	platform: string = process.platform,
): string | null {
	const names = platform === 'win32' ? [`${command}.exe`, `${command}.cmd`] : [command];
	for (const folder of (env['PATH'] ?? env['Path'] ?? '').split(delimiter)) {
		if (folder === '') continue;
		for (const name of names) {
			const path = join(folder, name);
			try {
				accessSync(path, constants.X_OK);
				return path;
			} catch {
				// not here
			}
		}
	}
	return null;
}

/**
 * The command that installs something on this system, or null when it has no package manager we know.
 *
 * @param thing File name of a shared library, or `pip`.
 */
export function installCommand(thing: string, env: NodeJS.ProcessEnv): string | null {
	const manager = managers.find(({ command }) => findOnPath(command, env) !== null);
	const name = manager?.packages[thing];
	if (manager === undefined || name === undefined) return null;
	const isRoot = typeof process.getuid === 'function' && process.getuid() === 0;
	const prefix = isRoot || manager.command === 'brew' || findOnPath('sudo', env) === null ? '' : 'sudo ';
	return `${prefix}${manager.install} ${name}`;
}

/** How to go on without what could not be started or fetched. */
export function alternatives(program: Program): string {
	return program === 'mongod'
		? 'Or use a MongoDB of your own (a replica set; one node is enough): MONGO_URL=mongodb://host/rocketchat?replicaSet=rs01\nor name an installed mongod: ROOKERY_MONGOD=/path/to/mongod'
		: 'Or use a NATS server of your own: TRANSPORTER=nats://host:4222\nor name an installed nats-server: ROOKERY_NATS_SERVER=/path/to/nats-server';
}

/** The sentence with which a missing library is reported. */
export function missingLibrary(path: string, library: string, env: NodeJS.ProcessEnv): string {
	const command = installCommand(library, env);
	const reason = `${path} needs the library ${library}, which this system does not have.`;
	return command === null ? reason : `${reason} Install it with:\n\n    ${command}\n`;
}

/** What to do when neither the publisher nor the package index gave the program. */
export function nothingWorked(program: Program, reasons: string[], env: NodeJS.ProcessEnv): string {
	const tried = reasons.map((reason) => `  - ${reason}`).join('\n');
	const hasPip = ['python3', 'python', 'pip3', 'pip'].some((name) => findOnPath(name, env) !== null);
	const lacksPip = !hasPip || reasons.some((reason) => reason.includes(pipIsMissing));
	const command = lacksPip ? installCommand('pip', env) : null;
	const help = command === null ? '' : `Install pip and start again:\n\n    ${command}\n\n`;
	return `${program} is not on this machine and could not be fetched:\n${tried}\n\n${help}${alternatives(program)}`;
}

/** Part of a reason that tells `nothingWorked` that pip would help. */
export const pipIsMissing = 'pip is not installed';
