import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { LastingUser } from './lasting-client.ts';
import { rest } from './server.ts';

/** An acknowledged message. `n`: which of its author's messages it is. */
export type Post = { id: string; rid: string; author: string; n: number };

/** People who post all the time. */
export type SteadyAuthors = {
	readonly posts: readonly Post[];
	/** Resolves when the last one is acknowledged. */
	stop(): Promise<void>;
};

const retryMs = 50;

/**
 * Posts by REST at a fixed rate: each author his own messages one after the other, each repeated under its id until it was
 * acknowledged.
 *
 * @param perSecond Of all together.
 */
export function startAuthors(
	coreUrl: string,
	authors: { user: LastingUser; rid: string }[],
	perSecond: number,
): SteadyAuthors {
	const posts: Post[] = [];
	const stopping = new AbortController();
	const everyMs = (1000 * authors.length) / perSecond;
	const loops = authors.map(async ({ user, rid }, index) => {
		const startedAt = performance.now() + (index * 1000) / perSecond;
		for (let n = 0; !stopping.signal.aborted; n++) {
			const dueInMs = startedAt + n * everyMs - performance.now();
			if (dueInMs > 0) await pause(dueInMs);
			if (stopping.signal.aborted) return;
			const id = randomBytes(9).toString('hex').slice(0, 17);
			const options = { session: user, body: { message: { _id: id, rid, msg: `message ${n} of ${user.username}` } } };
			for (;;) {
				const answer = await rest(coreUrl, 'POST', 'chat.sendMessage', options).catch(() => null);
				if (answer?.status === 200) break;
				await pause(retryMs);
			}
			posts.push({ id, rid, author: user.userId, n });
		}
	});
	return {
		posts,
		async stop() {
			stopping.abort();
			await Promise.all(loops);
		},
	};
}
