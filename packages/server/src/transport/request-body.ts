import type { IncomingMessage } from 'node:http';

/** `large`: over the limit. `slow`: not there in time. `gone`: the client went away. */
export type BodyProblem = 'large' | 'slow' | 'gone';

type Bounds = {
	timeoutMs: number;
	/** Whether so many bytes more may be kept. */
	mayTake(bytes: number): boolean;
};

/** Reads a body. What is refused is not read further. */
export function readBody(request: IncomingMessage, { timeoutMs, mayTake }: Bounds): Promise<Buffer | BodyProblem> {
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		const end = (result: Buffer | BodyProblem) => {
			clearTimeout(timer);
			request.off('data', take).off('end', whole).off('close', gone);
			if (result === 'large') request.pause();
			resolve(result);
		};
		const take = (chunk: Buffer) => {
			if (mayTake(chunk.length)) chunks.push(chunk);
			else end('large');
		};
		const whole = () => end(Buffer.concat(chunks));
		const gone = () => end('gone');
		const timer = setTimeout(() => end('slow'), timeoutMs);
		if (request.destroyed) return end('gone');
		request.on('data', take).once('end', whole).once('close', gone);
	});
}

const maxDiscardedBytes = 16 * 1024 * 1024;
const maxDiscardingMs = 5_000;

/** Reads on what a client is still sending, within bounds: else it sees a broken connection instead of the answer. */
export function discardBody(request: IncomingMessage): Promise<void> {
	if (request.complete || request.destroyed) return Promise.resolve();
	return new Promise((resolve) => {
		let bytes = 0;
		const stop = () => {
			clearTimeout(timer);
			request.off('data', count);
			resolve();
		};
		const count = (chunk: Buffer | string) => {
			bytes += chunk.length;
			if (bytes > maxDiscardedBytes) stop();
		};
		const timer = setTimeout(stop, maxDiscardingMs);
		request.on('data', count).once('end', stop).once('close', stop).resume();
	});
}
