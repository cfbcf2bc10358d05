import { setTimeout as pause } from 'node:timers/promises';
import { startControl } from './control.ts';
import { countDatabase } from './counters.ts';
import { cpuBetween, readCpu } from './machine.ts';
import { pairedRatio, pairedRun, type Contender } from './paired-run.ts';
import { openReaders, type Readers } from './readers.ts';
import { atMost, number, type Report } from './report.ts';
import { restAuthor } from './rest-author.ts';
import { quantile } from './statistics.ts';
import { startSystem, type SystemUnderTest } from './system.ts';
import { fillWorkspace, type BenchRoom, type BenchUser } from './workspace.ts';

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
/** Rooms, members each, and posts a second of the measurement of latency. */
const latency = { rooms: 10, members: 50, postsPerSecond: 50 };
/** Posts whose effects are counted one by one. */
const countedPosts = 20;
/** What follows a post later than its answer has come by then: the room's outbox, coalesced frames. */
const settleMs = 1500;
const idleSeconds = 3;

/** Rocket.Chat's own services on such a machine, one streamer. @see performance, 2b */
const rocketChat = { ackedP50: 4.3, ackedP99: 10.1, startedP50: 7.5, startedP99: 17 };

/** A system with everything in it that the bench uses. */
type Prepared = {
	streamers: number;
	system: SystemUnderTest;
	author: ReturnType<typeof restAuthor>;
	byMembers: Map<number, { room: BenchRoom; readers: Readers }>;
	latencyRooms: { rids: string[]; readers: Readers };
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
			params: { effort, ...size, memberCounts, streamerCounts, latency, countedPosts },
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
		for (const entry of prepared) {
			onProgress(`latency at ${latency.postsPerSecond} posts a second, ${entry.streamers} streamer(s)`);
			await measureLatency(entry, size.latencySeconds, findings);
		}
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
		const rooms = [
			...memberCounts.map((m) => ({ _id: `benchroom${m}`, members: indices(0, m) })),
			...Array.from({ length: latency.rooms }, (_, index) => ({
				_id: `benchlatency${index}`,
				// The author is a member everywhere.
				members: [0, ...indices(1 + index * (latency.members - 1), latency.members - 1)],
			})),
		];
		const filled = await fillWorkspace(server.db, Math.max(...memberCounts), rooms);
		const [author] = filled[0]?.members ?? [];
		if (author === undefined) throw new Error('the workspace is empty');
		onProgress('opening sockets');
		const byMembers: Prepared['byMembers'] = new Map();
		for (const [index, m] of memberCounts.entries()) {
			const room = filled[index];
			if (room !== undefined) byMembers.set(m, { room, readers: await readersOf(addresses.streamers, [room], author) });
		}
		const latencyRooms = filled.slice(memberCounts.length);
		const readers = await readersOf(addresses.streamers, latencyRooms, author);
		return {
			streamers,
			system,
			author: restAuthor(addresses.core, author),
			byMembers,
			latencyRooms: { rids: latencyRooms.map(({ _id }) => _id), readers },
		};
	} catch (error) {
		await system.stop();
		throw error;
	}
}

function readersOf(addresses: string[], rooms: BenchRoom[], author: BenchUser): Promise<Readers> {
	const members = rooms.flatMap(({ _id: rid, members }) => members.map((user) => ({ user, rid })));
	return openReaders(
		addresses,
		members.filter(({ user }) => user._id !== author._id),
	);
}

function indices(first: number, count: number): number[] {
	return Array.from({ length: count }, (_, index) => first + index);
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

/** Posts at a fixed rate, whether answers come or not, and times every delivery. */
async function measureLatency(entry: Prepared, seconds: number, { variants, goals, notes }: Findings): Promise<void> {
	const { rids, readers } = entry.latencyRooms;
	const total = seconds * latency.postsPerSecond;
	const first = lastPost + 1;
	lastPost += total;
	const started = new Float64Array(total);
	const acknowledged = new Float64Array(total);
	const arrivals: { post: number; at: number }[] = [];
	const wanted = total * (latency.members - 1);
	const all = new Promise<void>((resolve) => {
		readers.onMessage((number, at) => {
			if (number < first || number >= first + total) return;
			arrivals.push({ post: number - first, at });
			if (arrivals.length === wanted) resolve();
		});
	});
	const answers: Promise<void>[] = [];
	const startedAt = performance.now();
	for (let post = 0; post < total; post++) {
		const dueInMs = startedAt + (post * 1000) / latency.postsPerSecond - performance.now();
		if (dueInMs > 0) await pause(dueInMs);
		started[post] = performance.now();
		const answer = entry.author.post(rids[post % rids.length] ?? '', `bench-${first + post} `.padEnd(120, 'x'));
		answers.push(
			answer.then(() => {
				acknowledged[post] = performance.now();
			}),
		);
	}
	await Promise.all(answers);
	await Promise.race([all, pause(20_000, undefined, { ref: false })]);
	const lost = wanted - arrivals.length;
	const fromStart = arrivals.map(({ post, at }) => at - (started[post] ?? 0));
	const fromAck = arrivals.map(({ post, at }) => at - (acknowledged[post] ?? 0));
	const counters = {
		startedP50Ms: quantile(fromStart, 0.5),
		startedP99Ms: quantile(fromStart, 0.99),
		ackedP50Ms: quantile(fromAck, 0.5),
		ackedP99Ms: quantile(fromAck, 0.99),
		lost,
	};
	variants[`latency s=${entry.streamers}`] = { reps: [], counters };
	notes.push(...latencyNotes(entry.streamers, counters));
	goals.push(
		atMost(`started -> frame p50 ms, s=${entry.streamers}`, counters.startedP50Ms, 10, rocketChat.startedP50),
		atMost(`started -> frame p99 ms, s=${entry.streamers}`, counters.startedP99Ms, 40, rocketChat.startedP99),
		atMost(`deliveries lost, s=${entry.streamers}`, lost, 0),
	);
}

function latencyNotes(streamers: number, measured: Record<string, number>): string[] {
	const of = (name: string): string => number(measured[name] ?? Number.NaN);
	return [
		`Latency, ${latency.rooms} rooms of ${latency.members}, ${latency.postsPerSecond} posts/s, ${streamers} streamer(s); in brackets Rocket.Chat's services on such a machine (performance, 2b):`,
		`  acknowledged -> frame  p50 ${of('ackedP50Ms')} ms (${rocketChat.ackedP50}), p99 ${of('ackedP99Ms')} ms (${rocketChat.ackedP99}); below 0: the frame came before the answer`,
		`  started -> frame       p50 ${of('startedP50Ms')} ms (${rocketChat.startedP50}), p99 ${of('startedP99Ms')} ms (${rocketChat.startedP99})`,
	];
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
	entry.latencyRooms.readers.close();
	entry.author.close();
	await entry.system.stop();
}
