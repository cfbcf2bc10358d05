import { cpuBetween, cpuByProcess, readCpu, readTicks, stolenShare } from './machine.ts';
import type { Ratio, Repetition, Variant } from './report.ts';
import { median, spreadOf } from './statistics.ts';

/** One thing that is measured. */
export type Contender = {
	name: string;
	/** Whose CPU counts. Asked before each run. */
	pids: () => number[];
	/** A little of the work, not measured: what has lain idle for long has to be fetched into the caches first. */
	prepare?: () => Promise<void>;
	/** Does the work once; resolves when all of it is done. @returns How many units it was. */
	run: () => Promise<number>;
};

export type PairedOptions = {
	contenders: Contender[];
	/** The same plain work in every repetition: tells how quiet the machine was. */
	control: Contender;
	/** Kept at best; one more is run before them and thrown away. */
	repetitions: number;
	onProgress: (text: string) => void;
};

/** A repetition whose control is so far from the median of all is dropped, and one with more stolen time than this. */
const maxControlDeviation = 0.25;
const maxStolenShare = 0.05;

/**
 * Measures all contenders in every repetition, forwards and backwards in turn, with the control beside them, and drops
 * the repetitions in which the machine was busy with something else.
 *
 * @returns Variants by name, the control as `control`.
 * @see performance, 1
 */
export async function pairedRun(options: PairedOptions): Promise<Record<string, Variant>> {
	const { contenders, control, repetitions, onProgress } = options;
	const rounds: { stolen: number; results: Map<string, Repetition> }[] = [];
	for (let round = 0; round <= repetitions; round++) {
		onProgress(round === 0 ? 'warming up' : `repetition ${round} of ${repetitions}`);
		const order = round % 2 === 0 ? contenders : contenders.toReversed();
		const ticks = readTicks();
		const results = new Map<string, Repetition>();
		for (const contender of [control, ...order]) results.set(contender.name, await measure(contender));
		if (round > 0) rounds.push({ stolen: stolenShare(ticks, readTicks()), results });
	}
	const controlCost = (results: Map<string, Repetition>) => costOf(results.get(control.name));
	const usual = median(rounds.map(({ results }) => controlCost(results)));
	const variants: Record<string, Variant> = {};
	for (const { stolen, results } of rounds) {
		const deviation = Math.abs(controlCost(results) / usual - 1);
		const reason = stolen > maxStolenShare ? 'stolen time' : deviation > maxControlDeviation ? 'control' : undefined;
		for (const [name, repetition] of results) {
			const variant = (variants[name] ??= { reps: [], counters: {} });
			variant.reps.push(reason === undefined ? repetition : { ...repetition, dropped: reason });
		}
	}
	return variants;
}

async function measure({ pids, prepare, run }: Contender): Promise<Repetition> {
	await prepare?.();
	const processes = pids();
	const before = readCpu(processes);
	const startedAt = performance.now();
	const n = await run();
	const wallUs = (performance.now() - startedAt) * 1000;
	const after = readCpu(processes);
	return { cpuUs: cpuBetween(before, after), cpuUsBy: cpuByProcess(before, after), wallUs, n };
}

function costOf(repetition: Repetition | undefined): number {
	return repetition === undefined ? Number.NaN : repetition.cpuUs / repetition.n;
}

/**
 * Compares the CPU time per unit of two variants, repetition by repetition.
 *
 * @param factor What one unit of `to` is multiplied with, e.g. deliveries of one post.
 * @returns null when more than a third of the repetitions had to be dropped: then there is no verdict.
 */
export function pairedRatio(variants: Record<string, Variant>, of: string, to: string, factor = 1): Ratio | null {
	const [upper, lower] = [variants[of]?.reps ?? [], variants[to]?.reps ?? []];
	const ratios = upper.flatMap((repetition, index) => {
		const other = lower[index];
		if (other === undefined || repetition.dropped !== undefined || other.dropped !== undefined) return [];
		return [costOf(repetition) / (costOf(other) * factor)];
	});
	if (ratios.length === 0 || ratios.length < upper.length * (2 / 3)) return null;
	const unit = factor === 1 ? 'CPU' : `CPU, ${factor} each`;
	return { of, to, on: unit, ...spreadOf(ratios) };
}
