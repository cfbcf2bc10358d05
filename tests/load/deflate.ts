import { pairedRatio, pairedRun, type Contender } from './paired-run.ts';
import { type Pair, startPair } from './peers/pair.ts';
import type { PeerName } from './peers/peer.ts';
import type { Effort, Findings } from './post.ts';
import { ratioAtLeast, ratioAtMost } from './ratio-goals.ts';
import type { Ratio } from './report.ts';

type Size = { repetitions: number; deliveries: number };

const sizes: Record<Effort, Size> = {
	quick: { repetitions: 5, deliveries: 10_000 },
	normal: { repetitions: 11, deliveries: 40_000 },
	full: { repetitions: 15, deliveries: 80_000 },
};

const clients = 500;
/** A message of some 1,000 characters: shorter frames are not compressed. */
const frameBytes = 1_420;

const variants: { name: string; peer: PeerName; deflate: boolean }[] = [
	{ name: 'ours, none', peer: 'ours', deflate: false },
	{ name: 'ours, shared', peer: 'ours', deflate: true },
	{ name: 'ws, none', peer: 'ws', deflate: false },
	{ name: 'ws, per client', peer: 'ws', deflate: true },
];

/**
 * What a delivery costs without compression, with one compressed frame for all, and compressed for each client.
 *
 * @see performance, G19
 */
export async function benchDeflate(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const size = sizes[effort];
	const pairs: Pair[] = [];
	try {
		const control = await startPair('ws', { clients: 200, frameBytes });
		pairs.push(control);
		const contenders: Contender[] = [];
		for (const { name, peer, deflate } of variants) {
			onProgress(`${clients} clients of ${name}`);
			const pair = await startPair(peer, { clients, frameBytes, deflate });
			pairs.push(pair);
			if (!deflate) await pair.check(1);
			contenders.push(pair.contender(name, 1, size.deliveries));
		}
		const findings: Findings = {
			params: { effort, ...size, clients, frameBytes },
			variants: await pairedRun({
				contenders,
				control: control.contender('control', 1, size.deliveries),
				repetitions: size.repetitions,
				onProgress,
			}),
			ratios: [],
			goals: [],
			notes: notes(),
		};
		compare(findings);
		return findings;
	} finally {
		for (const pair of pairs) await pair.stop();
	}
}

function compare({ variants, ratios, goals, notes }: Findings): void {
	const ratio = (of: string, to: string): Ratio | null => {
		const found = pairedRatio(variants, of, to);
		if (found === null) notes.push(`no verdict on ${of} / ${to}: too many repetitions had to be dropped`);
		else ratios.push(found);
		return found;
	};
	const toNone = ratio('ours, shared', 'ours, none');
	const toWs = ratio('ws, per client', 'ours, shared');
	ratio('ws, per client', 'ws, none');
	goals.push(
		ratioAtMost('G19 one compressed frame for all / none', toNone, 1.3, 1.15),
		ratioAtLeast('G19 ws, compressed for each client / ours, compressed once', toWs, 2.5, 3.5),
	);
}

function notes(): string[] {
	return [
		`The unit is one frame of ${frameBytes} bytes, before compression, delivered to one of ${clients} clients; the CPU is that of the whole server process, the threads that compress included.`,
		'All clients of a variant receive identical bytes, which say the same in every variant; ours and ws compress each message by itself, at the fastest level.',
		'Clients count bytes and decompress nothing but one turn of frames before the measurement.',
	];
}
