import { spawn } from 'node:child_process';

/** How a command ended. */
export type CommandResult = {
	/** null = ended by a signal, or never started. */
	code: number | null;
	signal: NodeJS.Signals | null;
	/** The last 64 KiB of what it wrote. */
	stdout: string;
	stderr: string;
	/** Why it could not be started, e.g. `ENOENT`. */
	spawnError: string | null;
	isTimedOut: boolean;
};

const maxOutput = 64 * 1024;

/**
 * Runs a command to its end and keeps what it said.
 *
 * @param options.timeoutMs It is killed after that.
 */
export function runCommand(
	command: string,
	args: string[],
	options: { env: NodeJS.ProcessEnv; timeoutMs: number; signal?: AbortSignal },
): Promise<CommandResult> {
	return new Promise((resolve) => {
		const child = spawn(command, args, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'] });
		let stdout = '';
		let stderr = '';
		let spawnError: string | null = null;
		let isTimedOut = false;
		child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout = (stdout + text).slice(-maxOutput)));
		child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-maxOutput)));
		const kill = (): void => void child.kill('SIGKILL');
		const timer = setTimeout(() => {
			isTimedOut = true;
			kill();
		}, options.timeoutMs);
		options.signal?.addEventListener('abort', kill, { once: true });
		if (options.signal?.aborted === true) kill();
		const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
			clearTimeout(timer);
			options.signal?.removeEventListener('abort', kill);
			// Grandchildren may hold the pipes open after a kill.
			child.stdout.destroy();
			child.stderr.destroy();
			resolve({ code, signal, stdout, stderr, spawnError, isTimedOut });
		};
		child.once('error', (error: NodeJS.ErrnoException) => {
			if (child.pid !== undefined) return;
			spawnError = error.code ?? 'failed';
			finish(null, null);
		});
		child.once('exit', (code, signal) => {
			if (isTimedOut || options.signal?.aborted === true) finish(code, signal);
		});
		child.once('close', finish);
	});
}
