/** Something that wants to write at the end of a turn. */
export type Flushable = { flush(): void };

/** What is larger when joined is not kept for others. */
const maxKeptBytes = 128 * 1024;

/**
 * The end of a turn of the event loop: everybody who queued something in it writes then, each once. Many sockets get the
 * same frames in one turn, so what was joined for one of them serves the next.
 */
export class Turn {
	private waiting: Flushable[] = [];
	private frames: readonly Buffer[] = [];
	private joined: Buffer | null = null;

	/** Asks for `flush` at the end of this turn. To be asked once per turn. */
	add(box: Flushable): void {
		if (this.waiting.push(box) === 1) setImmediate(endTurn, this);
	}

	/** Frames as one buffer: to copy small ones costs less than a vector of writes. */
	join(frames: readonly Buffer[], bytes: number): Buffer {
		const [first] = frames;
		if (frames.length === 1 && first !== undefined) return first;
		if (bytes > maxKeptBytes) return Buffer.concat(frames, bytes);
		if (this.joined === null || !isSame(frames, this.frames)) {
			this.frames = frames;
			this.joined = Buffer.concat(frames, bytes);
		}
		return this.joined;
	}

	/** Runs what was asked for. */
	end(): void {
		const now = this.waiting;
		this.waiting = [];
		for (const box of now) box.flush();
		this.frames = [];
		this.joined = null;
	}
}

function endTurn(turn: Turn): void {
	turn.end();
}

function isSame(left: readonly Buffer[], right: readonly Buffer[]): boolean {
	if (left.length !== right.length) return false;
	for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
	return true;
}
