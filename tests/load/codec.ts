import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseEjson, stringifyEjson } from '@rookery/protocol/ejson.ts';
import { codecCorpus } from './codec-corpus.ts';
import { codecDocuments } from './codec-documents.ts';
import type { Codec, CodecOrder } from './codec-work.ts';
import { pairedRatio, pairedRun, type Contender } from './paired-run.ts';
import { type Child, cores, startChild } from './peers/child.ts';
import type { Effort, Findings } from './post.ts';
import { ratioAtLeast } from './ratio-goals.ts';
import { atMost, type Ratio } from './report.ts';

const oracle = createRequire(import.meta.url)('ejson') as { stringify(value: unknown): string };

type Size = { repetitions: number; times: number };

const sizes: Record<Effort, Size> = {
	quick: { repetitions: 5, times: 5_000 },
	normal: { repetitions: 11, times: 20_000 },
	full: { repetitions: 21, times: 40_000 },
};

const corpusSize = 10_000;
const corpusSeed = 20_260_105;

/** What one encoding, one decoding and one relay must be better than with npm `ejson`, with each document. */
const operations = [
	{ operation: 'encode', goal: 2.2, stretch: 3.5 },
	{ operation: 'parse', goal: 1.8, stretch: 2.3 },
	{ operation: 'relay', goal: 4, stretch: 8 },
] as const;

/**
 * Encoding, decoding and relaying five documents beside npm `ejson`, and whether both write the same bytes for 10,000
 * generated values.
 *
 * @see performance, G15
 */
export async function benchCodec(effort: Effort, onProgress: (text: string) => void): Promise<Findings> {
	const size = sizes[effort];
	const documents = codecDocuments(stringifyEjson);
	onProgress(`comparing ${corpusSize} generated values`);
	const { encoded, decoded } = differences(codecCorpus(corpusSize, corpusSeed));
	const started = new Map<Codec, Child>();
	try {
		for (const codec of ['ours', 'ejson', 'json'] as const) started.set(codec, await startCodec(codec));
		const contenders = operations.flatMap(({ operation }) =>
			documents.flatMap(({ name }, document) =>
				(['ours', 'ejson'] as const).map((codec) =>
					contender(`${operation} ${name}, ${codec}`, started.get(codec), { operation, document, times: size.times }),
				),
			),
		);
		const plain: CodecOrder = { operation: 'encode', document: 1, times: size.times * 4 };
		const control = contender('control', started.get('json'), plain);
		const variants = await pairedRun({ contenders, control, repetitions: size.repetitions, onProgress });
		const findings: Findings = {
			params: { effort, ...size, documents: documents.map(({ name, bytes }) => ({ name, bytes })), corpusSize },
			variants,
			ratios: [],
			goals: [
				atMost(`G15 of ${corpusSize} values, encoded to other bytes than by ejson`, encoded, 0),
				atMost(`of ${corpusSize} values, other bytes when decoded and encoded again`, decoded, 0),
			],
			notes: notes(),
		};
		compare(
			documents.map(({ name }) => name),
			findings,
		);
		return findings;
	} finally {
		for (const child of started.values()) await child.stop();
	}
}

/** How many values are encoded to other bytes than by the reference, and how many do not survive decoding. */
export function differences(values: unknown[]): { encoded: number; decoded: number } {
	let encoded = 0;
	let decoded = 0;
	for (const value of values) {
		const text = stringifyEjson(value);
		if (text !== oracle.stringify(value)) encoded += 1;
		if (stringifyEjson(parseEjson(text)) !== text) decoded += 1;
	}
	return { encoded, decoded };
}

async function startCodec(codec: Codec): Promise<Child> {
	const child = startChild(join(import.meta.dirname, 'codec-work.ts'), cores.server, [codec]);
	await child.heard();
	return child;
}

function contender(name: string, child: Child | undefined, order: CodecOrder): Contender {
	if (child === undefined) throw new Error('not started');
	return {
		name,
		pids: () => [child.pid],
		async run() {
			const done = child.heard();
			child.send(order);
			await done;
			return order.times;
		},
	};
}

/** A goal is judged by the document that does worst. */
function compare(documents: string[], { variants, ratios, goals, notes }: Findings): void {
	for (const { operation, goal, stretch } of operations) {
		const found: Ratio[] = [];
		for (const name of documents) {
			const ratio = pairedRatio(variants, `${operation} ${name}, ejson`, `${operation} ${name}, ours`);
			if (ratio === null) notes.push(`no verdict on ${operation} ${name}: too many repetitions had to be dropped`);
			else found.push(ratio);
		}
		ratios.push(...found);
		const worst = found.length === documents.length ? found.toSorted((a, b) => a.lo95 - b.lo95)[0] : undefined;
		goals.push(ratioAtLeast(`G15 ${operation}, ejson / ours, worst document`, worst ?? null, goal, stretch));
	}
}

function notes(): string[] {
	return [
		'The unit is one document. Each codec works in a process of its own on one core; the CPU is that of the whole process, so that collecting its garbage counts.',
		'`relay` is what a streamer does with a message from the bus until its bytes can be written to raw sockets: ours splices the encoded body into a frame, the model of the other decodes and encodes again. The SockJS form is left out on both sides.',
		'Generated values hold every form of EJSON, and literal objects that look like one.',
	];
}
