import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chart } from './chart.ts';
import { benchCodec } from './codec.ts';
import { benchDeflate } from './deflate.ts';
import { benchFanout } from './fanout.ts';
import { benchFuzz } from './fuzz.ts';
import { benchIdle } from './idle.ts';
import { currentCommit, describeHost, readTicks, stolenShare } from './machine.ts';
import { benchMemory } from './mem.ts';
import { benchPost, type Effort, type Findings } from './post.ts';
import { describe, type Report } from './report.ts';
import { writeResults } from './results-page.ts';
import { benchResume } from './resume.ts';
import { benchStall } from './stall.ts';

/** `npm run bench -- <name> [--quick|--full] [--json FILE] [--svg FILE] [--page FILE] [--heap FILE]` */

type Bench = {
	about: string;
	run: (
		effort: Effort,
		onProgress: (text: string) => void,
		options: { heapFile?: string | undefined },
	) => Promise<Findings>;
};

const benches: Record<string, Bench> = {
	fanout: {
		about: 'one frame to 200, 2,000, 10,000 clients: 1, 3 and 8 frames a turn, beside other servers',
		run: benchFanout,
	},
	stall: {
		about: 'one of 200 readers stops reading: what the others get of 20,000 frames, and how late',
		run: benchStall,
	},
	deflate: {
		about: 'a frame to 500 clients: not compressed, compressed once for all, compressed for each',
		run: benchDeflate,
	},
	codec: {
		about: 'encoding, decoding and relaying five documents, beside npm ejson',
		run: benchCodec,
	},
	post: {
		about: 'one REST send to m members on 1 and 2 streamers, and its latency at 50 posts a second',
		run: benchPost,
	},
	mem: {
		about: 'memory of a logged-in session of a web client, 2,000, 10,000 or 18,000 at a time',
		run: benchMemory,
	},
	fuzz: {
		about: '200,000 generated messages on raw and SockJS sockets: delays, errors, and what is left',
		run: benchFuzz,
	},
	idle: {
		about: 'CPU of 2,000, 10,000 or 18,000 sessions that only answer pings',
		run: benchIdle,
	},
	resume: {
		about: 'clients that come back after kill -9, cut connections, stopped streamers; a storm of 2,000',
		run: benchResume,
	},
};

const usage = `npm run bench -- <name> [--quick|--full] [--json FILE] [--svg FILE] [--page FILE] [--heap FILE]

${Object.entries(benches)
	.map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
	.join('\n')}

  --quick      fewer repetitions: for a first look
  --full       more repetitions: for figures to be published
  --json FILE  writes everything that was measured
  --svg FILE   draws it
  --page FILE  puts goals and ratios into a page, in place of the run before
  --heap FILE  describes what objects a session consists of (mem)
`;

process.exitCode = await main();

/** @returns The exit code: 1 when a goal was missed, 2 for wrong arguments. */
async function main(): Promise<number> {
	const args = readArgs();
	const bench = args === null ? undefined : benches[args.name];
	if (args === null || bench === undefined) {
		process.stderr.write(usage);
		return args?.isHelp === true ? 0 : 2;
	}
	if (process.platform !== 'linux') {
		process.stderr.write('Benches read CPU times from /proc: they run on Linux only.\n');
		return 2;
	}
	const report = await run(args.name, bench, args.effort, args.heap);
	process.stdout.write(describe(report));
	if (args.json !== undefined) writeFileSync(args.json, `${JSON.stringify(report, null, '\t')}\n`);
	if (args.svg !== undefined) writeFileSync(args.svg, chart(report));
	if (args.page !== undefined) writeResults(args.page, report);
	return report.goals.some(({ verdict }) => verdict === 'missed') ? 1 : 0;
}

async function run(
	name: string,
	{ run: measure }: Bench,
	effort: Effort,
	heapFile: string | undefined,
): Promise<Report> {
	const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8')) as {
		version: string;
	};
	const ticks = readTicks();
	const startedAt = Date.now();
	const onProgress = (text: string): void => {
		const seconds = ((Date.now() - startedAt) / 1000).toFixed(0).padStart(4);
		process.stderr.write(`${seconds} s  ${text}\n`);
	};
	const findings = await measure(effort, onProgress, { heapFile });
	return {
		bench: name,
		version: manifest.version,
		commit: currentCommit(),
		runtime: `node ${process.versions.node}`,
		host: describeHost(stolenShare(ticks, readTicks())),
		...findings,
	};
}

function readArgs() {
	try {
		const { values, positionals } = parseArgs({
			allowPositionals: true,
			options: {
				quick: { type: 'boolean', default: false },
				full: { type: 'boolean', default: false },
				json: { type: 'string' },
				svg: { type: 'string' },
				page: { type: 'string' },
				heap: { type: 'string' },
				help: { type: 'boolean', default: false },
			},
		});
		const effort: Effort = values.full ? 'full' : values.quick ? 'quick' : 'normal';
		const { json, svg, page, heap, help: isHelp } = values;
		return { name: positionals[0] ?? '', effort, json, svg, page, heap, isHelp };
	} catch (error) {
		process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n`);
		return null;
	}
}
