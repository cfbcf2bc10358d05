const limitMs = 30_000;

/**
 * Waits until some work says that it is done.
 *
 * @throws Error when the work says that it failed, or after half a minute
 */
export function gate(work: (done: () => void, fail: (reason: string) => void) => void): Promise<void> {
	return new Promise((resolve, reject) => {
		const fail = (reason: string): void => {
			clearTimeout(timer);
			reject(new Error(reason));
		};
		const timer = setTimeout(() => fail('not everybody received everything in time'), limitMs);
		work(() => {
			clearTimeout(timer);
			resolve();
		}, fail);
	});
}
