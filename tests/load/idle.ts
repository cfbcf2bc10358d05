import { setTimeout as pause } from 'node:timers/promises';
import { startCrowd, type Crowd } from './crowd.ts';
import { crowdClients, membersEach, roomsEach } from './crowd-workspace.ts';
import { cpuBetween, readCpu, readTicks, stolenShare } from './machine.ts';
import { startLoneStreamer, startRealStreamer, startWsPeer, type Subject } from './memory-subjects.ts';
import type { Effort, Findings } from './post.ts';
import { atMost, type Repetition, type Variant } from './report.ts';
import { spreadOf } from './statistics.ts';

type Size = { sessions: number; windows: number; windowSeconds: number };

/** Windows are whole rounds of pings: one comes 25 s after the last sign of life. */
const sizes: Record<Effort, Size> = {
	quick: { sessions: 2_000, windows: 1, windowSeconds: 25 },
	normal: { sessions: 10_000, windows: 3, windowSeconds: 50 },
	full: { sessions: 18_000, windows: 5, windowSeconds: 50 },
};

const pingEverySeconds = 25;
const atOnce = 100;
/** A window with more stolen time does not count. */
const maxStolenShare = 0.05;

type Side = { subject: Subject; crowd: Crowd };

/**
 * What sessions cost that only answer a ping every 25 s: share of a core of a streamer, beside bare `ws` that sends as
 * many clients the same ping. Both at the same time, each with clients of its own.
 */
export async function benchIdle(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const size = sizes[effort];
	const sides: Side[] = [];
	try {
		const start = effort === 'quick' ? startLoneStreamer : startRealStreamer;
		for (const subject of [await startWsPeer(), await start(size.sessions, onProgress)]) {
			sides.push({ subject, crowd: startCrowd() });
		}
		for (const { subject, crowd } of sides) {
			onProgress(`${subject.name}: opening ${size.sessions} clients`);
			await crowd.open({ ...subject, clients: crowdClients(size.sessions), atOnce });
		}
		onProgress('waiting for the first round of pings');
		await pause((pingEverySeconds + 5) * 1000);
		const variants: Record<string, Variant> = {};
		for (const { subject } of sides) variants[subject.name] = { reps: [], counters: {} };
		for (let window = 1; window <= size.windows; window++) {
			onProgress(`window ${window} of ${size.windows}`);
			await measureWindow(sides, size, variants);
		}
		return findings(effort, size, variants, sides[1]?.subject.name ?? '');
	} finally {
		for (const { subject, crowd } of sides.toReversed()) {
			await crowd.stop();
			await subject.stop();
		}
	}
}

/** One unit of the repetition is one ping. */
async function measureWindow(sides: Side[], size: Size, variants: Record<string, Variant>): Promise<void> {
	const read = () =>
		Promise.all(
			sides.map(async ({ subject, crowd }) => ({
				counts: await crowd.counts(),
				cpu: readCpu([subject.process.pid]),
				at: performance.now(),
			})),
		);
	const ticks = readTicks();
	const before = await read();
	await pause(size.windowSeconds * 1000);
	const after = await read();
	const isDropped = stolenShare(ticks, readTicks()) > maxStolenShare;
	for (const [index, { subject }] of sides.entries()) {
		const [first, last] = [before[index], after[index]];
		if (first === undefined || last === undefined) continue;
		if (last.counts.open !== size.sessions) throw new Error(`${subject.name}: clients were closed`);
		const cpuUs = cpuBetween(first.cpu, last.cpu);
		const repetition: Repetition = {
			cpuUs,
			cpuUsBy: { [subject.name]: cpuUs },
			wallUs: (last.at - first.at) * 1000,
			n: last.counts.pings - first.counts.pings,
			...(isDropped ? { dropped: 'stolen time' } : {}),
		};
		const variant = variants[subject.name];
		variant?.reps.push(repetition);
	}
}

function findings(effort: Effort, size: Size, variants: Record<string, Variant>, ours: string): Findings {
	const kept = (name: string): Repetition[] =>
		(variants[name]?.reps ?? []).filter(({ dropped }) => dropped === undefined);
	for (const [name, variant] of Object.entries(variants)) {
		const shares = kept(name).map(({ cpuUs, wallUs }) => (100 * cpuUs) / wallUs);
		const pings = kept(name).map(({ n, wallUs }) => n / (wallUs / 1_000_000));
		variant.counters = {
			cpuPercent: spreadOf(shares).median,
			cpuPercentMax: Math.max(...shares),
			pingsPerSecond: spreadOf(pings).median,
		};
	}
	const control = kept('ws');
	const ratios = kept(ours).map(
		({ cpuUs, n }, index) => cpuUs / n / ((control[index]?.cpuUs ?? 0) / (control[index]?.n ?? 1)),
	);
	const ratio = { of: ours, to: 'ws', on: 'CPU per ping', ...spreadOf(ratios) };
	return {
		params: { effort, ...size, roomsEach, membersEach, subscriptionsEach: 16, pingEverySeconds },
		variants,
		ratios: [ratio],
		goals: [
			atMost(`% of a core, ${ours}, ${size.sessions} idle sessions`, variants[ours]?.counters['cpuPercent'] ?? NaN, 30),
			atMost(`x ws, CPU per ping, ${ours}`, ratio.median, 1.3, 1),
		],
		notes: [
			'One unit is one ping and its answer. CPU is that of the server process alone, all its threads; whatever else it does by itself (checks of time, reports to presence, marks of the hub) is in it.',
			'`ws` sends the same text to as many clients from one timer and parses their answers; its clients have subscribed to nothing.',
		],
	};
}
