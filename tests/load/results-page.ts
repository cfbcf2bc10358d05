import { readFileSync, writeFileSync } from 'node:fs';
import { number, type Report, type Variant } from './report.ts';

/**
 * Puts what a run has found into a page, between the marks `<!-- <bench>: start -->` and `<!-- <bench>: end -->`, in place
 * of the run before: numbers there are never typed by hand.
 *
 * @throws Error when the page has no such marks
 */
export function writeResults(file: string, report: Report): void {
	const page = readFileSync(file, 'utf8');
	writeFileSync(file, withResults(page, report));
}

/** The page with what a run has found. @see writeResults */
export function withResults(page: string, report: Report): string {
	const [start, end] = [`<!-- ${report.bench}: start -->`, `<!-- ${report.bench}: end -->`];
	const from = page.indexOf(start);
	const to = page.indexOf(end);
	if (from < 0 || to < from) throw new Error(`the page has no place for ${report.bench}: ${start} and ${end}`);
	return `${page.slice(0, from + start.length)}\n\n${results(report)}\n${page.slice(to)}`;
}

function results({ bench, commit, runtime, host, params, variants, ratios, goals }: Report): string {
	const effort = params['effort'] === 'normal' ? '' : ` --${String(params['effort'])}`;
	const machine = `${runtime}, ${host.cores} x ${host.cpu}, load ${host.load.toFixed(2)}`;
	const lines = [`Last run: \`npm run bench -- ${bench}${effort}\` at ${commit}, ${machine}.`, ''];
	if (goals.length > 0) {
		const rows = goals.map(({ id, value, goal, isLeast, verdict }) => [
			id,
			number(value),
			`${isLeast === true ? 'at least' : 'at most'} ${number(goal)}`,
			verdict,
		]);
		lines.push(...table(['goal', 'value', 'required', 'verdict'], rows), '');
	}
	if (ratios.length > 0) {
		const rows = ratios.map(({ of, to, on, median, lo95, hi95 }) => [
			`${of} / ${to}`,
			on,
			number(median),
			`${number(lo95)} to ${number(hi95)}`,
		]);
		lines.push(...table(['ratio', 'of', 'median', '95 %'], rows), '');
	}
	const counted = Object.entries(variants).filter(([, { counters }]) => Object.keys(counters).length > 0);
	if (counted.length > 0) lines.push(...counterTable(counted), '');
	return lines.join('\n');
}

/** Counters but those of single database commands. */
function counterTable(counted: [string, Variant][]): string[] {
	const all = counted.flatMap(([, { counters }]) => Object.keys(counters));
	const names = [...new Set(all)].filter((name) => !name.startsWith('db '));
	const cell = (value: number | undefined) => (value === undefined ? '' : number(value));
	return table(
		['each', ...names],
		counted.map(([name, { counters }]) => [name, ...names.map((key) => cell(counters[key]))]),
	);
}

function table(head: string[], rows: string[][]): string[] {
	const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
	const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
	return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}
