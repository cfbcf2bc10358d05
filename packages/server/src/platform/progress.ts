/** How a long step tells the person who waits how far it is. */
export type Progress = {
	/** One line about what happens now. */
	step(text: string): void;
	/** How much of something is done. Called as often as there is news. @param totalBytes null = not known */
	amount(label: string, doneBytes: number, totalBytes: number | null): void;
};

type Sink = { isTTY?: boolean; write(text: string): unknown };

/** Progress that says nothing. */
export const silentProgress: Progress = { step: () => undefined, amount: () => undefined };

/** Percent between two lines where they cannot be overwritten. */
const lineEvery = 25;

/**
 * Writes progress for people: on a terminal an amount is one line that is written over, elsewhere a line every quarter.
 *
 * @param sink Default: standard error.
 */
export function printedProgress(sink: Sink = process.stderr): Progress {
	const isTerminal = sink.isTTY === true;
	let shown: { label: string; percent: number } | null = null;

	function endLine(): void {
		if (shown !== null && isTerminal) sink.write('\n');
		shown = null;
	}

	return {
		step(text) {
			endLine();
			sink.write(`${text}\n`);
		},
		amount(label, doneBytes, totalBytes) {
			const percent = totalBytes === null ? 0 : Math.min(100, Math.floor((doneBytes / totalBytes) * 100));
			if (shown !== null && shown.label !== label) endLine();
			const last = shown?.percent ?? -Infinity;
			const isNews = isTerminal ? percent !== last : percent >= last + lineEvery || (percent === 100 && last < 100);
			if (!isNews) return;
			shown = { label, percent };
			const size = totalBytes === null ? megabytes(doneBytes) : `${megabytes(totalBytes)} ${percent} %`;
			sink.write(isTerminal ? `\r\u001B[K  ${label} ${size}` : `  ${label} ${size}\n`);
			if (percent === 100) endLine();
		},
	};
}

/** `42 MB` */
export function megabytes(bytes: number): string {
	return `${Math.max(1, Math.round(bytes / 1_000_000))} MB`;
}
