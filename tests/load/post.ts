import { setTimeout as pause } from 'node:timers/promises';
import { startControl } from './control.ts';
import { countDatabase } from './counters.ts';
import { cpuBetween, readCpu } from './machine.ts';
import { pairedRatio, pairedRun, type Contender } from './paired-run.ts';
import { benchLatency, latencyLoad } from './post-latency.ts';
import { indices, readersOf, type Readers } from './readers.ts';
import { atMost, type Report } from './report.ts';
import { restAuthor } from './rest-author.ts';
import { startSystem, type SystemUnderTest } from './system.ts';
import { fillWorkspace, type BenchRoom } from './workspace.ts';

/** How much is run. */
export type Effort = 'quick' | 'normal' | 'full';

type Size = { repetitions: number; posts: number; latencySeconds: number };

const sizes: Record<Effort, Size> = {
	quick: { repetitions: 3, posts: 10, latencySeconds: 8 },
	normal: { repetitions: 7, posts: 30, latencySeconds: 20 },
	full: { repetitions: 11, posts: 60, latencySeconds: 60 },
};

const memberCounts = [2, 10, 100, 1000] as const;
const streamerCounts = [1, 2] as const;
/** Posts whose effects are counted one by one. */
const countedPosts = 20;
/** What follows a post later than its answer has come by then: the room's outbox, coalesced frames. */
const settleMs = 1500;
const idleSeconds = 3;

/** A system with everything in it that the bench uses. */
type Prepared = {
	streamers: number;
	system: SystemUnderTest;
	author: ReturnType<typeof restAuthor>;
	byMembers: Map<number, { room: BenchRoom; readers: Readers }>;
};

/** What a bench gives back but what the runner knows itself. */
export type Findings = Pick<Report, 'params' | 'variants' | 'ratios' | 'goals' | 'notes'>;

/**
 * One REST send to a room of m members, all but the author connected, with the room open, on one and two streamers: what
 * all processes together spend, what the database and the bus are asked for, and how long it takes.
 */
export async function benchPost(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const size = sizes[effort];
	const control = await startControl();
	const prepared: Prepared[] = [];
	try {
		for (const streamers of streamerCounts) {
			onProgress(`starting a system with ${streamers} streamer(s)`);
			prepared.push(await prepare(streamers, onProgress));
		}
		const contenders = prepared.flatMap((entry) => memberCounts.map((m) => contender(entry, m, size.posts)));
		const variants = await pairedRun({ contenders, control, repetitions: size.repetitions, onProgress });
		const findings: Findings = {
			params: { effort, ...size, memberCounts, streamerCounts, latency: latencyLoad, countedPosts },
			variants,
			ratios: [],
			goals: [],
			notes: notes(),
		};
		for (const entry of prepared) {
			await measureIdle(entry, findings);
			for (const m of memberCounts) {
				onProgress(`counting the work of ${countedPosts} posts, ${nameOf(entry, m)}`);
				await count(entry, m, findings);
			}
		}
		compare(findings);
		// Latency is measured with nothing else on the machine.
		for (const entry of prepared.splice(0)) await dispose(entry);
		await benchLatency(size.latencySeconds, findings, onProgress);
		return findings;
	} finally {
		for (const entry of prepared) await dispose(entry);
		await control.stop();
	}
}

async function prepare(streamers: number, onProgress: (text: string) => void): Promise<Prepared> {
	const system = await startSystem(streamers);
	try {
		const { server, addresses } = system;
		const rooms = memberCounts.map((m) => ({ _id: `benchroom${m}`, members: indices(0, m) }));
		const filled = await fillWorkspace(server.db, Math.max(...memberCounts), rooms);
		const [author] = filled[0]?.members ?? [];
		if (author === undefined) throw new Error('the workspace is empty');
		onProgress('opening sockets');
		const byMembers: Prepared['byMembers'] = new Map();
		for (const [index, m] of memberCounts.entries()) {
			const room = filled[index];
			if (room !== undefined) byMembers.set(m, { room, readers: await readersOf(addresses.streamers, [room], author) });
		}
		return {
			streamers,
			system,
			author: restAuthor(addresses.core, author),
			byMembers,
		};
	} catch (error) {
		await system.stop();
		throw error;
	}
}

function nameOf({ streamers }: Pick<Prepared, 'streamers'>, m: number): string {
	return `m=${m} s=${streamers}`;
}

let lastPost = 0;

/** Posts one after the other, each when everybody has the one before. */
function contender(entry: Prepared, m: number, posts: number): Contender {
	const target = entry.byMembers.get(m);
	if (target === undefined) throw new Error(`no room of ${m}`);
	const { room, readers } = target;
	let missing = 0;
	let onAll: (() => void) | null = null;
	readers.onMessage((number) => {
		if (number !== lastPost) return;
		missing -= 1;
		if (missing === 0) onAll?.();
	});
	const postOnce = async (): Promise<void> => {
		lastPost += 1;
		missing = readers.count;
		let timer: NodeJS.Timeout | undefined;
		const all = new Promise<void>((resolve, reject) => {
			onAll = resolve;
			timer = setTimeout(() => reject(new Error(`${missing} of ${readers.count} readers got nothing in 20 s`)), 20_000);
		});
		await Promise.all([entry.author.post(room._id, `bench-${lastPost} `.padEnd(120, 'x')), all]);
		clearTimeout(timer);
	};
	return {
		name: nameOf(entry, m),
		pids: entry.system.pids,
		async run() {
			for (let post = 0; post < posts; post++) await postOnce();
			return posts;
		},
	};
}

/** What a system spends on being there. Contained in the CPU times of posts, in proportion to the time they take. */
async function measureIdle({ streamers, system }: Prepared, { variants }: Findings): Promise<void> {
	await pause(settleMs);
	const pids = system.pids();
	const before = readCpu(pids);
	await pause(idleSeconds * 1000);
	const cpuUsPerSecond = cpuBetween(before, readCpu(pids)) / idleSeconds;
	variants[`idle s=${streamers}`] = { reps: [], counters: { cpuUsPerSecond } };
}

/** Counts what each post asks of the database and of the bus. */
async function count(entry: Prepared, m: number, { variants, goals }: Findings): Promise<void> {
	const { server, bus } = entry.system;
	if (bus === null) throw new Error('a system of one process has no bus to count on');
	const { run } = contender(entry, m, 1);
	const readers = entry.byMembers.get(m)?.readers;
	const before = readers?.received();
	await bus.take();
	const database = await countDatabase(
		server.db,
		countedPosts,
		async () => void (await run()),
		() => pause(settleMs),
	);
	const messages = await bus.take();
	const after = readers?.received();
	if (messages.busPublishes === 0) throw new Error('no event was seen on the bus: are the subjects still the same?');
	const name = nameOf(entry, m);
	const each = (value: number): number => value / countedPosts;
	const counters = {
		dbCommands: each(database.dbCommands),
		dbCommandsUsual: database.usual.dbCommands,
		docsRead: each(database.docsRead),
		docsWritten: each(database.docsWritten),
		docsWrittenUsual: database.usual.docsWritten,
		busPublishes: each(messages.busPublishes),
		busCalls: each(messages.busCalls),
		frames: each((after?.frames ?? 0) - (before?.frames ?? 0)),
		frameBytes: each((after?.bytes ?? 0) - (before?.bytes ?? 0)),
	};
	(variants[name] ??= { reps: [], counters: {} }).counters = {
		...counters,
		...Object.fromEntries(Object.entries(database.byKind).map(([kind, times]) => [`db ${kind}`, each(times)])),
	};
	goals.push(
		atMost(`MongoDB commands per post, ${name}`, counters.dbCommandsUsual, 6),
		atMost(`documents written per post, ${name}`, counters.docsWrittenUsual, 3),
		atMost(`bus publishes per post, ${name}`, counters.busPublishes, 3),
	);
}

function compare({ variants, ratios, notes }: Findings): void {
	const wanted: [string, string, number?][] = [
		...memberCounts.map((m): [string, string] => [`m=${m} s=2`, `m=${m} s=1`]),
		...streamerCounts.map((s): [string, string] => [`m=1000 s=${s}`, `m=10 s=${s}`]),
		...streamerCounts.map((s): [string, string, number] => [`m=1000 s=${s}`, 'control', 999]),
	];
	for (const [of, to, factor] of wanted) {
		const ratio = pairedRatio(variants, of, to, factor);
		if (ratio === null) notes.push(`no verdict on ${of} / ${to}: too many repetitions had to be dropped`);
		else ratios.push(ratio);
	}
}

function notes(): string[] {
	return [
		'CPU is that of all processes of a system: services, supervisor, MongoDB, NATS. Clients run in another process on the same machine; loopback charges their part of TCP to the sender.',
		"Counters are exact: commands and documents by MongoDB's profiler on the collections of records (the hub's lease and change streams left out), bus messages by a listener on NATS, frames and bytes by the clients. Writes to sockets and encodings cannot be seen from outside.",
		'`Usual` is the median of single posts, the other counters are means: they contain the one coalesced write for a room a second after a post, however many there were.',
		'Sockets and REST go straight to the streamers and core, as a proxy would: the forwarding of `up --separate` is not in it.',
		'Frames of rooms that a client does not have open may be coalesced for up to 1 s; these clients have theirs open.',
	];
}

async function dispose(entry: Prepared): Promise<void> {
	for (const { readers } of entry.byMembers.values()) readers.close();
	entry.author.close();
	await entry.system.stop();
}
