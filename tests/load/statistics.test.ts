import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairedRatio } from './paired-run.ts';
import { atMost } from './report.ts';
import { median, quantile, spreadOf } from './statistics.ts';

test('median and quantiles lie between neighbours', () => {
	assert.equal(median([3, 1, 2]), 2);
	assert.equal(median([4, 1, 2, 3]), 2.5);
	assert.equal(quantile([0, 10, 20, 30], 0.75), 22.5);
	assert.ok(Number.isNaN(median([])));
});

test('the interval contains the median, is repeatable, and narrows with more numbers', () => {
	const few = [1, 5, 2, 8, 3, 9, 4];
	const spread = spreadOf(few);
	assert.deepEqual(spreadOf(few), spread);
	assert.deepEqual([spread.median, spread.min, spread.max], [4, 1, 9]);
	assert.ok(spread.lo95 >= 1 && spread.lo95 <= 4 && spread.hi95 >= 4 && spread.hi95 <= 9);
	const many = spreadOf(Array.from({ length: 50 }, () => few).flat());
	assert.ok(many.hi95 - many.lo95 < spread.hi95 - spread.lo95);
});

test('a ratio is formed within repetitions, and not when too many were dropped', () => {
	const rep = (cpuUs: number, dropped?: string) => ({
		cpuUs,
		cpuUsBy: {},
		wallUs: 1,
		n: 10,
		...(dropped ? { dropped } : {}),
	});
	const variants = {
		ours: { reps: [rep(20), rep(40), rep(900, 'control')], counters: {} },
		plain: { reps: [rep(10), rep(20), rep(10, 'control')], counters: {} },
		shaken: { reps: [rep(10), rep(20, 'control'), rep(10, 'control')], counters: {} },
	};
	const ratio = pairedRatio(variants, 'ours', 'plain');
	assert.deepEqual([ratio?.median, ratio?.min, ratio?.max], [2, 2, 2]);
	assert.equal(pairedRatio(variants, 'ours', 'plain', 4)?.median, 0.5);
	assert.equal(pairedRatio(variants, 'shaken', 'plain'), null);
	assert.equal(pairedRatio(variants, 'nobody', 'plain'), null);
});

test('a goal is met up to its value, missed above it, and has no verdict without a number', () => {
	assert.equal(atMost('g', 6, 6).verdict, 'met');
	assert.equal(atMost('g', 6.01, 6).verdict, 'missed');
	assert.equal(atMost('g', Number.NaN, 6).verdict, 'no verdict');
});
