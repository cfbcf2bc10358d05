import { runCommand } from '../run-command.ts';

/** What a program says about itself, or why it does not run. */
export type Verdict =
	| { runs: true; version: string }
	| { runs: false; why: 'missing-library'; library: string }
	| { runs: false; why: 'illegal-instruction' | 'old-system' | 'other'; text: string };

/** How long `--version` may take: a cold disk and a busy machine included. */
const timeoutMs = 20_000;

/** Runs a program with `--version`. */
export async function verify(path: string, env: NodeJS.ProcessEnv): Promise<Verdict> {
	const result = await runCommand(path, ['--version'], { env, timeoutMs });
	const output = `${result.stdout}\n${result.stderr}`.trim();
	if (result.code === 0) {
		const version = /\bv?(\d+\.\d+\.\d+(?:-[\w.]+)?)/.exec(output)?.[1];
		if (version !== undefined) return { runs: true, version };
		return { runs: false, why: 'other', text: 'it does not tell its version' };
	}
	const library =
		/error while loading shared libraries: ([^\s:]+)/.exec(output)?.[1] ??
		/Library not loaded: \S*?([^\s/]+)$/m.exec(output)?.[1];
	if (library !== undefined) return { runs: false, why: 'missing-library', library };
	if (result.signal === 'SIGILL') return { runs: false, why: 'illegal-instruction', text: 'illegal instruction' };
	if (/version [`']?(GLIBC|GLIBCXX|OPENSSL)_[\d.]+'? not found/.test(output)) {
		return { runs: false, why: 'old-system', text: firstLine(output) };
	}
	return { runs: false, why: 'other', text: reasonOf(result, output) };
}

function reasonOf(result: Awaited<ReturnType<typeof runCommand>>, output: string): string {
	if (result.isTimedOut) return `no answer to --version within ${timeoutMs / 1000} s`;
	// An existing file that "is not there": its loader is missing, as with glibc programs on musl.
	if (result.spawnError !== null) return `it cannot be started here (${result.spawnError})`;
	if (result.signal !== null) return `it ended with ${result.signal}`;
	return firstLine(output) || `exit code ${result.code}`;
}

function firstLine(text: string): string {
	return text.split('\n', 1)[0]?.slice(0, 300) ?? '';
}
