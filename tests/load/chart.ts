import type { Report, Variant } from './report.ts';
import { number } from './report.ts';

/** Lines of one chart: x, median and range of y. */
type Curve = { name: string; points: { x: number; y: number; low: number; high: number }[] };

const width = 720;
const panel = 300;
const colors = ['#1d6fb8', '#c2571a', '#2f8f4e', '#7a4fb0', '#8a8a8a'];

/**
 * The report as a picture: CPU per unit against m on logarithmic axes, one curve for each number of streamers, and a bar
 * for each paired ratio with its range.
 */
export function chart(report: Report): string {
	const curves = curvesOf(report.variants);
	const height = (curves.length > 0 ? panel : 0) + 60 + report.ratios.length * 26 + 60;
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
		`<rect width="${width}" height="${height}" fill="#fff"/>`,
		text(
			16,
			24,
			`${report.bench}, ${report.commit}: CPU per unit (us) against ${Object.keys(report.variants).some((name) => name.startsWith('N=')) ? 'clients' : 'members'}`,
			'font-weight="bold"',
		),
		...(curves.length > 0 ? drawCurves(curves) : []),
		...drawRatios(report, (curves.length > 0 ? panel : 0) + 60),
		'</svg>',
		'',
	].join('\n');
}

/** Variants named `m=<x> s=<name>`, or `N=<x> k=1 <name>` where k counts frames of a turn. */
function curvesOf(variants: Record<string, Variant>): Curve[] {
	const curves = new Map<string, Curve>();
	for (const [name, { reps }] of Object.entries(variants)) {
		const found = /^(?:m|N)=(\d+) (?:k=1 )?([^=]+|s=\d+)$/.exec(name);
		const costs = reps.filter(({ dropped }) => dropped === undefined).map(({ cpuUs, n }) => cpuUs / n);
		if (found === null || costs.length === 0) continue;
		const sorted = costs.toSorted((a, b) => a - b);
		const at = (share: number): number => sorted[Math.round((sorted.length - 1) * share)] ?? 0;
		const curve = curves.get(found[2] ?? '') ?? { name: found[2] ?? '', points: [] };
		curve.points.push({ x: Number(found[1]), y: at(0.5), low: at(0), high: at(1) });
		curves.set(curve.name, curve);
	}
	for (const { points } of curves.values()) points.sort((a, b) => a.x - b.x);
	return [...curves.values()];
}

function drawCurves(curves: Curve[]): string[] {
	const points = curves.flatMap((curve) => curve.points);
	const scaleX = logScale(
		points.map(({ x }) => x),
		80,
		width - 120,
	);
	const scaleY = logScale(
		points.flatMap(({ low, high }) => [low, high]),
		panel,
		50,
	);
	const lines: string[] = [`<path d="M80 50V${panel}H${width - 110}" fill="none" stroke="#888"/>`];
	for (const x of new Set(points.map((point) => point.x))) {
		lines.push(text(scaleX(x), panel + 18, String(x), 'text-anchor="middle"'));
	}
	for (const tick of roundNumbers(points.flatMap(({ low, high }) => [low, high]))) {
		lines.push(text(72, scaleY(tick) + 4, number(tick), 'text-anchor="end"'));
		lines.push(`<path d="M80 ${scaleY(tick).toFixed(1)}H${width - 110}" stroke="#ddd"/>`);
	}
	for (const [index, { name, points: own }] of curves.entries()) {
		const color = colors[index % colors.length] ?? '#000';
		const path = own.map(({ x, y }) => `${scaleX(x).toFixed(1)} ${scaleY(y).toFixed(1)}`).join('L');
		lines.push(`<path d="M${path}" fill="none" stroke="${color}" stroke-width="2"/>`);
		for (const { x, y, low, high } of own) {
			const left = scaleX(x).toFixed(1);
			lines.push(`<path d="M${left} ${scaleY(low).toFixed(1)}V${scaleY(high).toFixed(1)}" stroke="${color}"/>`);
			lines.push(`<circle cx="${left}" cy="${scaleY(y).toFixed(1)}" r="3" fill="${color}"/>`);
		}
		lines.push(text(width - 100, 60 + index * 18, name, `fill="${color}"`));
	}
	return lines;
}

function drawRatios({ ratios }: Report, top: number): string[] {
	if (ratios.length === 0) return [];
	const largest = Math.max(...ratios.map(({ max }) => max), 1);
	const place = (value: number): number => 240 + (value / largest) * (width - 320);
	const lines = [
		text(16, top + 4, 'paired ratios of CPU per unit: median and range', 'font-weight="bold"'),
		`<path d="M${place(1).toFixed(1)} ${top + 14}v${ratios.length * 26 + 6}" stroke="#888" stroke-dasharray="3 3"/>`,
	];
	for (const [index, { of, to, median, min, max }] of ratios.entries()) {
		const y = top + 36 + index * 26;
		lines.push(
			text(232, y, `${of} / ${to}`, 'text-anchor="end"'),
			`<rect x="240" y="${y - 11}" width="${(place(median) - 240).toFixed(1)}" height="14" fill="#9dc3e6"/>`,
			`<path d="M${place(min).toFixed(1)} ${y - 4}H${place(max).toFixed(1)}" stroke="#1d3f66" stroke-width="2"/>`,
			text(place(max) + 6, y, number(median)),
		);
	}
	return lines;
}

function logScale(values: number[], from: number, to: number): (value: number) => number {
	const low = Math.log(Math.min(...values));
	const high = Math.log(Math.max(...values));
	return (value) => from + ((Math.log(value) - low) / (high - low || 1)) * (to - from);
}

/** Round numbers among the values: 1, 2 and 5 times powers of ten. */
function roundNumbers(values: number[]): number[] {
	const [low, high] = [Math.min(...values), Math.max(...values)];
	const first = Math.floor(Math.log10(low));
	const decades = Math.ceil(Math.log10(high)) - first + 1;
	return Array.from({ length: decades }, (_, index) => 10 ** (first + index))
		.flatMap((power) => [power, 2 * power, 5 * power])
		.filter((value) => value >= low && value <= high);
}

function text(x: number, y: number, words: string, extra = ''): string {
	const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
	return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${extra}>${safe}</text>`;
}
