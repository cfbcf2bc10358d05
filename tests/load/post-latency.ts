import { setTimeout as pause } from 'node:timers/promises';
import { indices, readersOf, type Readers } from './readers.ts';
import { atMost, number, type Report } from './report.ts';
import { restAuthor } from './rest-author.ts';
import { quantile } from './statistics.ts';
import { startSystem, type SystemUnderTest } from './system.ts';
import { fillWorkspace } from './workspace.ts';

/** Rooms, members each, and posts a second of the measurement of latency. */
export const latencyLoad = { rooms: 10, members: 50, postsPerSecond: 50 };

/** Time at the same rate before anything is timed, in seconds: what runs for the first time is slow. */
const warmUpSeconds = 5;

/** Rocket.Chat's own services on such a machine, one streamer. @see performance, 2b */
const rocketChat = { ackedP50: 4.3, ackedP99: 10.1, startedP50: 7.5, startedP99: 17 };

const forms = [
	['one process', 'one process'],
	['s=1', 1],
	['s=2', 2],
] as const;

/** A system of its own with nothing but the rooms of the measurement. */
type Prepared = {
	system: SystemUnderTest;
	author: ReturnType<typeof restAuthor>;
	rids: string[];
	readers: Readers;
};

type Delivered = { fromStart: number[]; fromAck: number[]; lost: number };

/**
 * How long a post takes to each member's socket at a fixed rate: in one process, and in six with one and two streamers.
 * Each form alone on the machine, one after the other.
 */
export async function benchLatency(
	seconds: number,
	findings: Pick<Report, 'variants' | 'goals' | 'notes'>,
	onProgress: (text: string) => void,
): Promise<void> {
	for (const [name, form] of forms) {
		onProgress(`latency at ${latencyLoad.postsPerSecond} posts a second, ${name}`);
		const prepared = await prepare(form);
		try {
			await timeDeliveries(prepared, warmUpSeconds);
			note(name, await timeDeliveries(prepared, seconds), findings);
		} finally {
			prepared.readers.close();
			prepared.author.close();
			await prepared.system.stop();
		}
	}
}

async function prepare(form: (typeof forms)[number][1]): Promise<Prepared> {
	const system = await startSystem(form);
	try {
		const { server, addresses } = system;
		const rooms = Array.from({ length: latencyLoad.rooms }, (_, index) => ({
			_id: `benchlatency${index}`,
			// The author is a member everywhere.
			members: [0, ...indices(1 + index * (latencyLoad.members - 1), latencyLoad.members - 1)],
		}));
		const filled = await fillWorkspace(server.db, 1 + latencyLoad.rooms * latencyLoad.members, rooms);
		const [author] = filled[0]?.members ?? [];
		if (author === undefined) throw new Error('the workspace is empty');
		return {
			system,
			author: restAuthor(addresses.core, author),
			rids: filled.map(({ _id }) => _id),
			readers: await readersOf(addresses.streamers, filled, author),
		};
	} catch (error) {
		await system.stop();
		throw error;
	}
}

let lastPost = 0;

/** Posts at a fixed rate, whether answers come or not, and times every delivery. */
async function timeDeliveries({ rids, readers, author }: Prepared, seconds: number): Promise<Delivered> {
	const total = seconds * latencyLoad.postsPerSecond;
	const first = lastPost + 1;
	lastPost += total;
	const started = new Float64Array(total);
	const acknowledged = new Float64Array(total);
	const arrivals: { post: number; at: number }[] = [];
	const wanted = total * (latencyLoad.members - 1);
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
		const dueInMs = startedAt + (post * 1000) / latencyLoad.postsPerSecond - performance.now();
		if (dueInMs > 0) await pause(dueInMs);
		started[post] = performance.now();
		const answer = author.post(rids[post % rids.length] ?? '', `bench-${first + post} `.padEnd(120, 'x'));
		answers.push(
			answer.then(() => {
				acknowledged[post] = performance.now();
			}),
		);
	}
	await Promise.all(answers);
	await Promise.race([all, pause(20_000, undefined, { ref: false })]);
	return {
		fromStart: arrivals.map(({ post, at }) => at - (started[post] ?? 0)),
		fromAck: arrivals.map(({ post, at }) => at - (acknowledged[post] ?? 0)),
		lost: wanted - arrivals.length,
	};
}

function note(
	name: string,
	{ fromStart, fromAck, lost }: Delivered,
	{ variants, goals, notes }: Pick<Report, 'variants' | 'goals' | 'notes'>,
): void {
	const counters = {
		startedP50Ms: quantile(fromStart, 0.5),
		startedP99Ms: quantile(fromStart, 0.99),
		ackedP50Ms: quantile(fromAck, 0.5),
		ackedP99Ms: quantile(fromAck, 0.99),
		lost,
	};
	variants[`latency ${name}`] = { reps: [], counters };
	notes.push(...notesOf(name, counters));
	goals.push(
		atMost(`started -> frame p50 ms, ${name}`, counters.startedP50Ms, 10, rocketChat.startedP50),
		atMost(`started -> frame p99 ms, ${name}`, counters.startedP99Ms, 40, rocketChat.startedP99),
		atMost(`deliveries lost, ${name}`, lost, 0),
	);
}

function notesOf(form: string, measured: Record<string, number>): string[] {
	const of = (name: string): string => number(measured[name] ?? Number.NaN);
	return [
		`Latency, ${latencyLoad.rooms} rooms of ${latencyLoad.members}, ${latencyLoad.postsPerSecond} posts/s, ${form}; in brackets Rocket.Chat's services on such a machine (performance, 2b):`,
		`  acknowledged -> frame  p50 ${of('ackedP50Ms')} ms (${rocketChat.ackedP50}), p99 ${of('ackedP99Ms')} ms (${rocketChat.ackedP99}); below 0: the frame came before the answer`,
		`  started -> frame       p50 ${of('startedP50Ms')} ms (${rocketChat.startedP50}), p99 ${of('startedP99Ms')} ms (${rocketChat.startedP99})`,
	];
}
