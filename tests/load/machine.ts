import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';

/** The machine a bench ran on, and how quiet it was. */
export type Host = { cpu: string; cores: number; kernel: string; steal: number; load: number };

/** Nanoseconds that each thread of some processes has spent on a CPU. */
export type CpuReading = ReadonlyMap<string, number>;

/** CPU time of all threads of these processes so far. Linux only. */
export function readCpu(pids: readonly number[]): CpuReading {
	const threads = new Map<string, number>();
	for (const pid of pids) {
		for (const thread of list(`/proc/${pid}/task`)) {
			const text = read(`/proc/${pid}/task/${thread}/schedstat`);
			if (text !== null) threads.set(`${pid}/${thread}`, Number(text.split(' ')[0]));
		}
	}
	return threads;
}

/** What a process is, by its command line: `start <process>` names itself, else the program's name. */
export function processName(pid: number): string {
	const words = (read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((word) => word !== '');
	const start = words.lastIndexOf('start');
	if (start > 0 && words[start + 1] !== undefined) return words[start + 1] ?? '';
	if (words.includes('--separate')) return 'supervisor';
	return words[0]?.split('/').at(-1) ?? 'gone';
}

/** CPU time in microseconds between two readings, by process name. */
export function cpuByProcess(before: CpuReading, after: CpuReading): Record<string, number> {
	const times: Record<string, number> = {};
	for (const [thread, spent] of after) {
		const name = processName(Number(thread.split('/')[0]));
		times[name] = (times[name] ?? 0) + (spent - (before.get(thread) ?? 0)) / 1000;
	}
	return times;
}

/** CPU time in microseconds between two readings. A thread that ended in between counts up to the first only. */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
	let nanoseconds = 0;
	for (const [thread, spent] of after) nanoseconds += spent - (before.get(thread) ?? 0);
	return nanoseconds / 1000;
}

/** A process and all it has started, directly or not. */
export function processTree(root: number): number[] {
	const parents = new Map<number, number>();
	for (const name of list('/proc')) {
		if (!/^\d+$/.test(name)) continue;
		const stat = read(`/proc/${name}/stat`);
		// The name of the program stands in brackets and may hold anything.
		const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
		if (parent !== undefined) parents.set(Number(name), Number(parent));
	}
	const tree = [root];
	for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
	return tree;
}

/** Ticks of the machine in all states, and those that its host gave to somebody else. */
export function readTicks(): { all: number; stolen: number } {
	const fields = (read('/proc/stat')?.split('\n')[0] ?? '').trim().split(/\s+/).slice(1).map(Number);
	return { all: fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0), stolen: fields[7] ?? 0 };
}

/** Share of the time between two readings that was stolen: 0 to 1. */
export function stolenShare(before: ReturnType<typeof readTicks>, after: ReturnType<typeof readTicks>): number {
	return after.all === before.all ? 0 : (after.stolen - before.stolen) / (after.all - before.all);
}

/** What the machine is. @param steal Share of stolen time during the bench. */
export function describeHost(steal: number): Host {
	const [first] = cpus();
	return {
		cpu: first?.model.trim() ?? 'unknown',
		cores: cpus().length,
		kernel: release(),
		steal,
		load: loadavg()[0] ?? 0,
	};
}

/** The commit that is measured, with `+` when files were changed since. */
export function currentCommit(): string {
	try {
		const options: ExecFileSyncOptionsWithStringEncoding = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
		const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim();
		const isClean = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], options).trim() === '';
		return isClean ? commit : `${commit}+`;
	} catch {
		return 'unknown';
	}
}

function list(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch {
		return []; // it has just ended
	}
}

function read(file: string): string | null {
	try {
		return readFileSync(file, 'utf8');
	} catch {
		return null; // it has just ended
	}
}
