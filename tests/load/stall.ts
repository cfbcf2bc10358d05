import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, cores, startChild } from './peers/child.ts';
import type { PeerName } from './peers/peer.ts';
import type { Closed, ServeOptions, Serving } from './peers/serve.ts';
import type { Effort, Findings } from './post.ts';
import { ratioAtMost } from './ratio-goals.ts';
import { atMost } from './report.ts';
import type { StallOrder, StallReport, StallRun } from './stall-clients.ts';
import { median, spreadOf } from './statistics.ts';

type Size = { pairs: number; frames: number; modelFrames: number; frameSizes: number[] };

/** Length of the frames of messages with 120 and with 1,000 characters. */
const frameSizes = [540, 1_420];

const sizes: Record<Effort, Size> = {
	quick: { pairs: 1, frames: 8_000, modelFrames: 4_000, frameSizes: [1_420] },
	normal: { pairs: 5, frames: 20_000, modelFrames: 20_000, frameSizes },
	full: { pairs: 9, frames: 20_000, modelFrames: 20_000, frameSizes },
};

const readers = 200;
/** Frames of a turn; the next ones come when every healthy reader has these. */
const burst = 10;
/** What may pile up for a reader, in bytes. @see security contract 4 */
const maxQueuedBytes = 1024 * 1024;
/** The log for clients that come back is full soon: else memory would grow until it is, with and without a stopped reader. */
const maxRecentBytes = 2 * 1024 * 1024;

/** Times of fewer runs say nothing. */
const minPairs = 3;

type Run = StallRun & { peakBytes: number };

/**
 * One of 200 readers stops reading while 20,000 frames are sent: what the others get, how late, what the server keeps in
 * memory, and what becomes of the one that has stopped. Beside it the same with nobody stopped.
 *
 * @see performance, G14
 */
export async function benchStall(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const size = sizes[effort];
	const findings: Findings = {
		params: { effort, ...size, readers, burst, maxQueuedBytes },
		variants: {},
		ratios: [],
		goals: [],
		notes: notes(),
	};
	for (const frameBytes of size.frameSizes) {
		await measureOurs(frameBytes, size, findings, onProgress);
		await measureShape(frameBytes, size, findings, onProgress);
	}
	return findings;
}

async function measureOurs(
	frameBytes: number,
	{ pairs, frames }: Size,
	findings: Findings,
	onProgress: (text: string) => void,
): Promise<void> {
	const rig = await startStall('ours', readers, frameBytes);
	const [calm, stalled]: [Run[], Run[]] = [[], []];
	try {
		// Once for nothing: what runs for the first time is slow.
		onProgress(`frames of ${frameBytes} bytes: warming up`);
		await rig.run(frames / 2, false);
		await rig.run(frames, true);
		for (let pair = 0; pair < pairs; pair++) {
			onProgress(`frames of ${frameBytes} bytes: pair ${pair + 1} of ${pairs}`);
			for (const stall of pair % 2 === 0 ? [false, true] : [true, false]) {
				(stall ? stalled : calm).push(await rig.run(frames, stall));
			}
		}
	} finally {
		await rig.stop();
	}
	judge(frameBytes, calm, stalled, findings);
}

/** @see performance, 2b: 173,349 of 594,000 reached the readers behind the one that had stopped */
async function measureShape(
	frameBytes: number,
	{ modelFrames }: Size,
	{ variants }: Findings,
	onProgress: (text: string) => void,
): Promise<void> {
	onProgress(`frames of ${frameBytes} bytes: the model of an awaited loop`);
	const rig = await startStall('shape', readers, frameBytes);
	try {
		variants[`shape, ${frameBytes} B, one stopped`] = {
			reps: [],
			counters: countersOf([await rig.run(modelFrames, true)]),
		};
	} finally {
		await rig.stop();
	}
}

function judge(frameBytes: number, calm: Run[], stalled: Run[], { variants, ratios, goals }: Findings): void {
	const name = `ours, ${frameBytes} B`;
	variants[`${name}, nobody stopped`] = { reps: [], counters: countersOf(calm) };
	variants[`${name}, one stopped`] = { reps: [], counters: countersOf(stalled) };
	const lateness = spreadOf(stalled.map(({ p99Us }, index) => p99Us / (calm[index]?.p99Us ?? Number.NaN)));
	const ratio = {
		of: `${name}, one stopped`,
		to: `${name}, nobody stopped`,
		on: 'p99 of the age of a frame',
		...lateness,
	};
	ratios.push(ratio);
	const missing = (runs: Run[]) => runs.reduce((sum, { expected, received }) => sum + expected - received, 0);
	const count = (is: (run: Run) => boolean) => stalled.filter(is).length;
	const usualPeak = Math.max(...calm.map(({ peakBytes }) => peakBytes));
	const peak = Math.max(...stalled.map(({ peakBytes }) => peakBytes));
	goals.push(
		atMost(`G14 frames that healthy readers lack, ${name}`, missing(stalled), 0),
		atMost(`frames out of order, ${name}`, Math.max(...stalled.map(({ outOfOrder }) => outOfOrder)), 0),
		ratioAtMost(`p99 with one stopped / with nobody, ${name}`, calm.length < minPairs ? null : ratio, 1.2),
		atMost(`readers that stopped and were not closed with 4429, ${name}`, count(closedOtherwise), 0),
		atMost(
			`closed readers that did not come back, ${name}`,
			count((run) => run.stalled?.isBack !== true),
			0,
		),
		atMost(
			`peak of memory / (1.1 x usual + bound of the queue), ${name}`,
			peak / (usualPeak * 1.1 + maxQueuedBytes),
			1,
		),
	);
}

function closedOtherwise({ stalled }: Run): boolean {
	return stalled?.closedWith !== 4429;
}

function countersOf(runs: Run[]): Record<string, number> {
	const of = (value: (run: Run) => number): number => median(runs.map(value));
	const stopped = runs.flatMap(({ stalled }) => stalled ?? []);
	return {
		expected: of(({ expected }) => expected),
		received: of(({ received }) => received),
		...(stopped.length === 0
			? {}
			: {
					expectedBehind: of(({ expectedBehind }) => expectedBehind),
					receivedBehind: of(({ receivedBehind }) => receivedBehind),
					stoppedReceived: median(stopped.map(({ received }) => received)),
				}),
		p50Ms: of(({ p50Us }) => p50Us) / 1000,
		p99Ms: of(({ p99Us }) => p99Us) / 1000,
		peakMiB: of(({ peakBytes }) => peakBytes) / 1024 / 1024,
	};
}

/** A server and its readers. */
export async function startStall(peer: PeerName, count: number, frameBytes: number) {
	const options: ServeOptions = { clients: count, frameBytes, isNumbered: true, maxRecentBytes };
	const program = (file: string) => join(import.meta.dirname, file);
	const server = startChild(program('peers/serve.ts'), cores.server, [peer, JSON.stringify(options)]);
	const clients = startChild(program('stall-clients.ts'), cores.clients);
	const stop = async (): Promise<void> => {
		await Promise.all([server.stop(), clients.stop()]);
	};
	try {
		const { port, orders } = await server.heard<Serving>();
		await ask(clients, { do: 'open', peer, port, orders, count, frameBytes });
	} catch (error) {
		await stop();
		throw error;
	}
	return {
		/** Sends so many frames; with `stall`, one reader stops before the first. */
		async run(frames: number, stall: boolean): Promise<Run> {
			resetPeak(server.pid);
			if (stall) {
				void server.heard<Closed>().then(
					() => clients.send({ do: 'release' }),
					() => undefined,
				);
			}
			// The model would wait for ever for those it does not reach.
			const waitFor = peer === 'shape' ? 'front' : 'all';
			const report = await ask(clients, { do: 'run', frames, burst, waitFor, stall });
			if (!('done' in report) || report.done !== 'run') throw new Error('the readers answered something else');
			return { ...report, peakBytes: peakOf(server.pid) };
		},
		stop,
	};
}

async function ask(clients: Child, order: StallOrder): Promise<StallReport> {
	const heard = clients.heard<StallReport>();
	clients.send(order);
	const report = await heard;
	if ('failed' in report) throw new Error(report.failed);
	return report;
}

/** From here on the system notes anew how much memory a process has at most. */
function resetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function peakOf(pid: number): number {
	const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
	return Number(kilobytes) * 1024;
}

function notes(): string[] {
	return [
		'Readers check that the numbers in their frames follow each other. `Behind` are those that subscribed after the one that has stopped.',
		`${burst} frames leave in each turn of the server; the next ones come when every healthy reader has these, for the model when those before the one that has stopped have them. At the end it has time until nothing new has come for 2 s.`,
		'The age of a frame is the time from before it was made until a reader looked at it, by the clock of one machine.',
		'Memory is the most that the process of the server had at any time of a run. What it keeps for clients that come back is bounded to 2 MiB, so that this is full before the first run.',
		'The reader that has stopped reads on when the server has closed it, finds the code behind what was on its way, connects again and has to get the next frames.',
	];
}
