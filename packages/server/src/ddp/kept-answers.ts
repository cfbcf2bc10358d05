import { createHash } from 'node:crypto';
import type { OutFrame } from './out-frame.ts';

type Kept = { asked: string; answer: OutFrame; bytes: number; isBehindPing: boolean; socket: number };

/** How an answer was sent. */
type Sent = { socket: number; isBehindPing: boolean };

/** Bytes of answers that all sessions of a process keep. */
export type AnswerBytes = { used: number; max: number };

const maxAnswers = 64;
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

	/**
	 * @param socket Number of the socket it was sent to, among those of the session.
	 * @param isBehindPing It was sent behind a ping that is out: the pong proves nothing of it.
	 */
	keep(id: string, asked: string, answer: OutFrame, { socket, isBehindPing }: Sent): void {
		this.forget(id);
		const bytes = answer.pieces.reduce((sum, piece) => sum + piece.length, 128 + asked.length);
		if (bytes > maxAnswerBytes || this.total.used + bytes > this.total.max) return;
		this.answers.set(id, { asked, answer, bytes, isBehindPing, socket });
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
		return kept !== undefined && kept.asked === asked && kept.socket < socket ? kept.answer : null;
	}

	/** A ping leaves now: everything kept so far stands before it. */
	markPing(): void {
		for (const kept of this.answers.values()) kept.isBehindPing = false;
	}

	/** The ping was answered: what stood before it has arrived. */
	prove(): void {
		for (const [id, { isBehindPing }] of this.answers) if (!isBehindPing) this.forget(id);
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
