/**
 * Makes a function that runs at most once at a time. Who calls during a run shares the next one with the others who
 * do: it begins after they called.
 */
export function coalesced(run: () => Promise<void>): () => Promise<void> {
	let running: Promise<void> | null = null;
	let next: Promise<void> | null = null;

	function start(): Promise<void> {
		running ??= run().finally(() => {
			running = null;
		});
		return running;
	}

	return () => {
		if (running === null) return start();
		next ??= running
			.catch(() => undefined)
			.then(() => {
				next = null;
				return start();
			});
		return next;
	};
}
