import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fuzzRig } from '../../packages/server/src/testing/fuzz-rig.ts';
import { fuzz } from '../../packages/server/src/testing/fuzz-run.ts';
import type { Effort, Findings } from './post.ts';
import { atMost } from './report.ts';

/** Generated messages, a tenth of them before anything is measured. */
const messageCounts: Record<Effort, number> = { quick: 20_000, normal: 200_000, full: 1_000_000 };

const mebibyte = 1024 * 1024;
const seed = 20_261_125;

/**
 * Generated and mutated messages on fresh and logged-in sockets, raw and SockJS: whether all is answered, how long the
 * event loop of the streamer is held up, and what is left of it in memory. The clients share the streamer's process, so
 * their own work counts as its delay.
 */
export async function benchFuzz(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const messages = messageCounts[effort];
	const endings: (() => unknown)[] = [];
	let unhandled = 0;
	const count = (): void => void (unhandled += 1);
	process.on('unhandledRejection', count);
	const started = await fuzzRig({ after: (end) => void endings.push(end as () => unknown) });
	const { rig, target, settle, heapBytes } = started;
	try {
		await fuzz(target, { seed, messages: messages / 10 });
		await settle();
		const before = { heap: heapBytes(), rss: process.memoryUsage().rss };
		const delay = monitorEventLoopDelay({ resolution: 10 });
		delay.enable();
		let told = 0;
		const result = await fuzz(target, {
			seed: seed + 1,
			messages,
			onBatch(sent) {
				if (sent < told + messages / 10) return;
				told = sent;
				onProgress(`${sent} of ${messages} messages`);
			},
		});
		delay.disable();
		const errors = rig.log.filter(({ level }) => level === 'error' || level === 'fatal').length;
		rig.log.length = 0;
		await settle();
		const heapGrowth = (heapBytes() - before.heap) / mebibyte;
		const delayMs = (share: number): number => delay.percentile(share) / 1e6;
		const { sent, received, sockets, closes } = result;
		const counters = {
			sent,
			received,
			sockets,
			...Object.fromEntries(Object.entries(closes).map(([code, times]) => [`closed ${code}`, times])),
			'delay p50 ms': delayMs(50),
			'delay p99 ms': delayMs(99),
			'delay max ms': delay.max / 1e6,
			'heap growth MiB': heapGrowth,
			'RSS growth MiB': (process.memoryUsage().rss - before.rss) / mebibyte,
		};
		return {
			params: { effort, messages, seed },
			variants: { fuzz: { reps: [], counters } },
			ratios: [],
			goals: [
				atMost('event-loop delay p99 in ms', delayMs(99), 100),
				atMost('errors in the log', errors, 0),
				atMost('unhandled rejections', unhandled, 0),
				atMost('MiB of heap left', heapGrowth, 8),
			],
			notes: [
				'Every batch of 25 messages was answered, and every answer was a well-formed frame; else this had failed.',
			],
		};
	} finally {
		process.off('unhandledRejection', count);
		for (const end of endings.toReversed()) await end();
	}
}
