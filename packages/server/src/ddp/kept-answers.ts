import { createHash } from 'node:crypto';
import type { OutFrame } from './out-frame.ts';

type Kept = {
	asked: string;
	answer: OutFrame;
	bytes: number;
	/** Number of the socket it was sent to, among those of the session; 0 = none of them. */
	socket: number;
	/** Pings that have still to leave until one proves it. */
	pings: number;
};

/** Bytes of answers that all sessions of a process keep. */
export type AnswerBytes = { used: number; max: number };

const maxAnswers = 64;
/**
 * An answer of an earlier socket outlives the first ping on the next one: that leaves before the client has been answered
 * its login, and only then it asks again.
 */
const pingsToAskAgain = 2;
/** Larger answers are reads: to run them again changes nothing. */
const maxAnswerBytes = 32 * 1024;

/**
 * The last answers of a session that its client is not known to have received: a method that is asked for again on
 * another socket is answered with them, not run a second time.
 */
export class KeptAnswers {
	private readonly answers = new Map<string, Kept>();
	private readonly total: AnswerBytes;

	constructor(total: AnswerBytes) {
		this.total = total;
	}

	/** @param socket Number of the socket it was sent to, among those of the session; 0: not sent yet. */
	keep(id: string, asked: string, answer: OutFrame, socket: number): void {
		this.forget(id);
		const bytes = answer.pieces.reduce((sum, piece) => sum + piece.length, 128 + asked.length);
		if (bytes > maxAnswerBytes || this.total.used + bytes > this.total.max) return;
		this.answers.set(id, { asked, answer, bytes, socket, pings: socket === 0 ? pingsToAskAgain : 1 });
		this.total.used += bytes;
		const oldest = this.answers.keys().next().value;
		if (this.answers.size > maxAnswers && oldest !== undefined) this.forget(oldest);
	}

	/**
	 * The answer to the same question under the same id; null when it has to be worked out.
	 *
	 * @param socket Where it is asked: who asks again on the socket that was answered wants it done again.
	 */
	find(id: string, asked: string, socket: number): OutFrame | null {
		const kept = this.answers.get(id);
		if (kept === undefined || kept.asked !== asked || kept.socket >= socket) return null;
		kept.socket = socket;
		kept.pings = 1;
		return kept.answer;
	}

	/** The client will come by another socket, and ask again for what did not arrive. */
	leaveSocket(): void {
		for (const kept of this.answers.values()) kept.pings = pingsToAskAgain;
	}

	/** A ping leaves now. */
	markPing(): void {
		for (const kept of this.answers.values()) kept.pings = Math.max(0, kept.pings - 1);
	}

	/** The ping was answered: what stood before it has arrived. */
	prove(): void {
		for (const [id, { pings }] of this.answers) if (pings === 0) this.forget(id);
	}

	/** What another process needs to answer in this one's place. */
	entries(): { id: string; asked: string; text: string }[] {
		return [...this.answers].map(([id, { asked, answer }]) => ({ id, asked, text: textOf(answer) }));
	}

	/** Nothing is kept any more. */
	clear(): void {
		for (const id of this.answers.keys()) this.forget(id);
	}

	get isEmpty(): boolean {
		return this.answers.size === 0;
	}

	private forget(id: string): void {
		const kept = this.answers.get(id);
		if (kept === undefined) return;
		this.answers.delete(id);
		this.total.used -= kept.bytes;
	}
}

/** What a method asked for, as the client wrote it: short texts as they are, others by their hash. */
export function askedOf(text: string): string {
	return text.length <= 128 ? text : createHash('sha256').update(text).digest('base64');
}

/** A frame as text. */
export function textOf({ pieces }: OutFrame): string {
	return pieces.map((piece) => (typeof piece === 'string' ? piece : Buffer.from(piece).toString('utf8'))).join('');
}
