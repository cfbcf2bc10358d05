import { ClientError } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Connection, LoginResult } from '../services/contracts.ts';

/** A login that waits for its turn. */
export type QueuedLogin = {
	readonly options: unknown;
	readonly connection: Connection;
	readonly isWanted: () => boolean;
	readonly since: number;
	resolve(result: LoginResult): void;
	reject(error: unknown): void;
};

type Deps = {
	clock: Clock;
	maxSize: number;
	/** Who waits longer is refused. */
	maxWaitMs: number;
	refusal(): ClientError;
	/** Sends what may be sent. Called after each arrival. */
	pump(): void;
};

/** How often a full queue is searched for logins whose clients have gone, in ms. */
const dropEveryMs = 250;

/** Logins in the order they came: bounded, and none waits for longer than it may. */
export function loginQueue({ clock, maxSize, maxWaitMs, refusal, pump }: Deps) {
	let waiting: QueuedLogin[] = [];
	let isWatched = false;
	let droppedAt = -Infinity;

	/** Looks again when the oldest may have waited too long. */
	function watch(): void {
		const oldest = waiting[0];
		if (isWatched || oldest === undefined) return;
		isWatched = true;
		setTimeout(
			() => {
				isWatched = false;
				refuseLate();
				watch();
			},
			Math.max(1, Math.ceil(oldest.since + maxWaitMs - clock.monotonic())),
		).unref();
	}

	function refuseLate(): void {
		const now = clock.monotonic();
		const late = waiting.findIndex(({ since }) => now - since < maxWaitMs);
		for (const { reject } of waiting.splice(0, late < 0 ? waiting.length : late)) reject(refusal());
	}

	/** Those whose clients have gone must not keep others out, wherever they stand. Searched at most four times a second. */
	function dropUnwanted(): void {
		const now = clock.monotonic();
		if (now - droppedAt < dropEveryMs) return;
		droppedAt = now;
		const all = waiting;
		waiting = [];
		for (const login of all) {
			if (login.isWanted()) waiting.push(login);
			else login.reject(clientGone());
		}
	}

	return {
		/** Puts a login at the end. Rejects at once when there is no room. */
		add(options: unknown, connection: Connection, isWanted: () => boolean): Promise<LoginResult> {
			if (waiting.length >= maxSize) dropUnwanted();
			if (waiting.length >= maxSize) return Promise.reject(refusal());
			return new Promise((resolve, reject) => {
				waiting.push({ options, connection, isWanted, since: clock.monotonic(), resolve, reject });
				pump();
				watch();
			});
		},
		/** Takes the oldest out whose clients are still there, at most so many. */
		take(most: number): QueuedLogin[] {
			const taken: QueuedLogin[] = [];
			let seen = 0;
			for (const login of waiting) {
				if (taken.length === most) break;
				seen += 1;
				if (login.isWanted()) taken.push(login);
				else login.reject(clientGone());
			}
			waiting.splice(0, seen);
			return taken;
		},
		get size(): number {
			return waiting.length;
		},
	};
}

export type LoginQueue = ReturnType<typeof loginQueue>;

/** Nobody reads this answer: its socket is closed. */
function clientGone(): ClientError {
	return new ClientError(500, 'The client has gone');
}
