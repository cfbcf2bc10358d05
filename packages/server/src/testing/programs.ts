import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** Path of a program for tests that start one. `npm test` finds it and sets the variable. */
export function testProgram(name: 'mongod' | 'nats-server'): string {
	const variable = name === 'mongod' ? 'ROOKERY_TEST_MONGOD' : 'ROOKERY_TEST_NATS_SERVER';
	const path = process.env[variable];
	if (path === undefined) throw new Error(`${variable} is not set: start the tests with \`npm test\``);
	return path;
}

/** A folder of this test's own, removed when the test ends. */
export async function testFolder(t: TestContext): Promise<string> {
	const folder = await mkdtemp(join(tmpdir(), 'rookery-test-'));
	t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
	return folder;
}

/** A command that was started as a user starts it. */
export type StartedCommand = {
	child: ChildProcess;
	/** Everything it wrote so far. */
	output(): string;
	/** Resolves with the output as soon as it fits. Rejects when the command ends before, or after 60 s. */
	wrote(pattern: RegExp): Promise<string>;
	/** Resolves with the exit code; null = ended by a signal. */
	ended: Promise<number | null>;
};

/** The command's own file. */
export const rookeryFile = resolve(import.meta.dirname, '../../../../rookery.mjs');

/**
 * Starts a command with exactly this environment and ends it with the test.
 *
 * @param node The Node that runs it. Default: this one.
 */
export function startCommand(
	t: TestContext,
	args: string[],
	options: { env: NodeJS.ProcessEnv; node?: string; cwd?: string; input?: string },
): StartedCommand {
	const { env, node = process.execPath, cwd = tmpdir() } = options;
	const child = spawn(node, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
	child.stdin.on('error', () => undefined).end(options.input ?? '');
	let output = '';
	const listeners = new Set<() => void>();
	for (const input of [child.stdout, child.stderr]) {
		createInterface({ input }).on('line', (line) => {
			output += `${line}\n`;
			for (const listener of listeners) listener();
		});
	}
	const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
	t.after(async () => {
		if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
		await ended;
	});
	return {
		child,
		output: () => output,
		ended,
		wrote: (pattern) =>
			new Promise((found, failed) => {
				const timer = setTimeout(() => finish(new Error(`not within 60 s: ${pattern}\n${output}`)), 60_000);
				const look = (): void => {
					if (pattern.test(output)) finish(null);
				};
				const finish = (error: Error | null): void => {
					clearTimeout(timer);
					listeners.delete(look);
					if (error === null) found(output);
					else failed(error);
				};
				listeners.add(look);
				void ended.then(() => finish(new Error(`ended before ${pattern}\n${output}`)));
				look();
			}),
	};
}

/** What a command needs of this process's environment, without the variables the server reads. */
export function bareEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
	const { PATH, ROOKERY_TEST_RUN, NODE_COMPILE_CACHE } = process.env;
	return {
		PATH,
		...(ROOKERY_TEST_RUN === undefined ? {} : { ROOKERY_TEST_RUN }),
		...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
		...more,
	};
}
