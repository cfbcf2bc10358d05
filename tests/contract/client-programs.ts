import { fork, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';

/**
 * Starts a client program of `clients/` as a process of its own and waits for its first message. It ends with the test.
 */
export async function startClient(t: TestContext, file: string, args: string[]): Promise<ChildProcess> {
	const child = fork(resolve(import.meta.dirname, 'clients', file), args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
	let output = '';
	for (const stream of [child.stdout, child.stderr])
		stream?.on('data', (chunk) => (output = (output + chunk).slice(-4000)));
	t.after(() => void child.kill('SIGKILL'));
	await new Promise<void>((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error(`${file} did not get ready: ${output}`)), 30_000);
		child.once('message', () => (clearTimeout(timer), resolve()));
		child.once('exit', (code) => (clearTimeout(timer), reject(new Error(`${file} ended with ${code}: ${output}`))));
	});
	return child;
}

/** The next message of a client program that fits. Rejects after 20 s. */
export function told(child: ChildProcess, fits: (message: any) => boolean): Promise<any> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error('the client said nothing that fits')), 20_000);
		const listen = (message: any) => {
			if (!fits(message)) return;
			clearTimeout(timer);
			child.off('message', listen);
			resolve(message);
		};
		child.on('message', listen);
	});
}
