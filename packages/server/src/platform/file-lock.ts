import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Who holds a lock. */
export type LockHolder = { pid: number; what: string };

export type FileLock = { release(): Promise<void> };

/** The holder touches its file so often; one that was not touched for the longer time is stale. */
const touchEveryMs = 1_000;
const staleAfterMs = 20_000;

/**
 * Takes a lock that is a file: created only when it does not exist, touched while it is held, removed in the end. One whose
 * process is gone or that has not been touched for 20 s is taken over.
 *
 * @param path The file; its folder is created.
 * @param what Written into it, for people.
 * @returns The holder instead when the lock is taken by somebody who lives.
 */
export async function takeLock(path: string, what: string): Promise<FileLock | LockHolder> {
	await mkdir(dirname(path), { recursive: true });
	for (;;) {
		if (await create(path, what)) return holdLock(path);
		const holder = await holderOf(path);
		if (holder === 'changed') continue;
		if (holder !== 'stale') return holder;
		await removeStale(path);
	}
}

/** true = the lock was taken. */
export function isLock(result: FileLock | LockHolder): result is FileLock {
	return 'release' in result;
}

/**
 * Takes a lock, waiting for its holder.
 *
 * @param onWait Hears once that there is somebody to wait for.
 * @throws The signal's reason
 */
export async function waitForLock(
	path: string,
	what: string,
	{ onWait, signal }: { onWait?: (holder: LockHolder) => void; signal?: AbortSignal },
): Promise<FileLock> {
	let hasTold = false;
	for (;;) {
		const result = await takeLock(path, what);
		if (isLock(result)) return result;
		if (!hasTold) onWait?.(result);
		hasTold = true;
		await pause(200, undefined, signal === undefined ? {} : { signal });
	}
}

/** Who holds a lock now; null when nobody does. */
export async function lockHolder(path: string): Promise<LockHolder | null> {
	const holder = await holderOf(path);
	return typeof holder === 'string' ? null : holder;
}

async function create(path: string, what: string): Promise<boolean> {
	try {
		const file = await open(path, 'wx');
		await file.writeFile(JSON.stringify({ pid: process.pid, what }));
		await file.close();
		return true;
	} catch (error) {
		if (errorCode(error) === 'EEXIST') return false;
		throw error;
	}
}

function holdLock(path: string): FileLock {
	const timer = setInterval(() => {
		const now = new Date();
		utimes(path, now, now).catch(() => undefined); // gone: somebody took it over, or is cleaning up
	}, touchEveryMs);
	timer.unref();
	return {
		async release() {
			clearInterval(timer);
			const holder = await readFile(path, 'utf8').then(readHolder, () => null);
			if (holder?.pid === process.pid) await rm(path, { force: true });
		},
	};
}

/** 'changed' = the lock went away or is being written just now: look again. */
async function holderOf(path: string): Promise<LockHolder | 'stale' | 'changed'> {
	try {
		const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
		if (Date.now() - mtimeMs > staleAfterMs) return 'stale';
		const holder = readHolder(text);
		// Created, but not written yet.
		if (holder === null) return { pid: 0, what: '' };
		return isAlive(holder.pid) ? holder : 'stale';
	} catch (error) {
		if (errorCode(error) === 'ENOENT') return 'changed';
		throw error;
	}
}

function readHolder(text: string): LockHolder | null {
	try {
		const { pid, what } = JSON.parse(text) as Partial<LockHolder>;
		return typeof pid === 'number' && pid > 0 ? { pid, what: String(what) } : null;
	} catch {
		return null;
	}
}

/** Moved away first: of several who saw it stale, only one removes it, and none removes a fresh one. */
async function removeStale(path: string): Promise<void> {
	const aside = `${path}.${process.pid}.stale`;
	try {
		await rename(path, aside);
	} catch (error) {
		if (errorCode(error) === 'ENOENT') return;
		throw error;
	}
	const moved = await holderOf(aside);
	if (moved !== 'stale' && moved !== 'changed') {
		// Somebody else had replaced the stale one in between: theirs goes back where it was.
		await rename(aside, path).catch(() => undefined);
		return;
	}
	await rm(aside, { force: true });
}

/** Whether a process of this number runs. One that has ended and is only waited for does not. */
export function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return !isZombie(pid);
	} catch (error) {
		return errorCode(error) === 'EPERM';
	}
}

/** false also where the system does not tell: there is no /proc. */
function isZombie(pid: number): boolean {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
		// The name before it may hold anything, parentheses too.
		return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
	} catch {
		return false;
	}
}

function errorCode(error: unknown): string | undefined {
	return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
