import { pairedRatio, pairedRun, type Contender } from './paired-run.ts';
import { type Pair, startPair } from './peers/pair.ts';
import type { PeerName } from './peers/peer.ts';
import type { Effort, Findings } from './post.ts';
import type { Ratio } from './report.ts';
import { ratioAtLeast, ratioAtMost } from './ratio-goals.ts';

type Size = { repetitions: number; deliveries: number; clients: number[] };

const sizes: Record<Effort, Size> = {
	quick: { repetitions: 3, deliveries: 16_000, clients: [200, 2_000] },
	normal: { repetitions: 9, deliveries: 40_000, clients: [200, 2_000] },
	full: { repetitions: 11, deliveries: 80_000, clients: [200, 2_000, 10_000] },
};

const frameBytes = 600;
const framesPerTurn = [1, 3, 8] as const;
const peers: PeerName[] = ['ours', 'ws', 'floor', 'shape', 'socket.io'];
/** Goals hold from this many clients on; below, what is done once for a frame weighs more. */
const goalClients = 2_000;

/**
 * One frame to many clients: what a delivery costs the server's process, one, three and eight frames in each turn of its
 * event loop.
 *
 * @see performance, G1 and G2
 */
export async function benchFanout(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const size = sizes[effort];
	const findings: Findings = {
		params: { effort, ...size, frameBytes, framesPerTurn, peers },
		variants: {},
		ratios: [],
		goals: [],
		notes: notes(),
	};
	const control = await startPair('ws', { clients: 200, frameBytes });
	try {
		const plain = control.contender('control', 1, size.deliveries);
		for (const clients of size.clients) await measure(clients, size, plain, findings, onProgress);
	} finally {
		await control.stop();
	}
	return findings;
}

async function measure(
	clients: number,
	{ repetitions, deliveries }: Size,
	control: Contender,
	findings: Findings,
	onProgress: (text: string) => void,
): Promise<void> {
	const pairs: Pair[] = [];
	try {
		for (const peer of peers) {
			onProgress(`${clients} clients of ${peer}`);
			const pair = await startPair(peer, { clients, frameBytes });
			pairs.push(pair);
			for (const frames of framesPerTurn) await pair.check(frames);
		}
		// What is compared stands side by side.
		const contenders = framesPerTurn.flatMap((frames) =>
			peers.flatMap((peer, at) => pairs[at]?.contender(nameOf(clients, frames, peer), frames, deliveries) ?? []),
		);
		const { control: plain, ...variants } = await pairedRun({ contenders, control, repetitions, onProgress });
		Object.assign(findings.variants, variants);
		if (plain !== undefined) findings.variants[`control beside N=${clients}`] = plain;
		compare(clients, findings);
	} finally {
		for (const pair of pairs) await pair.stop();
	}
}

function nameOf(clients: number, frames: number, peer: PeerName): string {
	return `N=${clients} k=${frames} ${peer}`;
}

function compare(clients: number, { variants, ratios, goals, notes }: Findings): void {
	const ratio = (of: [number, PeerName], to: [number, PeerName]): Ratio | null => {
		const names = [nameOf(clients, ...of), nameOf(clients, ...to)] as const;
		const found = pairedRatio(variants, ...names);
		if (found === null) notes.push(`no verdict on ${names.join(' / ')}: too many repetitions had to be dropped`);
		else ratios.push(found);
		return found;
	};
	const toWs = ratio([1, 'ws'], [1, 'ours']);
	const toFloor = ratio([1, 'ours'], [1, 'floor']);
	const toShape = ratio([1, 'shape'], [1, 'ours']);
	const toSocketIo = ratio([1, 'socket.io'], [1, 'ours']);
	const three = ratio([3, 'ws'], [3, 'ours']);
	const threeSingle = ratio([1, 'ours'], [3, 'ours']);
	const eight = ratio([8, 'ws'], [8, 'ours']);
	for (const frames of [3, 8]) {
		for (const peer of ['floor', 'shape', 'socket.io'] as const) ratio([frames, peer], [frames, 'ours']);
	}
	if (clients < goalClients) return;
	goals.push(
		ratioAtLeast(`G1 ws / ours, N=${clients}`, toWs, 1.15, 1.4),
		ratioAtMost(`G1 ours / floor, N=${clients}`, toFloor, 1.15),
		ratioAtLeast(`G1 socket.io / ours, N=${clients}`, toSocketIo, 1.5),
		ratioAtLeast(`shape / ours, N=${clients}`, toShape, 1.3),
		ratioAtLeast(`G2 ws / ours, 3 frames a turn, N=${clients}`, three, 2.2, 3),
		ratioAtLeast(`3 single frames / 3 in one turn, ours, N=${clients}`, threeSingle, 2.2),
		ratioAtLeast(`G2 ws / ours, 8 frames a turn, N=${clients}`, eight, 6, 9),
	);
}

function notes(): string[] {
	return [
		'The unit is one frame delivered to one client; the CPU is that of the server process alone, pinned to one core. Clients are TCP sockets in another process on the other core: they count bytes, and order the next turn when everybody has all of the last one.',
		'`ours` is the streamer with all it does for an event: published on the bus of one process (encoded, decoded), looked up, put into outboxes of sessions that have logged in and subscribed through DDP. `ws` is a loop over `send`, `floor` a loop over `write` of bytes framed in advance, all frames of a turn in one; `shape` awaits a rule and the write for each member in turn, as Rocket.Chat has published it.',
		`ours, ws, floor and shape put identical bytes on the wire, compared byte by byte before each measurement; socket.io has a protocol of its own, so that its packet of the same message differs and is shorter than the DDP frame of ${frameBytes} bytes.`,
		'On the loopback the sender pays for the receiver’s TCP work: a write costs more here than with a network card, so that ratios of batching are optimistic and those of encoding pessimistic.',
		'Frames leave at the end of the turn in which they came; nothing is delayed to gather more of them.',
	];
}
