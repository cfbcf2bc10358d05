import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { codecCorpus } from './codec-corpus.ts';
import { codecDocuments } from './codec-documents.ts';
import { differences } from './codec.ts';
import { benchFrame, digitsAt, markOffsets } from './peers/bench-frame.ts';
import { startPair } from './peers/pair.ts';
import type { PeerName } from './peers/peer.ts';
import { wireReader } from './peers/wire-reader.ts';
import { ratioAtLeast, ratioAtMost } from './ratio-goals.ts';
import type { Report } from './report.ts';
import { withResults } from './results-page.ts';
import { startStall } from './stall.ts';

/** A peer that never answers must not hold up the suite. */
const options = { timeout: 30_000, skip: process.platform !== 'linux' };

for (const peer of ['ours', 'ws', 'floor', 'shape', 'socket.io'] satisfies PeerName[]) {
	test(`each client of ${peer} receives each frame of a turn, byte for byte`, options, async (t) => {
		const pair = await startPair(peer, { clients: 3, frameBytes: 600 });
		t.after(pair.stop);
		for (const frames of [1, 3, 8]) await pair.check(frames);
		const { run, pids } = pair.contender('x', 3, 20);
		assert.equal(await run(), 27, 'three turns of three frames to three clients');
		assert.equal(pids().length, 1);
	});
}

for (const peer of ['ours', 'ws'] satisfies PeerName[]) {
	test(`compressed frames of ${peer} are the same for all and say what they should`, options, async (t) => {
		const pair = await startPair(peer, { clients: 3, frameBytes: 1_420, deflate: true });
		t.after(pair.stop);
		assert.equal(await pair.contender('x', 1, 6).run(), 6);
	});
}

test('one reader stops: the others get everything, it is closed with 4429 and comes back', options, async (t) => {
	const rig = await startStall('ours', 4, 60_000);
	t.after(rig.stop);
	const { expected, received, outOfOrder, stalled } = await rig.run(200, true);
	assert.deepEqual([expected, received, outOfOrder], [600, 600, 0]);
	assert.equal(stalled?.closedWith, 4429);
	assert.equal(stalled?.isBack, true);
});

test('the model of an awaited loop loses what stands behind a reader that has stopped', options, async (t) => {
	const rig = await startStall('shape', 4, 60_000);
	t.after(rig.stop);
	const { expected, received, expectedBehind, receivedBehind } = await rig.run(200, true);
	assert.equal(expectedBehind, 200);
	assert.ok(receivedBehind < expectedBehind);
	assert.equal(expected - received, expectedBehind - receivedBehind, 'those before it lose nothing');
});

test('a frame has the length that was asked for, and number and time at their places', () => {
	for (const bytes of [420, 600, 1_420, 70_000]) {
		const { text } = benchFrame(12_345, bytes, 987_654_321);
		assert.equal(Buffer.byteLength(text), bytes);
		const offsets = markOffsets(bytes);
		assert.equal(digitsAt(Buffer.from(text), offsets.number, 8), 12_345);
		assert.equal(digitsAt(Buffer.from(text), offsets.time, 16), 987_654_321);
	}
	assert.throws(() => benchFrame(0, 100), /too short/);
});

test('a frame of few bytes is found when they come one by one', () => {
	const { framed } = benchFrame(1, 420);
	const found: number[] = [];
	const read = wireReader((_first, _bytes, start, end) => found.push(end - start));
	for (const byte of Buffer.concat([framed, framed])) read(Buffer.of(byte));
	assert.deepEqual(found, [420, 420]);
});

test('frames are found wherever the stream is cut', () => {
	const frames = [420, 600, 66_000].map((bytes) => benchFrame(1, bytes).framed);
	const stream = Buffer.concat([Buffer.of(0x89, 0), ...frames, Buffer.of(0x88, 2, 0x11, 0x4d)]);
	for (const step of [97, 999, stream.length]) {
		const found: [number, number][] = [];
		const read = wireReader((first, _bytes, start, end) => found.push([first, end - start]));
		for (let at = 0; at < stream.length; at += step) read(stream.subarray(at, at + step));
		assert.deepEqual(found, [
			[0x89, 0],
			[0x81, 420],
			[0x81, 600],
			[0x81, 66_000],
			[0x88, 2],
		]);
	}
});

test('documents of the codec bench have their sizes, and generated values are the same each time', () => {
	for (const { value, bytes } of codecDocuments(stringifyEjson)) assert.equal(stringifyEjson(value).length, bytes);
	const values = codecCorpus(300, 7);
	assert.deepEqual(codecCorpus(300, 7).map(stringifyEjson), values.map(stringifyEjson));
	assert.deepEqual(differences(values), { encoded: 0, decoded: 0 });
});

test('what a run has found takes the place of the run before in a page', () => {
	const report: Report = {
		bench: 'fanout',
		version: '1',
		commit: 'abc',
		runtime: 'node 24',
		host: { cpu: 'cpu', cores: 2, kernel: '', steal: 0, load: 0.1 },
		params: { effort: 'full' },
		variants: { one: { reps: [], counters: { received: 5, 'db find': 1 } } },
		ratios: [],
		goals: [{ id: 'g', value: 2, goal: 1, isLeast: true, verdict: 'met' }],
		notes: [],
	};
	const page = 'a\n\n<!-- fanout: start -->\n\nold\n\n<!-- fanout: end -->\n\nb\n';
	const once = withResults(page, report);
	assert.match(once, /^a\n\n<!-- fanout: start -->\n\nLast run: `npm run bench -- fanout --full` at abc/);
	assert.match(once, /\| g {4}\| 2 {5}\| at least 1 \| met {5}\|\n/);
	assert.match(once, /\| one {2}\| 5 {8}\|\n\n<!-- fanout: end -->\n\nb\n$/);
	assert.doesNotMatch(once, /old/);
	assert.equal(withResults(once, report), once);
	assert.throws(() => withResults('nothing', report), /no place for fanout/);
});

test('a goal on a ratio is judged by the end of the interval that is worse', () => {
	const ratio = { of: 'a', to: 'b', on: 'CPU', median: 2, min: 1, max: 3, lo95: 1.5, hi95: 2.5 };
	assert.equal(ratioAtLeast('g', ratio, 1.5).verdict, 'met');
	assert.equal(ratioAtLeast('g', ratio, 1.6).verdict, 'missed');
	assert.equal(ratioAtMost('g', ratio, 2.5).verdict, 'met');
	assert.equal(ratioAtMost('g', ratio, 2.4).verdict, 'missed');
	assert.equal(ratioAtLeast('g', null, 1).verdict, 'no verdict');
});
