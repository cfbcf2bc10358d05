import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Progress } from '../progress.ts';
import { extractMember } from './archive.ts';
import { FetchFailed } from './package-index.ts';
import type { OfficialArchive } from './sources.ts';

type Options = {
	archive: OfficialArchive;
	/** An empty folder; everything is written below it. */
	folder: string;
	progress: Progress;
	signal?: AbortSignal;
	/** Given up when no answer, or no more bytes, come for so long. Defaults 3,000 and 20,000. */
	answerMs?: number;
	stallMs?: number;
};

const maxChecksumBytes = 256 * 1024;

/**
 * Fetches a program from its publisher and checks it against the checksum that the publisher puts beside it.
 *
 * @returns The unpacked program.
 * @throws FetchFailed also when there is no answer within 3 s
 */
export async function fetchOfficial(options: Options): Promise<string> {
	const { archive, folder, progress, signal } = options;
	const name = basename(new URL(archive.url).pathname);
	try {
		const expected = await readChecksum(options, name);
		const file = join(folder, name);
		const { sha256, bytes } = await download(options, file, name);
		if (sha256 !== expected) throw new FetchFailed(`the checksum is ${sha256}, the publisher says ${expected}`);
		const target = join(folder, 'program');
		await extractMember(file, archive.member, target, (done) => progress.amount('unpacking', done, bytes));
		return target;
	} catch (error) {
		signal?.throwIfAborted();
		throw new FetchFailed(`${archive.url}: ${causeOf(error)}`);
	}
}

async function readChecksum(options: Options, name: string): Promise<string> {
	const limit = stallLimit(options);
	const response = await request(options.archive.checksumUrl, limit);
	let text = '';
	for await (const chunk of response) {
		limit.alive();
		text += Buffer.from(chunk).toString('latin1');
		if (text.length > maxChecksumBytes) throw new FetchFailed('the checksum file is too long');
	}
	limit.end();
	const lines = text.split('\n').map((line) => /^([0-9a-f]{64})(?:\s+\*?(\S+))?\s*$/i.exec(line));
	const line =
		lines.find((match) => match?.[2] === name) ?? lines.find((match) => match !== null && match[2] === undefined);
	const sha256 = line?.[1]?.toLowerCase();
	if (sha256 === undefined) throw new FetchFailed('the publisher’s checksum file does not name it');
	return sha256;
}

async function download(options: Options, path: string, name: string): Promise<{ sha256: string; bytes: number }> {
	const limit = stallLimit(options);
	const response = await request(options.archive.url, limit);
	const hash = createHash('sha256');
	const file = await open(path, 'w');
	let bytes = 0;
	try {
		for await (const chunk of response) {
			limit.alive();
			hash.update(chunk);
			await file.writeFile(chunk);
			options.progress.amount(name, (bytes += chunk.length), response.totalBytes);
		}
	} finally {
		limit.end();
		await file.close();
	}
	return { sha256: hash.digest('hex'), bytes };
}

type Body = AsyncIterable<Uint8Array> & { totalBytes: number | null };

async function request(url: string, { signal }: StallLimit): Promise<Body> {
	const response = await fetch(url, { signal, redirect: 'follow' });
	if (!response.ok || response.body === null) {
		await response.body?.cancel();
		throw new FetchFailed(`status ${response.status}`);
	}
	const length = Number(response.headers.get('content-length'));
	return Object.assign(response.body, { totalBytes: length > 0 ? length : null });
}

type StallLimit = { signal: AbortSignal; alive(): void; end(): void };

/** A signal that aborts when nothing has come for too long: first for the answer, then for its next bytes. */
function stallLimit({ signal, answerMs = 3_000, stallMs = 20_000 }: Options): StallLimit {
	const aborting = new AbortController();
	const giveUp = (ms: number) =>
		setTimeout(() => aborting.abort(new FetchFailed(`no answer within ${ms / 1000} s`)), ms);
	let timer = giveUp(answerMs);
	return {
		signal: signal === undefined ? aborting.signal : AbortSignal.any([signal, aborting.signal]),
		alive() {
			clearTimeout(timer);
			timer = giveUp(stallMs);
		},
		end: () => clearTimeout(timer),
	};
}

/** `fetch failed` says nothing: its cause does. */
function causeOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { cause } = error;
	if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
	return error.message;
}
