import { setTimeout as pause } from 'node:timers/promises';
import { writeFileSync } from 'node:fs';
import { startCrowd, type Crowd } from './crowd.ts';
import { crowdClients, membersEach, roomsEach } from './crowd-workspace.ts';
import { describeHeap, heapGrowth, summarizeHeap } from './heap-summary.ts';
import type { Memory } from './inspected.ts';
import { startLoneStreamer, startRealStreamer, startWsPeer, type Subject } from './memory-subjects.ts';
import type { Effort, Findings } from './post.ts';
import { atMost, type Variant } from './report.ts';

/** Sessions at a time. More need more descriptors than a process may have here. */
const sessionCounts: Record<Effort, number> = { quick: 2_000, normal: 10_000, full: 18_000 };

/** Clients that come and go before anything is measured: code that runs for the first time takes memory once. */
const warmUpClients = 50;
/** What was sent lately is kept for a minute, for clients that come back: idle sessions are measured behind it. */
const quietMs = 65_000;

/** Sessions in a heap that is described: the reader of the snapshot wants memory, too. */
const heapSessions = 4_000;
const atOnce = 100;
const goalBytes = 16 * 1024;
const stretchBytes = 10 * 1024;

type Measured = { before: Memory; peak: Memory; after: Memory };

/**
 * Memory that a logged-in session of a web client costs a streamer: 16 subscriptions, 30 rooms, nothing going on. A real
 * streamer process, one without the other services, and bare `ws` with as many sockets.
 *
 * @param heapFile Where it is described what objects a session consists of; absent: nowhere.
 */
export async function benchMemory(
	effort: Effort,
	onProgress: (text: string) => void,
	{ heapFile }: { heapFile?: string | undefined } = {},
): Promise<Findings> {
	const sessions = sessionCounts[effort];
	const starters: (() => Promise<Subject>)[] = [
		startWsPeer,
		() => startLoneStreamer(sessions),
		...(effort === 'quick' ? [] : [() => startRealStreamer(sessions, onProgress)]),
	];
	const variants: Record<string, Variant> = {};
	for (const start of starters) {
		const subject = await start();
		try {
			const measured = await measure(subject, sessions, onProgress);
			variants[subject.name] = { reps: [], counters: countersOf(measured, sessions) };
		} finally {
			await subject.stop();
		}
	}
	if (heapFile !== undefined) {
		onProgress('reading the heap');
		const start = effort === 'quick' ? startLoneStreamer : startRealStreamer;
		writeFileSync(heapFile, await heapOfSessions(Math.min(sessions, heapSessions), start, onProgress));
	}
	return findings(variants, effort, sessions);
}

function findings(variants: Record<string, Variant>, effort: Effort, sessions: number): Findings {
	const bytes = (name: string): number => variants[name]?.counters['rssPerSession'] ?? Number.NaN;
	const measured = effort === 'quick' ? 'lone' : 'streamer';
	return {
		params: { effort, sessions, roomsEach, membersEach, subscriptionsEach: 16, warmUpClients },
		variants,
		ratios: [],
		goals: [
			atMost(`bytes per session, ${measured}, ${sessions} sessions`, bytes(measured), goalBytes, stretchBytes),
			atMost(`x ws, ${measured}`, bytes(measured) / bytes('ws'), 1.4),
		],
		notes: [
			'Bytes of process memory (RSS) above those of the same process before the clients came, by session. Both after garbage was collected; `ungathered` is as the clients left it. Buffers of the system for each socket are not in it.',
			'`streamer` is measured a minute after the last login: what was sent lately is kept that long, at most 64 MiB of a process.',
			`Each session is another user with ${roomsEach} rooms of ${membersEach} members, 16 subscriptions as of a web client, one room open.`,
			'`lone` is the DDP side and the transport on the local bus: it has neither NATS subscriptions nor a database driver. `streamer` is the whole process, as it is deployed.',
		],
	};
}

async function measure(
	{ process: server, name, ...target }: Subject,
	sessions: number,
	onProgress: (text: string) => void,
): Promise<Measured> {
	const crowd = startCrowd();
	try {
		await warmUp(crowd, target);
		const before = await server.settledMemory();
		onProgress(`${name}: opening ${sessions} clients`);
		await crowd.open({ ...target, clients: crowdClients(sessions), atOnce });
		const peak = await server.memory();
		if (name === 'streamer') {
			onProgress(`${name}: a minute of quiet`);
			await pause(quietMs);
		}
		const after = await server.settledMemory();
		const { open } = await crowd.counts();
		if (open !== sessions) throw new Error(`${name}: ${sessions - open} clients were closed meanwhile`);
		onProgress(`${name}: ${Math.round((after.rss - before.rss) / sessions)} bytes a session`);
		return { before, peak, after };
	} finally {
		await crowd.stop();
	}
}

async function warmUp(crowd: Crowd, target: Pick<Subject, 'port' | 'path' | 'kind'>): Promise<void> {
	await crowd.open({ ...target, clients: crowdClients(warmUpClients), atOnce });
	await crowd.cut();
}

/** What comes to the heap of a streamer with its sessions. In a process of its own: a snapshot takes memory itself. */
async function heapOfSessions(
	sessions: number,
	start: typeof startRealStreamer,
	onProgress: (text: string) => void,
): Promise<string> {
	const { process: server, stop, ...target } = await start(sessions, onProgress);
	const crowd = startCrowd();
	try {
		await warmUp(crowd, target);
		await server.settledMemory();
		const before = summarizeHeap(await server.heapSnapshot());
		await crowd.open({ ...target, clients: crowdClients(sessions), atOnce });
		return describeHeap(heapGrowth(before, summarizeHeap(await server.heapSnapshot())), sessions);
	} finally {
		await crowd.stop();
		await stop();
	}
}

function countersOf({ before, peak, after }: Measured, sessions: number): Record<string, number> {
	const each = (part: keyof Memory, of = after): number => Math.round((of[part] - before[part]) / sessions);
	return {
		rssPerSession: each('rss'),
		ungathered: each('rss', peak),
		heapUsed: each('heapUsed'),
		heapTotal: each('heapTotal'),
		external: each('external'),
		arrayBuffers: each('arrayBuffers'),
		rssBefore: before.rss,
		rssAfter: after.rss,
	};
}
