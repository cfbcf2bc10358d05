import type { Frame, Line } from './lasting-line.ts';

/** One version of a message, as a client got it. `connection` grows with each that was opened. */
export type Heard = { id: string; version: number; from: 'live' | 'history'; connection: number };

const stepLimitMs = 15_000;

/** What a client that comes back has heard on all its connections. */
export function lastingInbox() {
	const heard: Heard[] = [];
	const ids = new Set<string>();
	const problems: string[] = [];
	/** `added` frames on resumed connections: those of streams, which no resumed client may get, and those of documents. */
	const added = { streams: 0, documents: 0 };
	/** Methods that were sent, until they are answered: they are sent again on the next connection. */
	const unanswered = new Map<string, { frame: Frame; done(): void }>();
	const waiting = new Set<(frame: Frame) => void>();
	const documents = new Set<string>();
	let connection = 0;
	let askedFor: string | null = null;
	let isResumed = false;
	let newest = 0;

	function take(id: string, version: number, from: Heard['from']): void {
		heard.push({ id, version, from, connection });
		ids.add(id);
		newest = Math.max(newest, version);
	}

	function takeAdded({ collection, id }: Frame): void {
		if (String(collection).startsWith('stream-')) {
			if (isResumed) added.streams += 1;
			return;
		}
		const name = `${collection}/${id}`;
		if (documents.has(name)) problems.push(`added twice on one connection: ${name}`);
		documents.add(name);
		if (isResumed) added.documents += 1;
	}

	function takeResult({ id, error }: Frame): void {
		const asked = unanswered.get(id);
		if (asked === undefined) return;
		if (error !== undefined) problems.push(`method: ${JSON.stringify(error)}`);
		unanswered.delete(id);
		asked.done();
	}

	return {
		heard,
		problems,
		added,
		unanswered,
		take,
		has: (id: string): boolean => ids.has(id),
		/** The latest version of a message so far, in ms since 1970. */
		get newest(): number {
			return newest;
		},
		/** Whether this connection was given the session that was asked for. */
		get isResumed(): boolean {
			return isResumed;
		},
		/** What comes from now on is a new connection's. @param session The one it asks for. */
		begin(session: string | null): void {
			connection += 1;
			askedFor = session;
			isResumed = false;
			documents.clear();
		},
		onFrame(frame: Frame): void {
			switch (frame['msg']) {
				case 'connected':
					isResumed = askedFor !== null && frame['session'] === askedFor;
					break;
				case 'changed':
					if (frame['collection'] !== 'stream-room-messages') break;
					for (const message of frame['fields'].args) take(message._id, message._updatedAt.$date, 'live');
					break;
				case 'added':
					takeAdded(frame);
					break;
				case 'result':
					takeResult(frame);
					break;
				case 'nosub':
				case 'error':
				case 'failed':
					problems.push(JSON.stringify(frame));
					break;
			}
			for (const tell of waiting) tell(frame);
		},
		/** The next frame that fits; rejects when the connection ends before. */
		next(on: Line, fits: (frame: Frame) => boolean): Promise<Frame> {
			return new Promise((resolve, reject) => {
				const end = (act: () => void): void => {
					waiting.delete(tell);
					clearTimeout(timer);
					act();
				};
				const tell = (frame: Frame): void => {
					if (fits(frame)) end(() => resolve(frame));
				};
				const timer = setTimeout(() => end(() => reject(new Error('no answer in time'))), stepLimitMs);
				waiting.add(tell);
				void on.closed.then((code) => end(() => reject(new Error(`closed with ${code}`))));
			});
		},
	};
}

export type LastingInbox = ReturnType<typeof lastingInbox>;
