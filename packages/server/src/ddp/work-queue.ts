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
};

/** Whose work it is. */
export type WorkHost<W> = {
	/** Does one piece of work. Rejects only by a bug. */
	perform(work: W): Promise<void>;
	/** Hears of a bug; the queue goes on. */
	onBug(error: unknown): void;
};

/**
 * The execution order inside one connection.
 *
 * @see realtime contract 2.4, 2.5
 */
export class WorkQueue<W extends Work> {
	/** Replaced when another session takes the connection over: what waits is then done for that one. */
	host: WorkHost<W>;
	private readonly maxRunning: number;
	private waiting: W[] | null = null;
	private running = 0;
	private isPaused = true;
	private identityRuns = false;
	private isStopped = false;
	private lastWrites: Map<string, Promise<void>> | null = null;

	constructor(maxRunning: number, host: WorkHost<W>) {
		this.maxRunning = maxRunning;
		this.host = host;
	}

	push(work: W): void {
		if (this.isStopped) return;
		const isFree = this.waiting === null && !this.isPaused && !this.identityRuns;
		// Mostly nothing waits: no list is made then.
		if (isFree && this.startNow(work)) return;
		(this.waiting ??= []).push(work);
		this.pump();
	}

	/** Lets work begin: the negotiation is done. */
	open(): void {
		this.isPaused = false;
		this.pump();
	}

	/** Forgets what has not begun. */
	stop(): void {
		this.isStopped = true;
		this.waiting = null;
	}

	/** Takes out what has not begun; what has goes on. */
	takeWaiting(): W[] {
		const waiting = this.waiting ?? [];
		this.waiting = null;
		return waiting;
	}

	/** Writes that were begun elsewhere come first in their rooms. */
	writeAfter(earlier: WorkQueue<W>): void {
		for (const [room, done] of earlier.lastWrites ?? []) {
			(this.lastWrites ??= new Map<string, Promise<void>>()).set(room, done);
		}
	}

	/** How much of a kind waits for its turn. */
	waitingOf(kind: Work['kind']): number {
		let count = 0;
		for (const work of this.waiting ?? []) if (work.kind === kind) count += 1;
		return count;
	}

	/** Whether a login or logout runs or waits. */
	get isIdentityPending(): boolean {
		return this.identityRuns || this.waitingOf('identity') > 0;
	}

	/** Starts a piece of work unless it has to wait. */
	private startNow(work: W): boolean {
		if (work.kind === 'method' && this.running >= this.maxRunning) return false;
		if (work.kind === 'identity') this.startIdentity(work);
		else this.start(work);
		return true;
	}

	/** Starts what may start. Methods beyond the bound stay; a `sub` behind them may pass, an identity change may not. */
	private pump(): void {
		if (this.isPaused || this.identityRuns || this.isStopped || this.waiting === null) return;
		const list = this.waiting;
		this.waiting = null;
		const rest: W[] = [];
		for (const [index, work] of list.entries()) {
			const mustWait = work.kind === 'identity' && rest.length > 0;
			if (mustWait || this.identityRuns) {
				rest.push(...list.slice(index));
				break;
			}
			if (!this.startNow(work)) rest.push(work);
		}
		if (rest.length === 0 || this.isStopped) return;
		this.waiting = this.waiting === null ? rest : [...rest, ...this.waiting];
	}

	private startIdentity(work: W): void {
		this.identityRuns = true;
		void this.guarded(work).then(() => {
			this.identityRuns = false;
			this.pump();
		});
	}

	private start(work: W): void {
		if (work.kind === 'instant') {
			void this.guarded(work);
			return;
		}
		this.running += 1;
		void this.inRoomOrder(work).then(() => {
			this.running -= 1;
			this.pump();
		});
	}

	/** A write waits for the earlier ones of its room; one whose room is unknown waits for all, and all for it. */
	private inRoomOrder(work: W): Promise<void> {
		const { room } = work;
		if (room === null) return this.guarded(work);
		const writes = (this.lastWrites ??= new Map<string, Promise<void>>());
		const before = [...writes].filter(([written]) => room === '*' || written === room || written === '*');
		const mine: Promise<void> = Promise.all(before.map(([, done]) => done)).then(() =>
			this.isStopped ? undefined : this.guarded(work),
		);
		writes.set(room, mine);
		return mine.then(() => {
			if (writes.get(room) === mine) writes.delete(room);
			if (writes.size === 0 && this.lastWrites === writes) this.lastWrites = null;
		});
	}

	private async guarded(work: W): Promise<void> {
		try {
			await this.host.perform(work);
		} catch (error) {
			this.host.onBug(error);
		}
	}
}
