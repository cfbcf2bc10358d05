import { setTimeout as pause } from 'node:timers/promises';
import { judgeDelivery, type Delivery } from '../contract/delivery.ts';
import type { LastingClient } from '../contract/lasting-client.ts';
import { openLine } from '../contract/lasting-line.ts';
import { openArena, until, type Arena, type ArenaSize } from '../contract/arena.ts';
import { startWsPeer } from './memory-subjects.ts';
import type { Effort, Findings } from './post.ts';
import { atMost, type Goal } from './report.ts';
import { quantile } from './statistics.ts';
import { startSystem } from './system.ts';

type Scene = {
	about: string;
	size: ArenaSize;
	/** What happens to clients and streamers. Resolves with counters of its own when it is over. */
	run(arena: Arena, seconds: number): Promise<Record<string, number>>;
	/** Whether every client that asks for its session must get it. */
	resumes: boolean;
};

const seconds: Record<Effort, number> = { quick: 20, normal: 120, full: 300 };

const killEverySeconds = 5;
const stopEverySeconds = 10;
const settleLimitMs = 60_000;
const goalMs = 1_500;

/** 200 clients of four kinds, 50 messages a second. */
const crowd: ArenaSize = {
	rooms: 10,
	clientsEach: { plain: 5, sockjs: 5, asteroid: 5, meteor: 5 },
	authorsEach: 2,
	postsPerSecond: 50,
};

const scenes: Record<string, Scene> = {
	kill: {
		about: `kill -9 of one of two streamers every ${killEverySeconds} s`,
		size: crowd,
		run: killStreamers,
		resumes: false,
	},
	cut: {
		about: `10 connections a second cut or abandoned, a streamer stopped every ${stopEverySeconds} s`,
		size: crowd,
		run: cutConnections,
		resumes: true,
	},
	storm: {
		about: '2,000 clients cut at once',
		size: { rooms: 100, clientsEach: { meteor: 20 }, authorsEach: 1, postsPerSecond: 50 },
		run: cutAll,
		resumes: true,
	},
};

/**
 * Clients that come back, of four kinds, on two streamers over NATS and MongoDB: what they lose, what comes twice or in
 * another order, and how soon they are live again.
 */
export async function benchResume(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const found: Findings = {
		params: { effort, seconds: seconds[effort], goalMs, scenes: Object.fromEntries(sizesOf(scenes)) },
		variants: {},
		ratios: [],
		goals: [],
		notes: [
			...Object.entries(scenes).map(([name, { about }]) => `${name}: ${about}`),
			'Live again: from the first attempt to come back until all subscriptions are ready, failed attempts included. Clients run in the process of the bench, on the same machine.',
			'`lost`, `misordered`, `doubled`, `versions` over all messages times the clients of their room; frames that come again after a reconnect count once, by id and version.',
			'`notResumed`: returns that asked for their session and got another one. After kill -9 that is right, its log is gone. `streamAdded`: `added` frames of streams on resumed connections.',
		],
	};
	for (const [name, scene] of Object.entries(scenes)) {
		onProgress(`${name}: ${scene.about}`);
		await play(name, scene, seconds[effort], found, onProgress);
	}
	return found;
}

function sizesOf(all: Record<string, Scene>): [string, ArenaSize][] {
	return Object.entries(all).map(([name, { size }]) => [name, size]);
}

async function play(
	name: string,
	{ size, run, resumes }: Scene,
	lasts: number,
	{ variants, goals }: Findings,
	onProgress: (text: string) => void,
): Promise<void> {
	const system = await startSystem(1);
	try {
		const arena = await openArena(system.server, system.addresses.core, size);
		try {
			onProgress(`${name}: ${arena.clients.length} clients are there`);
			const own = await run(arena, lasts);
			await arena.authors.stop();
			const { clients, authors, streamers } = arena;
			await arena.caughtUp(settleLimitMs).catch((error: unknown) => onProgress(String(error)));
			const delivery = judgeDelivery(clients, authors.posts);
			const counters = { ...delivery, ...returnsOf(clients), posts: authors.posts.length, ...own };
			variants[name] = { reps: [], counters };
			goals.push(...goalsOf(name, delivery, counters, resumes));
			const { backMs, bareMs } = own;
			if (backMs === undefined || bareMs === undefined)
				goals.push(atMost(`live again p99 ms, ${name}`, counters.liveP99Ms, goalMs));
			else goals.push(atMost(`x bare handshakes until all are back, ${name}`, backMs / bareMs, 4, 2.5));
			for (const text of new Set(clients.flatMap(({ problems }) => problems))) onProgress(`${name}: ${text}`);
			for (const text of streamers.complaints.slice(0, 10)) onProgress(`${name}: ${text}`);
		} finally {
			await arena.stop();
		}
	} finally {
		await system.stop();
	}
}

type Returns = {
	returns: number;
	resumed: number;
	notResumed: number;
	liveP50Ms: number;
	liveP99Ms: number;
	liveMaxMs: number;
	streamAdded: number;
	problems: number;
};

function returnsOf(clients: LastingClient[]): Returns {
	const all = clients.flatMap((client) => client.returns);
	const times = all.map(({ attemptAt, liveAt }) => liveAt - attemptAt);
	return {
		returns: all.length,
		resumed: all.filter(({ isResumed }) => isResumed).length,
		notResumed: all.filter(({ askedForSession, isResumed }) => askedForSession && !isResumed).length,
		liveP50Ms: quantile(times, 0.5),
		liveP99Ms: quantile(times, 0.99),
		liveMaxMs: Math.max(...times),
		streamAdded: clients.reduce((sum, { added }) => sum + added.streams, 0),
		problems: clients.reduce((sum, { problems }) => sum + problems.length, 0),
	};
}

function goalsOf(name: string, delivery: Delivery, counters: Returns, resumes: boolean): Goal[] {
	const none = (what: string, value: number): Goal => atMost(`${what}, ${name}`, value, 0);
	return [
		none('lost', delivery.lost),
		none('out of order', delivery.misordered),
		none('twice', delivery.doubled + delivery.versions),
		none('refused', counters.problems),
		...(resumes ? [none('not resumed', counters.notResumed), none('stream added again', counters.streamAdded)] : []),
	];
}

async function killStreamers({ streamers, clients }: Arena, lasts: number): Promise<Record<string, number>> {
	const end = performance.now() + lasts * 1000;
	for (let which = 0; performance.now() < end; which = 1 - which) {
		const next = pause(killEverySeconds * 1000);
		await streamers.end(which, 'SIGKILL');
		await next;
		postOne(clients);
	}
	return {};
}

async function cutConnections({ streamers, clients }: Arena, lasts: number): Promise<Record<string, number>> {
	const ticks = lasts * 2;
	let stopping: Promise<void> = Promise.resolve();
	for (let tick = 1; tick <= ticks; tick++) {
		const next = pause(500);
		for (let count = 0; count < 5; count++) {
			anyOf(clients)?.cut(Math.random() < 0.5 ? 'cut' : 'abandon');
		}
		postOne(clients);
		if (tick % (stopEverySeconds * 2) === 0) {
			await stopping;
			stopping = streamers.end((tick / (stopEverySeconds * 2)) % 2, 'SIGTERM');
		}
		await next;
	}
	await stopping;
	return {};
}

/** Beside it: as many handshakes at once with bare `ws`, which then knows nobody and sends nothing. */
async function cutAll({ clients }: Arena): Promise<Record<string, number>> {
	const bareMs = await bareHandshakes(clients.length);
	const before = clients.map(({ returns }) => returns.length);
	const startedAt = performance.now();
	for (const client of clients) client.cut('cut');
	const isBack = ({ isWhole, returns }: LastingClient, index: number): boolean =>
		isWhole && returns.length > (before[index] ?? 0);
	await until('all are back', settleLimitMs, () => clients.every(isBack));
	const backMs = Math.max(...clients.map(({ returns }) => returns.at(-1)?.liveAt ?? NaN)) - startedAt;
	await pause(5_000);
	return { backMs, bareMs };
}

/** Ms until so many sockets that were asked for at once are open. */
async function bareHandshakes(count: number): Promise<number> {
	const { port, stop } = await startWsPeer();
	try {
		const startedAt = performance.now();
		const opening = Array.from({ length: count }, (_, index) =>
			openLine({
				port,
				transport: 'websocket',
				localAddress: `127.0.2.${1 + Math.floor(index / 250)}`,
				onFrame: () => undefined,
			}),
		);
		const lines = await Promise.all(opening);
		const took = performance.now() - startedAt;
		for (const line of lines) line.cut();
		return took;
	} finally {
		await stop();
	}
}

/** One client more sends a message by method: its answer may be cut off. */
function postOne(clients: LastingClient[]): void {
	const author = anyOf(clients.filter(({ kind }) => kind === 'meteor'));
	void author?.post('by method');
}

function anyOf<T>(list: T[]): T | undefined {
	return list[Math.floor(Math.random() * list.length)];
}
