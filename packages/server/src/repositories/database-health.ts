import type { Database } from './database.ts';

const askEveryMs = 2_000;

/**
 * Whether the database answers, known without asking: it is asked every 2 s.
 *
 * @see security contract, REL-10
 */
export function databaseHealth({ db }: Pick<Database, 'db'>): { isReachable(): boolean; stop(): void } {
	let isReachable = true;
	let isAsking = false;
	const timer = setInterval(() => {
		if (isAsking) return;
		isAsking = true;
		db.command({ ping: 1 }, { timeoutMS: askEveryMs })
			.then(
				() => (isReachable = true),
				() => (isReachable = false),
			)
			.finally(() => (isAsking = false));
	}, askEveryMs);
	timer.unref();
	return { isReachable: () => isReachable, stop: () => clearInterval(timer) };
}
