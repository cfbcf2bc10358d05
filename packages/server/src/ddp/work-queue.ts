/**
 * What a client asked for, in the order it arrived.
 * `identity`: login, logout and the like: everything behind it waits until it is done.
 * `method`: at most `maxRunning` at once; those that write to one room start one after the other.
 * `instant`: `sub` and `unsub`: begun in order, not waited for, and not held up by a full pipeline of methods.
 */
export type Work = {
	kind: 'identity' | 'method' | 'instant';
	/** For writing methods: the room, or '*' when it cannot be known. null: may overlap with anything. */
	room: string | null;
	run(): Promise<void>;
};

type Deps = {
	maxRunning: number;
	/** A `run` that rejects is a bug: it is reported and the queue goes on. */
	onBug(error: unknown): void;
};

/**
 * The execution order inside one connection.
 *
 * @see realtime contract 2.4, 2.5
 */
export function workQueue({ maxRunning, onBug }: Deps) {
	let waiting: Work[] = [];
	let running = 0;
	let isPaused = true;
	let identityRuns = false;
	let isStopped = false;
	const lastWrites = new Map<string, Promise<void>>();

	/** Starts what may start. Methods beyond the bound stay; a `sub` behind them may pass, an identity change may not. */
	function pump(): void {
		if (isPaused || identityRuns || isStopped) return;
		const rest: Work[] = [];
		const list = waiting;
		waiting = [];
		for (const [index, work] of list.entries()) {
			if (work.kind === 'identity') {
				if (rest.length > 0 || identityRuns) {
					rest.push(...list.slice(index));
					break;
				}
				startIdentity(work);
				rest.push(...list.slice(index + 1));
				break;
			}
			if (work.kind === 'method' && running >= maxRunning) rest.push(work);
			else start(work);
		}
		waiting = [...rest, ...waiting];
	}

	function startIdentity(work: Work): void {
		identityRuns = true;
		void guarded(work.run).then(() => {
			identityRuns = false;
			pump();
		});
	}

	function start(work: Work): void {
		if (work.kind === 'instant') {
			void guarded(work.run);
			return;
		}
		running += 1;
		void inRoomOrder(work).then(() => {
			running -= 1;
			pump();
		});
	}

	/** A write waits for the earlier ones of its room; one whose room is unknown waits for all, and all for it. */
	function inRoomOrder(work: Work): Promise<void> {
		const { room } = work;
		if (room === null) return guarded(work.run);
		const before = [...lastWrites].filter(([written]) => room === '*' || written === room || written === '*');
		const mine: Promise<void> = Promise.all(before.map(([, done]) => done)).then(() =>
			isStopped ? undefined : guarded(work.run),
		);
		lastWrites.set(room, mine);
		return mine.then(() => {
			if (lastWrites.get(room) === mine) lastWrites.delete(room);
		});
	}

	async function guarded(run: () => Promise<void>): Promise<void> {
		try {
			await run();
		} catch (error) {
			onBug(error);
		}
	}

	return {
		push(work: Work): void {
			if (isStopped) return;
			waiting.push(work);
			pump();
		},
		/** Lets work begin: the negotiation is done. */
		open(): void {
			isPaused = false;
			pump();
		},
		/** Forgets what has not begun. */
		stop(): void {
			isStopped = true;
			waiting = [];
		},
		/** How much of a kind waits for its turn. */
		waitingOf(kind: Work['kind']): number {
			let count = 0;
			for (const work of waiting) if (work.kind === kind) count += 1;
			return count;
		},
		/** Whether a login or logout runs or waits. */
		get isIdentityPending(): boolean {
			return identityRuns || waiting.some(({ kind }) => kind === 'identity');
		},
	};
}

export type WorkQueue = ReturnType<typeof workQueue>;
