import type { Host } from './machine.ts';
import type { Spread } from './statistics.ts';

/** One kept or dropped repetition of a variant. Times of all processes of the system under test together. */
export type Repetition = {
	cpuUs: number;
	/** `cpuUs` by process. */
	cpuUsBy: Record<string, number>;
	wallUs: number;
	n: number;
	dropped?: string;
};

export type Variant = {
	reps: Repetition[];
	/** Exact counts per unit of work, by name. */
	counters: Record<string, number>;
};

/** How a variant compares with another one, repetition by repetition. */
export type Ratio = Spread & { of: string; to: string; on: string };

export type Goal = {
	id: string;
	value: number;
	goal: number;
	stretch?: number;
	/** The value has to be so large at least; absent: at most. */
	isLeast?: true;
	verdict: 'met' | 'missed' | 'no verdict';
};

/** What a bench found. @see performance, 7 */
export type Report = {
	bench: string;
	version: string;
	commit: string;
	runtime: string;
	host: Host;
	params: Record<string, unknown>;
	variants: Record<string, Variant>;
	ratios: Ratio[];
	goals: Goal[];
	notes: string[];
};

/** A goal that a value meets when it is not above it. */
export function atMost(id: string, value: number, goal: number, stretch?: number): Goal {
	const verdict = Number.isNaN(value) ? 'no verdict' : value <= goal ? 'met' : 'missed';
	return { id, value, goal, ...(stretch === undefined ? {} : { stretch }), verdict };
}

/** The report as text for people. */
export function describe(report: Report): string {
	const { bench, commit, runtime, host, variants, ratios, goals, notes } = report;
	const lines = [
		`${bench} at ${commit}, ${runtime}, ${host.cores} x ${host.cpu}, load ${host.load.toFixed(2)}, stolen ${(host.steal * 100).toFixed(1)} %`,
		'',
		...table(
			['variant', 'n', 'CPU us each', 'wall us each', 'dropped', 'CPU us each by process'],
			Object.entries(variants)
				.filter(([, { reps }]) => reps.length > 0)
				.map(([name, variant]) => variantRow(name, variant)),
		),
		'',
		...counterTable(variants),
	];
	if (ratios.length > 0) {
		const rows = ratios.map(({ of, to, on, ...spread }) => [
			`${of} / ${to}`,
			on,
			number(spread.median),
			`${number(spread.min)}..${number(spread.max)}`,
			`${number(spread.lo95)}..${number(spread.hi95)}`,
		]);
		lines.push('', ...table(['ratio', 'of', 'median', 'range', '95 %'], rows));
	}
	if (goals.length > 0) {
		const rows = goals.map(({ id, value, goal, isLeast, verdict }) => [
			id,
			number(value),
			`${isLeast === true ? '>=' : '<='} ${number(goal)}`,
			verdict,
		]);
		lines.push('', ...table(['goal', 'value', 'goal', 'verdict'], rows));
	}
	if (notes.length > 0) lines.push('', ...notes);
	return `${lines.join('\n')}\n`;
}

/** Counters without those of single commands, which the JSON has. */
function counterTable(variants: Record<string, Variant>): string[] {
	const counted = Object.entries(variants).filter(([, { counters }]) => Object.keys(counters).length > 0);
	const names = [...new Set(counted.flatMap(([, { counters }]) => Object.keys(counters)))];
	const shown = names.filter((name) => !name.startsWith('db '));
	const row = (counters: Record<string, number>) =>
		shown.map((name) => (counters[name] === undefined ? '' : number(counters[name])));
	return table(
		['each', ...shown],
		counted.map(([name, { counters }]) => [name, ...row(counters)]),
	);
}

function variantRow(name: string, { reps }: Variant): string[] {
	const kept = reps.filter(({ dropped }) => dropped === undefined);
	const each = (field: 'cpuUs' | 'wallUs') => middle(kept.map((rep) => rep[field] / rep.n));
	const processes = [...new Set(kept.flatMap(({ cpuUsBy }) => Object.keys(cpuUsBy)))].sort();
	const shares = processes.map((process) => {
		const times = kept.map(({ cpuUsBy, n }) => (cpuUsBy[process] ?? 0) / n).toSorted((a, b) => a - b);
		return `${process} ${number(times[Math.floor(times.length / 2)] ?? 0)}`;
	});
	return [
		name,
		String(kept.reduce((sum, { n }) => sum + n, 0)),
		each('cpuUs'),
		each('wallUs'),
		String(reps.length - kept.length),
		shares.join(', '),
	];
}

function middle(values: number[]): string {
	if (values.length === 0) return '-';
	const sorted = values.toSorted((a, b) => a - b);
	const at = (share: number) => number(sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN);
	return `${at(0.5)} [${at(0)}..${at(1)}]`;
}

/** Three significant digits. */
export function number(value: number): string {
	if (Number.isNaN(value)) return '-';
	if (Number.isInteger(value) || Math.abs(value) >= 1000) return String(Math.round(value));
	return Number(value.toPrecision(3)).toString();
}

function table(head: string[], rows: string[][]): string[] {
	const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
	const line = (cells: string[]) =>
		cells
			.map((cell, column) => cell.padEnd(widths[column] ?? 0))
			.join('  ')
			.trimEnd();
	return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}
